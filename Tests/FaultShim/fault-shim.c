// SPDX-License-Identifier: Apache-2.0
// Preloaded into a tool under test (LD_PRELOAD). Counts the calls that change files below some folders, and at one of them
// kills the process or lets the call fail. docs/crash.md says what is counted and what is assumed.
//
//   DRAY_FAULT_ROOTS=DIR:DIR   absolute folders whose files count
//   DRAY_FAULT_CALLS=changes   or "reads" of regular files
//   DRAY_FAULT_AT=N            the first call is 1; absent: count only
//   DRAY_FAULT_DO=kill         before the call; "half": in the middle of it; "stop": SIGSTOP before it; or an error: ENOSPC EDQUOT EIO ENODEV
//   DRAY_FAULT_STAY=1          the error stays from then on (calls that free space go on working)
//   DRAY_FAULT_LOG=FILE        every change with its data, for replaying a power cut
//   DRAY_FAULT_REPORT=FILE     "calls N bytes N hit NAME PATH", at the end or before the kill
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE, WRITE, LENGTH, SPACE, SYNC, RENAME, LINK, UNLINK, MKDIR, RMDIR, SYMLINK, READ };
static const char *const kind_names[] = {"create", "write", "length", "space", "sync", "rename", "link", "unlink", "mkdir", "rmdir", "symlink", "read"};
enum { PASS = 0, HALF = -1, FAIL = 1 };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int active, counts_reads, stays, kills, halves, waits, failure, log_file = -1;
static const char *roots[16], *report;
static int root_count;
static long at, calls;
static long long bytes;
static char hit[PATH_MAX + 40] = "-";

// Ranges written since the last successful sync, so that a failed one can lose them as Linux does.
struct range { dev_t device; ino_t inode; off_t offset; size_t length; };
static struct range *unsynced;
static size_t unsynced_count, unsynced_room;

static void tell(void) {
    if (!report) return;
    char text[PATH_MAX + 200];
    int length = snprintf(text, sizeof text, "calls %ld bytes %lld hit %s\n", calls, bytes, hit);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return;
    syscall(SYS_write, fd, text, (size_t)length);
    syscall(SYS_close, fd);
}

