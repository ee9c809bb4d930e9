// SPDX-License-Identifier: Apache-2.0
// Starts the importer with the C library that travels beside it, so that a site needs no package manager, no shell and no
// /proc. Linked statically by scripts/release.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

// This program's path from the root: by the kernel's word; else as it was started.
static int find_self(char *self, size_t size) {
    ssize_t length = readlink("/proc/self/exe", self, size - 1);
    if (length > 0) {
        self[length] = 0;
        return 0;
    }
    const char *path = (const char *)getauxval(AT_EXECFN);
    if (path == NULL || (path[0] != '/' && getcwd(self, size / 2) == NULL)) return -1;
    size_t start = path[0] == '/' ? 0 : strlen(self);
    if (start + strlen(path) + 2 > size) return -1;
    snprintf(self + start, size - start, "%s%s", start ? "/" : "", path);
    return 0;
}

int main(int count, char **arguments) {
    char folder[4096], loader[4200], libraries[4200], program[4200];
    char **all = calloc((size_t)count + 8, sizeof(char *));
    // The importer starts itself anew to decode what is on media; the file that runs then is the loader, so it is told ours.
    if (all == NULL || find_self(folder, sizeof folder) != 0 || setenv("DRAY_KIT_LAUNCHER", folder, 1) != 0) {
        fprintf(stderr, "dray-import: cannot find the folder of the kit; start it by its whole path\n");
        return 1;
    }
    char *slash = strrchr(folder, '/');
    slash[slash == folder] = 0;
    snprintf(loader, sizeof loader, "%s/lib/%s", folder, LOADER);
    snprintf(libraries, sizeof libraries, "%s/lib", folder);
    snprintf(program, sizeof program, "%s/lib/dray-import", folder);
    // The host's own libraries and what it preloads must not mix with these.
    unsetenv("LD_PRELOAD");
    unsetenv("LD_AUDIT");
    unsetenv("LD_LIBRARY_PATH");
    char *first[] = {loader, "--inhibit-cache", "--library-path", libraries, "--argv0",
                     count > 0 ? arguments[0] : "dray-import", program};
    memcpy(all, first, sizeof first);
    for (int i = 1; i < count; i++) all[sizeof first / sizeof *first + (size_t)i - 1] = arguments[i];
    execv(loader, all);
    fprintf(stderr, "dray-import: cannot start %s: %s\n", loader, strerror(errno));
    if (errno == EACCES || errno == EPERM)
        fprintf(stderr, "Programs may not run from this medium. Copy the kit to a disk and start it there:\n"
                        "  cp -r %s /tmp/dray-kit && chmod -R u+x /tmp/dray-kit && /tmp/dray-kit/dray-import\n", folder);
    return 1;
}
