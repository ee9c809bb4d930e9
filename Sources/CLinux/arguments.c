// SPDX-License-Identifier: Apache-2.0
// Swift's CommandLine needs /proc, which a bare root file system lacks. glibc gives each constructor what main gets.
#include "clinux.h"

#include <sys/auxv.h>

static int count;
static char **values;

__attribute__((constructor)) static void keep(int argc, char **argv) {
    count = argc;
    values = argv;
}

int dray_argument_count(void) { return count; }

const char *dray_argument(int index) { return values[index]; }

const char *dray_started_as(void) { return (const char *)getauxval(AT_EXECFN); }
