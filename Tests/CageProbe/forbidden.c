// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "probe.h"

#include <arpa/inet.h>
#include <cage.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int inherited = -1;  // a file that was left open
static int connection = -1; // a socket that was left open
static void *page;

// 0 or more where the thing could be done.
static long attempt(const char *what) {
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char *const words[] = {"true", NULL};
    char byte = 0;
    if (strcmp(what, "nothing") == 0) return 0;
    if (strcmp(what, "memory") == 0) {  // what a decoder does all the time
        void *memory = malloc(32 << 20);
        memset(memory, 1, 32 << 20);
        free(memory);
        return 0;
    }
    if (strcmp(what, "open") == 0) return open("/etc/passwd", O_RDONLY);
    if (strcmp(what, "create") == 0) return open("/tmp/dray-cage-probe", O_WRONLY | O_CREAT, 0600);
    if (strcmp(what, "symlink") == 0) return symlink("/etc/passwd", "/tmp/dray-cage-probe");
    if (strcmp(what, "unlink") == 0) return unlink("/tmp/dray-cage-probe");
    if (strcmp(what, "socket") == 0) return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(what, "connect") == 0) return connect(connection, (const void *)&address, sizeof address);
    if (strcmp(what, "exec") == 0) return execv("/bin/true", words);
    if (strcmp(what, "fork") == 0) return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (strcmp(what, "ptrace") == 0) return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (strcmp(what, "kill") == 0) return kill(getppid(), 0);
    if (strcmp(what, "read-inherited") == 0) return read(inherited, &byte, 1);
    if (strcmp(what, "write-inherited") == 0) return write(connection, "x", 1);
    if (strcmp(what, "map-file") == 0) return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, inherited, 0) == MAP_FAILED ? -1 : 0;
    if (strcmp(what, "map-code") == 0)
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
    if (strcmp(what, "protect-code") == 0) return mprotect(page, 4096, PROT_READ | PROT_EXEC);
    if (strcmp(what, "duplicate") == 0) return dup(0);
#if defined(__x86_64__)
    if (strcmp(what, "x32") == 0) return syscall(0x40000000 | SYS_getpid);
#endif
    errno = EINVAL;
    return -1;
}

int try_forbidden(const char *what, int landlock_only) {
    inherited = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int version = 0;
    if (inherited < 0 || connection < 0 || page == MAP_FAILED) return 99;
    if (landlock_only ? dray_landlock_all() < 0 : dray_enter_cage(&version) != 0) return 99;
    _exit(attempt(what) >= 0 ? 0 : errno);
}
