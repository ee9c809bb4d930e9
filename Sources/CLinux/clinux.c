// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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

uint32_t dray_major(uint64_t device) { return gnu_dev_major(device); }
uint32_t dray_minor(uint64_t device) { return gnu_dev_minor(device); }
