// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

const int dray_o_direct = O_DIRECT;

int dray_reserve(int fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length);
}

int dray_start_writeback(int fd, int64_t offset, int64_t length) {
    return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

// The walk for kernels before 5.6: every component opened with O_NOFOLLOW, none may be "..".
static int open_by_component(int fd, const char *path) {
    char name[256];
    int here = dup(fd);
    while (here >= 0) {
        const char *slash = strchr(path, '/');
        size_t length = slash ? (size_t)(slash - path) : strlen(path);
        if (length == 0 || length >= sizeof name || (length <= 2 && strncmp(path, "..", length) == 0)) {
            close(here);
            errno = EINVAL;
            return -1;
        }
        memcpy(name, path, length);
        name[length] = 0;
        int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (slash ? O_DIRECTORY : 0);
        int next = openat(here, name, flags);
        int why = errno;
        close(here);
        errno = why;
        if (next < 0 || !slash) return next;
        here = next;
        path = slash + 1;
    }
    return here;
}

int dray_open_beneath(int fd, const char *path) {
    struct open_how how = {
        .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int opened = (int)syscall(SYS_openat2, fd, path, &how, sizeof how);
    if (opened >= 0 || (errno != ENOSYS && errno != EPERM)) return opened;
    return open_by_component(fd, path);
}

// proc(5), mountinfo: "36 35 98:0 /root /mount options [optional fields] - type source options"
static void type_of_device(dev_t device, char *type, uint64_t size) {
    FILE *table = fopen("/proc/self/mountinfo", "re");
    if (!table) return;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, table) > 0) {
        unsigned first = 0, second = 0;
        if (sscanf(line, "%*s %*s %u:%u", &first, &second) != 2 || makedev(first, second) != device) continue;
        const char *mark = strstr(line, " - ");
        if (!mark) continue;
        size_t length = strcspn(mark + 3, " \n");
        if (length >= size) length = size - 1;
        memcpy(type, mark + 3, length);
        type[length] = 0;
        break;
    }
    free(line);
    fclose(table);
}

int dray_file_system(const char *path, uint64_t *magic, char *type, uint64_t size) {
    struct statfs system;
    struct stat status;
    if (size == 0 || statfs(path, &system) < 0 || stat(path, &status) < 0) return -1;
    *magic = (uint64_t)(unsigned long)system.f_type & 0xffffffff;
    type[0] = 0;
    type_of_device(status.st_dev, type, size);
    return 0;
}
