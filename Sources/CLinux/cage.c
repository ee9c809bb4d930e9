// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Moves a descriptor away from 0...2, which a child gets other things as.
static int above_standard(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return moved;
}

int dray_sealed_memory(size_t size) {
    const unsigned noexec = 0x8;  // MFD_NOEXEC_SEAL, since Linux 6.3; older ones say EINVAL
    int fd = memfd_create("dray-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING | noexec);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("dray-frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    fd = above_standard(fd);
    if (fd < 0) return -1;
    if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

int dray_stream_pair(int *first, int *second) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
    *first = above_standard(ends[0]);
    *second = above_standard(ends[1]);
    if (*first >= 0 && *second >= 0) return 0;
    int why = errno;
    if (*first >= 0) close(*first);
    if (*second >= 0) close(*second);
    errno = why;
    return -1;
}

void dray_close_from(int first) {
    if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
    // Before Linux 5.9. Limits go up to 10^9; what lies above is of no use without read, write or a mapping anyway.
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = first; fd < end; fd++) close(fd);
}

int dray_has_openat2(void) {
    struct open_how how = {0};
    // A descriptor that can't be: EBADF from the call itself.
    return syscall(SYS_openat2, -1, "x", &how, sizeof how) >= 0 || (errno != ENOSYS && errno != EPERM);
}

const uint64_t dray_cage_address_space = (uint64_t)1 << 30;

static int give_up_privileges(void) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -1;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return (int)syscall(SYS_capset, &header, none);
}

static int limit(int resource, rlim_t most) {
    struct rlimit value;
    if (getrlimit(resource, &value) != 0) return -1;
    if (value.rlim_max != RLIM_INFINITY && value.rlim_max < most) most = value.rlim_max;
    value.rlim_cur = value.rlim_max = most;
    return setrlimit(resource, &value);
}

static int set_limits(void) {
    // The processor's time is for a process whose parent is gone and that does not want to notice.
    return limit(RLIMIT_AS, dray_cage_address_space) || limit(RLIMIT_CPU, 6 * 3600) || limit(RLIMIT_FSIZE, 0) ||
           limit(RLIMIT_NOFILE, 0) || limit(RLIMIT_CORE, 0) || limit(RLIMIT_NPROC, 0) || limit(RLIMIT_MEMLOCK, 0)
               ? -1
               : 0;
}

// The headers at hand may be older than the kernel: all of Landlock's rule set up to ABI 7, by number.
struct ruleset {
    uint64_t files, ports, scopes;
};

int dray_landlock_all(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return 0;
    // ABI 1 has 13 rights on files; 2 adds moving, 3 truncating, 5 device control; 4 TCP ports; 6 sockets and signals.
    int files = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    struct ruleset rules = {
        .files = ((uint64_t)1 << files) - 1,
        .ports = version >= 4 ? 3 : 0,
        .scopes = version >= 6 ? 3 : 0,
    };
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0) return -1;
    long done = syscall(SYS_landlock_restrict_self, fd, 0);
    int why = errno;
    close(fd);
    errno = why;
    return done == 0 ? (int)version : -1;
}

int dray_enter_cage(int *landlock_version) {
    if (give_up_privileges() != 0) return dray_cage_privileges;
    // Landlock's rule set is a descriptor: before the limit that allows none.
    *landlock_version = dray_landlock_all();
    if (*landlock_version < 0) return dray_cage_landlock;
    if (set_limits() != 0) return dray_cage_limits;
    return dray_seccomp_list() != 0 ? dray_cage_seccomp : 0;
}