static void die(void) {
    tell();
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void stop_in_child(void) { active = 0; }

static int error_named(const char *name) {
    static const struct { const char *name; int value; } known[] = {
        {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO}, {"ENODEV", ENODEV}, {"EROFS", EROFS}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].value;
    dprintf(2, "fault-shim: DRAY_FAULT_DO=%s is unknown\n", name);
    _exit(99);
}

__attribute__((constructor)) static void begin(void) {
    char *list = getenv("DRAY_FAULT_ROOTS");
    unsetenv("LD_PRELOAD");  // programs that the tool starts run undisturbed
    if (!list || !*list) return;
    for (char *word = strtok(strdup(list), ":"); word && root_count < 16; word = strtok(NULL, ":")) roots[root_count++] = word;
    const char *text = getenv("DRAY_FAULT_CALLS");
    counts_reads = text && strcmp(text, "reads") == 0;
    if ((text = getenv("DRAY_FAULT_AT"))) at = atol(text);
    if ((text = getenv("DRAY_FAULT_DO"))) {
        if (strcmp(text, "kill") == 0) kills = 1;
        else if (strcmp(text, "half") == 0) kills = halves = 1;
        else if (strcmp(text, "stop") == 0) waits = 1;
        else failure = error_named(text);
    }
    stays = getenv("DRAY_FAULT_STAY") != NULL;
    report = getenv("DRAY_FAULT_REPORT");
    if ((text = getenv("DRAY_FAULT_LOG"))) {
        log_file = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (log_file < 0) { dprintf(2, "fault-shim: no log at %s\n", text); _exit(99); }
    }
    pthread_atfork(NULL, NULL, stop_in_child);
    active = 1;
}

__attribute__((destructor)) static void end(void) { if (active) tell(); }

// ---- Which files count

static int is_below(const char *path) {
    for (int i = 0; i < root_count; i++) {
        size_t length = strlen(roots[i]);
        if (strncmp(path, roots[i], length) == 0 && (path[length] == '/' || path[length] == 0)) return 1;
    }
    return 0;
}

// The absolute path, with "//" and "/./" taken out; 0 when it doesn't count.
static int absolute(int folder, const char *path, char *out) {
    char whole[2 * PATH_MAX], base[PATH_MAX];
    if (!active || !path) return 0;
    if (*path == '/') snprintf(whole, sizeof whole, "%s", path);
    else {
        if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
        else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        snprintf(whole, sizeof whole, "%s/%s", base, path);
    }
    size_t to = 0;
    for (size_t from = 0; whole[from] && to < PATH_MAX - 1; from++) {
        if (whole[from] == '/' && whole[from + 1] == '/') continue;
        if (whole[from] == '/' && whole[from + 1] == '.' && (whole[from + 2] == '/' || !whole[from + 2])) { from++; continue; }
        out[to++] = whole[from];
    }
    if (to > 1 && out[to - 1] == '/') to--;
    out[to] = 0;
    return is_below(out);
}

// The path of an open regular file or folder; 0 when it doesn't count.
static int path_of(int fd, char *out, struct stat *status) {
    if (!active || fd < 0 || fstat(fd, status) != 0 || !(S_ISREG(status->st_mode) || S_ISDIR(status->st_mode))) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    if (length < 0) return 0;
    out[length] = 0;
    return is_below(out);
}

// ---- The decision

static int can_lack_space(enum kind kind) { return kind != UNLINK && kind != RMDIR && kind != READ && kind != RENAME; }

// With the turn taken. PASS: carry it out; HALF: in part, then die; FAIL: errno is set.
static int decide(enum kind kind, const char *path) {
    if ((kind == READ) != counts_reads) return PASS;
    calls++;
    if (at == 0 || calls < at || (calls > at && !(failure && stays))) return PASS;
    if (calls == at) snprintf(hit, sizeof hit, "%s %s", kind_names[kind], path);
    if (kills && halves && kind == WRITE) return HALF;
    if (kills) die();
    if (waits) {
        tell();
        syscall(SYS_kill, getpid(), SIGSTOP);
        return PASS;
    }
    if (calls > at && (failure == ENOSPC || failure == EDQUOT) && !can_lack_space(kind)) return PASS;
    errno = failure;
    return FAIL;
}

// ---- The log

struct record { uint32_t kind, first, second, data; uint64_t inode; int64_t offset, length; };

static void write_all(const void *memory, size_t length) {
    const char *from = memory;
    while (length > 0) {
        ssize_t count = syscall(SYS_write, log_file, from, length);
        if (count <= 0) { dprintf(2, "fault-shim: the log can't be written\n"); _exit(99); }
        from += count;
        length -= (size_t)count;
    }
}

static void note(enum kind kind, const char *first, const char *second, uint64_t inode, off_t offset, off_t length,
                 const void *data, size_t count) {
    if (log_file < 0) return;
    struct record record = {kind, (uint32_t)strlen(first), second ? (uint32_t)strlen(second) : 0, (uint32_t)count, inode, offset, length};
    write_all(&record, sizeof record);
    write_all(first, record.first);
    if (second) write_all(second, record.second);
    if (count) write_all(data, count);
}

static uint64_t inode_at(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

// ---- Writes

static void remember(const struct stat *status, off_t offset, size_t length) {
    if (unsynced_count == unsynced_room) {
        unsynced_room = unsynced_room ? unsynced_room * 2 : 64;
        unsynced = realloc(unsynced, unsynced_room * sizeof *unsynced);
        if (!unsynced) _exit(99);
    }
    unsynced[unsynced_count++] = (struct range){status->st_dev, status->st_ino, offset, length};
}

// Forgets what is durable, or, after a failed sync, spoils it: Linux drops the pages and calls them clean.
static void settle(int fd, const struct stat *status, const char *path, int is_lost) {
    size_t kept = 0;
    int out = is_lost ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0) : -1;
    for (size_t i = 0; i < unsynced_count; i++) {
        struct range range = unsynced[i];
        if (range.device != status->st_dev || range.inode != status->st_ino) { unsynced[kept++] = range; continue; }
        char junk[4096];
        memset(junk, 0xDB, sizeof junk);
        for (size_t done = 0; out >= 0 && done < range.length; done += sizeof junk) {
            size_t count = range.length - done < sizeof junk ? range.length - done : sizeof junk;
            syscall(SYS_pwrite64, out, junk, count, range.offset + (off_t)done);
        }
    }
    unsynced_count = kept;
    if (out >= 0) syscall(SYS_close, out);
    (void)fd;
}

static ssize_t changed(int fd, const void *memory, size_t length, off_t offset, int is_placed) {
    char path[PATH_MAX];
    struct stat status;
    if (!path_of(fd, path, &status)) return is_placed ? syscall(SYS_pwrite64, fd, memory, length, offset) : syscall(SYS_write, fd, memory, length);
    pthread_mutex_lock(&turn);
    int verdict = decide(WRITE, path);
    if (verdict == FAIL) { int why = errno; pthread_mutex_unlock(&turn); errno = why; return -1; }
    if (!is_placed) offset = fcntl(fd, F_GETFL) & O_APPEND ? status.st_size : lseek(fd, 0, SEEK_CUR);
    if (verdict == HALF) {
        size_t half = length / 2 / 4096 * 4096;
        if (half == 0 && !(fcntl(fd, F_GETFL) & O_DIRECT)) half = length / 2;
        if (half > 0) syscall(SYS_pwrite64, fd, memory, half, offset);
        die();
    }
    ssize_t count = is_placed ? syscall(SYS_pwrite64, fd, memory, length, offset) : syscall(SYS_write, fd, memory, length);
    int why = errno;
    if (count > 0) {
        bytes += count;
        remember(&status, offset, (size_t)count);
        note(WRITE, path, NULL, status.st_ino, offset, count, memory, (size_t)count);
    }
    pthread_mutex_unlock(&turn);
    errno = why;
    return count;
}

ssize_t write(int fd, const void *memory, size_t length) { return changed(fd, memory, length, 0, 0); }
ssize_t pwrite(int fd, const void *memory, size_t length, off_t offset) { return changed(fd, memory, length, offset, 1); }
ssize_t pwrite64(int fd, const void *memory, size_t length, off64_t offset) { return changed(fd, memory, length, offset, 1); }

// One vector after another: a kill between them is a moment that the kernel could be stopped at too.
static ssize_t changed_vectors(int fd, const struct iovec *vectors, int count, off_t offset, int is_placed) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = changed(fd, vectors[i].iov_base, vectors[i].iov_len, offset + total, is_placed);
        if (done < 0) return total > 0 ? total : done;
        total += done;
        if ((size_t)done < vectors[i].iov_len) break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *vectors, int count) {
    char path[PATH_MAX];
    struct stat status;
    if (!path_of(fd, path, &status)) return syscall(SYS_writev, fd, vectors, count);
    return changed_vectors(fd, vectors, count, 0, 0);
}
ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset) { return changed_vectors(fd, vectors, count, offset, 1); }
ssize_t pwritev64(int fd, const struct iovec *vectors, int count, off64_t offset) { return changed_vectors(fd, vectors, count, offset, 1); }

