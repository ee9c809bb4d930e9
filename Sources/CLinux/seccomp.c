// SPDX-License-Identifier: Apache-2.0
// The cage's list of system calls, as a program of classic BPF that the kernel runs at each call.
#define _GNU_SOURCE
#include "cage.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the cage knows amd64 and arm64"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
// The low half, which is the whole of what the kernel takes these arguments for: both architectures put it first.
#define LOAD_ARGUMENT(number) LOAD(args[number])
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define HAS_BIT(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, yes, no)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW_CALL(name) EQUAL(__NR_##name, 0, 1), ALLOW
// Only where the first argument is `fd`.
#define ALLOW_ON(name, fd) EQUAL(__NR_##name, 0, 4), LOAD_ARGUMENT(0), EQUAL(fd, 0, 1), ALLOW, KILL

static struct sock_filter program[] = {
    LOAD(arch), EQUAL(ARCHITECTURE, 1, 0), KILL,
    LOAD(nr),  // x32's numbers have a bit of their own and equal none of these
    ALLOW_ON(read, 0), ALLOW_ON(write, 0),
    // Memory of its own, never a file's and never for code.
    EQUAL(__NR_mmap, 0, 6), LOAD_ARGUMENT(2), HAS_BIT(PROT_EXEC, 3, 0), LOAD_ARGUMENT(3), HAS_BIT(MAP_ANONYMOUS, 0, 1), ALLOW, KILL,
    EQUAL(__NR_mprotect, 0, 4), LOAD_ARGUMENT(2), HAS_BIT(PROT_EXEC, 1, 0), ALLOW, KILL,
    ALLOW_CALL(munmap), ALLOW_CALL(mremap), ALLOW_CALL(brk), ALLOW_CALL(madvise), ALLOW_CALL(futex),
    ALLOW_CALL(exit_group), ALLOW_CALL(exit), ALLOW_CALL(rt_sigreturn), ALLOW_CALL(rt_sigprocmask),
    // Where the kernel's own page does not answer; and what goes on after a stop.
    ALLOW_CALL(clock_gettime), ALLOW_CALL(restart_syscall), ALLOW_CALL(close),
    KILL,
};

int dray_seccomp_list(void) {
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}
