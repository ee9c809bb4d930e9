// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Runs a program under a filter that answers ENOSYS to the named calls; returns only on failure.
int run_without(const char *names, char **program);
/// Enters the cage (or, with `landlock_only`, its outer part alone) and tries one forbidden thing; 0 where that worked, else
/// its errno.
int try_forbidden(const char *what, int landlock_only);
/// Plays a child of the parser's cage that behaves as the word says.
int play_child(const char *behaviour);