static ssize_t copied(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags, int is_sendfile) {
    char path[PATH_MAX];
    struct stat status;
    int counts = path_of(out, path, &status);
    if (counts) {
        pthread_mutex_lock(&turn);
        int verdict = decide(WRITE, path);
        if (verdict == FAIL) { int why = errno; pthread_mutex_unlock(&turn); errno = why; return -1; }
        if (verdict == HALF) length = length / 2 ? length / 2 : 1;
        off_t offset = to ? *to : lseek(out, 0, SEEK_CUR);
        ssize_t count = is_sendfile ? syscall(SYS_sendfile, out, in, from, length) : syscall(SYS_copy_file_range, in, from, out, to, length, flags);
        int why = errno;
        if (verdict == HALF) die();
        if (count > 0) {
            bytes += count;
            remember(&status, offset, (size_t)count);
            if (log_file >= 0) {
                char *memory = malloc((size_t)count);
                char link[64];
                snprintf(link, sizeof link, "/proc/self/fd/%d", out);
                int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
                if (!memory || syscall(SYS_pread64, again, memory, count, offset) != count) _exit(99);
                syscall(SYS_close, again);
                note(WRITE, path, NULL, status.st_ino, offset, count, memory, (size_t)count);
                free(memory);
            }
        }
        pthread_mutex_unlock(&turn);
        errno = why;
        return count;
    }
    return is_sendfile ? syscall(SYS_sendfile, out, in, from, length) : syscall(SYS_copy_file_range, in, from, out, to, length, flags);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) { return copied(in, from, out, to, length, flags, 0); }
