// SPDX-License-Identifier: Apache-2.0
// What the parser's cage needs of Linux (docs/decisions/0008-parser-cage.md). errno as usual.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Memory of exactly `size` bytes that has no name and never changes its length; its descriptor, 3 or more, or -1.
int dray_sealed_memory(size_t size);

/// The two ends of a stream, each 3 or more, which no program that is started inherits; 0 or -1.
int dray_stream_pair(int *first, int *second);

/// Closes every descriptor from `first` on.
void dray_close_from(int first);

/// Whether the kernel has openat2 and lets us call it.
int dray_has_openat2(void);

/// The steps of `dray_enter_cage`.
enum { dray_cage_privileges = 1, dray_cage_limits = 2, dray_cage_landlock = 3, dray_cage_seccomp = 4 };

/// Bytes of address space that a caged process may have.
extern const uint64_t dray_cage_address_space;

/// Gives up everything but computing, reading and writing descriptor 0; for a process with one thread, for good.
/// 0, or the step that failed. `landlock_version`: Landlock's ABI, 0 where the kernel has none.
int dray_enter_cage(int *landlock_version);

/// Forbids every file and, from ABI 4 on, every TCP port. Landlock's ABI, 0 where the kernel has none, -1 on failure.
int dray_landlock_all(void);

/// Lets the process make the calls of the list and no other: any other ends it with SIGSYS. 0 or -1.
int dray_seccomp_list(void);
