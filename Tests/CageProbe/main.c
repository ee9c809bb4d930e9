// SPDX-License-Identifier: Apache-2.0
// What tries to break out of the parser's cage, lies from inside it, or plays an old kernel:
//   cage-probe has-landlock
//   cage-probe without NAME,NAME -- PROGRAM...     cage-probe try WHAT     cage-probe landlock WHAT     cage-probe child HOW
#define _GNU_SOURCE
#include "probe.h"

#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count >= 5 && strcmp(words[1], "without") == 0) return run_without(words[2], words + 4);
    if (count == 3 && strcmp(words[1], "try") == 0) return try_forbidden(words[2], 0);
    if (count == 3 && strcmp(words[1], "landlock") == 0) return try_forbidden(words[2], 1);
    if (count == 3 && strcmp(words[1], "child") == 0) return play_child(words[2]);
    if (count == 2 && strcmp(words[1], "has-landlock") == 0)
        return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0 ? 0 : 1;
    return 64;
}