ssize_t sendfile(int out, int in, off_t *from, size_t length) { return copied(in, from, out, NULL, length, 0, 1); }
ssize_t sendfile64(int out, int in, off64_t *from, size_t length) { return copied(in, from, out, NULL, length, 0, 1); }

// ---- Calls on an open file

#define ON_FILE(kind_, call, after)                                                          \
    char path[PATH_MAX];                                                                     \
    struct stat status;                                                                      \
    if (!path_of(fd, path, &status)) return (int)(call);                                     \
    pthread_mutex_lock(&turn);                                                               \
    int verdict = decide(kind_, path);                                                       \
    long result = -1;                                                                        \
    int why = errno;                                                                         \
    if (verdict != FAIL) { result = (call); why = errno; if (verdict == HALF) die(); }       \
    after;                                                                                   \
    pthread_mutex_unlock(&turn);                                                             \
    errno = why;                                                                             \
    return (int)result;

static int set_length(int fd, off_t length) {
    ON_FILE(LENGTH, syscall(SYS_ftruncate, fd, length), if (result == 0) note(LENGTH, path, NULL, status.st_ino, 0, length, NULL, 0))
}
int ftruncate(int fd, off_t length) { return set_length(fd, length); }
int ftruncate64(int fd, off64_t length) { return set_length(fd, length); }

// Only what changes the length is logged: reserved space has no bytes of its own.
static int reserve(int fd, int mode, off_t offset, off_t length) {
    ON_FILE(SPACE, syscall(SYS_fallocate, fd, mode, offset, length),
            if (result == 0 && mode == 0 && offset + length > status.st_size)
                note(LENGTH, path, NULL, status.st_ino, 0, offset + length, NULL, 0))
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return reserve(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return reserve(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length) { return reserve(fd, 0, offset, length) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }

static int flush(int fd, long number) {
    ON_FILE(SYNC, syscall(number, fd), {
        if (result == 0) { settle(fd, &status, path, 0); note(SYNC, path, NULL, status.st_ino, S_ISDIR(status.st_mode), 0, NULL, 0); }
        else if (verdict == FAIL && (failure == EIO || failure == ENOSPC)) settle(fd, &status, path, 1);
    })
}
int fsync(int fd) { return flush(fd, SYS_fsync); }
int fdatasync(int fd) { return flush(fd, SYS_fdatasync); }

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    ON_FILE(SPACE, syscall(SYS_sync_file_range, fd, offset, length, flags), )
}

// ---- Names

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE || (flags & O_TRUNC);
    if (!makes || !absolute(folder, name, path)) return (int)syscall(SYS_openat, folder, name, flags, mode);
    pthread_mutex_lock(&turn);
    uint64_t before = (flags & O_TMPFILE) == O_TMPFILE ? 0 : inode_at(path);
    if (before && !(flags & O_TRUNC)) {  // opens what is there
        int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
        int why = errno;
        pthread_mutex_unlock(&turn);
        errno = why;
        return fd;
    }
    int verdict = decide(CREATE, path), why = errno, fd = -1;
    if (verdict != FAIL) {
        fd = (int)syscall(SYS_openat, folder, name, flags, mode);
        why = errno;
        struct stat status;
        if (fd >= 0 && fstat(fd, &status) == 0) {
            if (before) note(LENGTH, path, NULL, status.st_ino, 0, 0, NULL, 0);
            else if ((flags & O_TMPFILE) == O_TMPFILE) note(CREATE, "", NULL, status.st_ino, 0, 0, NULL, 0);
            else note(CREATE, path, NULL, status.st_ino, status.st_mode & 07777, 0, NULL, 0);
        }
    }
    pthread_mutex_unlock(&turn);
    errno = why;
    return fd;
}

static mode_t mode_of(int flags, va_list rest) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0; }

#define OPEN(name_, ...)                        \
    va_list rest;                               \
    va_start(rest, flags);                      \
    mode_t mode = mode_of(flags, rest);         \
    va_end(rest);                               \
    return opened(__VA_ARGS__, name_, flags, mode);

int open(const char *name, int flags, ...) { OPEN(name, AT_FDCWD) }
int open64(const char *name, int flags, ...) { OPEN(name, AT_FDCWD) }
int openat(int folder, const char *name, int flags, ...) { OPEN(name, folder) }
int openat64(int folder, const char *name, int flags, ...) { OPEN(name, folder) }
int __open_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags, 0); }
int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

#define ON_NAME(kind_, folder, name, call, after)                                            \
    char path[PATH_MAX];                                                                     \
    if (!absolute(folder, name, path)) return (int)(call);                                   \
    pthread_mutex_lock(&turn);                                                               \
    int verdict = decide(kind_, path);                                                       \
    long result = -1;                                                                        \
    int why = errno;                                                                         \
    if (verdict != FAIL) { result = (call); why = errno; if (verdict == HALF) die(); }       \
    if (result == 0) { after; }                                                              \
    pthread_mutex_unlock(&turn);                                                             \
    errno = why;                                                                             \
    return (int)result;

// A folder that is there already, or a name that isn't, changes nothing and doesn't count.
int mkdirat(int folder, const char *name, mode_t mode) {
    char there[PATH_MAX];
    if (absolute(folder, name, there) && inode_at(there)) return (int)syscall(SYS_mkdirat, folder, name, mode);
    ON_NAME(MKDIR, folder, name, syscall(SYS_mkdirat, folder, name, mode), note(MKDIR, path, NULL, inode_at(path), 0, 0, NULL, 0))
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int unlinkat(int folder, const char *name, int flags) {
    char there[PATH_MAX];
    if (absolute(folder, name, there) && !inode_at(there)) return (int)syscall(SYS_unlinkat, folder, name, flags);
    enum kind kind = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    ON_NAME(kind, folder, name, syscall(SYS_unlinkat, folder, name, flags), note(kind, path, NULL, 0, 0, 0, NULL, 0))
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) {
    int result = unlink(name);
    return result != 0 && errno == EISDIR ? rmdir(name) : result;
}

int renameat2(int folder, const char *name, int other, const char *to, unsigned flags) {
    char target[PATH_MAX];
    absolute(other, to, target);
    ON_NAME(RENAME, folder, name, syscall(SYS_renameat2, folder, name, other, to, flags),
            note(RENAME, path, target, inode_at(target), flags, 0, NULL, 0))
}
int renameat(int folder, const char *name, int other, const char *to) { return renameat2(folder, name, other, to, 0); }
int rename(const char *name, const char *to) { return renameat2(AT_FDCWD, name, AT_FDCWD, to, 0); }

int linkat(int folder, const char *name, int other, const char *to, int flags) {
    ON_NAME(LINK, other, to, syscall(SYS_linkat, folder, name, other, to, flags), note(LINK, path, NULL, inode_at(path), 0, 0, NULL, 0))
}
int link(const char *name, const char *to) { return linkat(AT_FDCWD, name, AT_FDCWD, to, 0); }

int symlinkat(const char *text, int folder, const char *name) {
    ON_NAME(SYMLINK, folder, name, syscall(SYS_symlinkat, text, folder, name), note(SYMLINK, path, text, inode_at(path), 0, 0, NULL, 0))
}
int symlink(const char *text, const char *name) { return symlinkat(text, AT_FDCWD, name); }

// ---- Reads

static int may_read(int fd) {
    char path[PATH_MAX];
    struct stat status;
    if (!counts_reads || !path_of(fd, path, &status) || !S_ISREG(status.st_mode)) return 1;
    pthread_mutex_lock(&turn);
    int verdict = decide(READ, path), why = errno;
    pthread_mutex_unlock(&turn);
    errno = why;
    return verdict == PASS;
}

ssize_t read(int fd, void *memory, size_t length) { return may_read(fd) ? syscall(SYS_read, fd, memory, length) : -1; }
ssize_t pread(int fd, void *memory, size_t length, off_t offset) { return may_read(fd) ? syscall(SYS_pread64, fd, memory, length, offset) : -1; }
ssize_t pread64(int fd, void *memory, size_t length, off64_t offset) { return pread(fd, memory, length, offset); }
ssize_t readv(int fd, const struct iovec *vectors, int count) { return may_read(fd) ? syscall(SYS_readv, fd, vectors, count) : -1; }
ssize_t preadv(int fd, const struct iovec *vectors, int count, off_t offset) {
    return may_read(fd) ? syscall(SYS_preadv, fd, vectors, count, (unsigned long)offset, 0UL) : -1;
}
