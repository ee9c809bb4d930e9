// SPDX-License-Identifier: Apache-2.0
// A file system in memory for scripts/bench_scale.py that takes 100 GB: bytes that come from its own generator are kept as "so
// many bytes of blob N from there", everything else as it is. Whoever reads or writes sees ordinary files; every byte is made, sent
// through the kernel and compared. Only the disk is simulated.
//
//   scale-fs MOUNT             mounts in the foreground
//   scale-fs make N SIZE       writes SIZE bytes of blob N to standard output; the attribute user.blob = "N SIZE" makes such a file
//
// Word i of blob N is a mixed, and so unmixable, (magic, N, i): any eight bytes tell where they come from.
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

// ---- The generator (SplitMix64's finalizer, which is a permutation)

static const uint64_t magic = 0xD7A1;

static inline uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline uint64_t unmixed(uint64_t z) {
    z = (z ^ (z >> 31) ^ (z >> 62)) * 0x319642B2D24D8EC3u;
    z = (z ^ (z >> 27) ^ (z >> 54)) * 0x96DE1B173F119089u;
    return z ^ (z >> 30) ^ (z >> 60);
}

static inline uint64_t word(uint64_t blob, uint64_t index) { return mixed(magic << 48 | blob << 32 | index); }

static void generate(uint8_t *out, uint64_t blob, uint64_t offset, size_t length) {
    while (length > 0 && offset % 8) {
        uint64_t value = word(blob, offset / 8);
        *out++ = (uint8_t)(value >> 8 * (offset % 8));
        offset++;
        length--;
    }
    uint64_t first = offset / 8;
    size_t words = length / 8;
    for (size_t i = 0; i < words; i++) {
        uint64_t value = word(blob, first + i);
        memcpy(out + 8 * i, &value, 8);
    }
    if (length % 8) {
        uint64_t value = word(blob, first + words);
        memcpy(out + 8 * words, &value, length % 8);
    }
}

// ---- Files

enum { LITERAL, BLOB, ZEROS };
struct extent { uint64_t start, length, from; uint8_t *bytes; uint32_t blob; int kind; };
struct node {
    char *name;
    struct node *parent, *children, *next;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec changed;
    uint64_t size, inode;
    struct extent *extents;
    size_t count, room;
    int opened, gone;
};

static struct node root = {.mode = S_IFDIR | 0755, .inode = 1};
static uint64_t next_inode = 2, literal_bytes;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

static struct node *child(struct node *folder, const char *name, size_t length) {
    for (struct node *n = folder->children; n; n = n->next)
        if (strncmp(n->name, name, length) == 0 && n->name[length] == 0) return n;
    return NULL;
}

static struct node *find(const char *path) {
    struct node *n = &root;
    while (n && *path) {
        while (*path == '/') path++;
        size_t length = strcspn(path, "/");
        if (length) n = S_ISDIR(n->mode) ? child(n, path, length) : NULL;
        path += length;
    }
    return n;
}

static struct node *folder_of(const char *path, const char **name) {
    *name = strrchr(path, '/') + 1;
    char *above = strndup(path, (size_t)(*name - path));
    struct node *n = find(above);
    free(above);
    return n;
}

static void detach(struct node *n) {
    struct node **place = &n->parent->children;
    while (*place != n) place = &(*place)->next;
    *place = n->next;
    n->parent = NULL;
}

static void attach(struct node *n, struct node *folder, const char *name) {
    free(n->name);
    n->name = strdup(name);
    n->parent = folder;
    n->next = folder->children;
    folder->children = n;
}

static void drop(struct extent *e) {
    if (e->kind == LITERAL) { literal_bytes -= e->length; free(e->bytes); }
}

static void free_node(struct node *n) {
    for (size_t i = 0; i < n->count; i++) drop(&n->extents[i]);
    free(n->extents);
    free(n->name);
    free(n);
}

// The first extent that ends after `offset`.
static size_t place_of(const struct node *n, uint64_t offset) {
    size_t low = 0, high = n->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (n->extents[middle].start + n->extents[middle].length <= offset) low = middle + 1; else high = middle;
    }
    return low;
}

static void insert(struct node *n, size_t at, struct extent e) {
    if (n->count == n->room) {
        n->room = n->room ? n->room * 2 : 4;
        n->extents = realloc(n->extents, n->room * sizeof e);
        if (!n->extents) abort();
    }
    memmove(&n->extents[at + 1], &n->extents[at], (n->count - at) * sizeof e);
    n->extents[at] = e;
    n->count++;
}

static struct extent part(const struct extent *e, uint64_t start, uint64_t end) {
    struct extent p = *e;
    p.start = start;
    p.length = end - start;
    if (e->kind == BLOB) p.from += start - e->start;
    if (e->kind == LITERAL) {
        p.bytes = malloc(p.length);
        if (!p.bytes) abort();
        memcpy(p.bytes, e->bytes + (start - e->start), p.length);
        literal_bytes += p.length;
    }
    return p;
}

static void clear_range(struct node *n, uint64_t start, uint64_t end) {
    size_t at = place_of(n, start);
    while (at < n->count && n->extents[at].start < end) {
        struct extent e = n->extents[at];
        uint64_t stop = e.start + e.length;
        memmove(&n->extents[at], &n->extents[at + 1], (--n->count - at) * sizeof e);
        if (e.start < start) insert(n, at++, part(&e, e.start, start));
        if (stop > end) insert(n, at, part(&e, end, stop));
        drop(&e);
        if (stop > end) break;
    }
}

static void add(struct node *n, struct extent e) {
    size_t at = place_of(n, e.start);
    struct extent *before = at > 0 ? &n->extents[at - 1] : NULL;
    if (before && before->start + before->length == e.start && before->kind == e.kind) {
        if (e.kind == ZEROS || (e.kind == BLOB && before->blob == e.blob && before->from + before->length == e.from)) {
            before->length += e.length;
            return;
        }
    }
    insert(n, at, e);
}

static void add_literal(struct node *n, uint64_t start, const uint8_t *bytes, size_t length) {
    if (length == 0) return;
    struct extent e = {.start = start, .length = length, .kind = LITERAL, .bytes = malloc(length)};
    if (!e.bytes) abort();
    memcpy(e.bytes, bytes, length);
    literal_bytes += length;
    add(n, e);
}

// How many bytes from here are those of a blob, and of which; 0 where they aren't.
static size_t recognized(const uint8_t *bytes, size_t length, uint64_t *blob, uint64_t *from) {
    for (size_t phase = 0; phase < 8 && phase + 16 <= length; phase++) {
        uint64_t value, next;
        memcpy(&value, bytes + phase, 8);
        uint64_t tag = unmixed(value);
        if (tag >> 48 != magic) continue;
        uint64_t index = tag & 0xFFFFFFFF, number = tag >> 32 & 0xFFFF;
        memcpy(&next, bytes + phase + 8, 8);
        if (next != word(number, index + 1) || index * 8 < phase) continue;
        uint64_t start = index * 8 - phase;
        uint8_t made[1 << 16];
        size_t same = 0;
        while (same < length) {
            size_t count = length - same < sizeof made ? length - same : sizeof made;
            generate(made, number, start + same, count);
            if (memcmp(made, bytes + same, count) != 0) {
                size_t i = 0;
                while (made[i] == bytes[same + i]) i++;
                same += i;
                break;
            }
            same += count;
        }
        if (same < 16) continue;
        *blob = number;
        *from = start;
        return same;
    }
    return 0;
}

static size_t zeros(const uint8_t *bytes, size_t length) {
    size_t count = 0;
    while (count < length && bytes[count] == 0) count++;
    return count;
}

static void store(struct node *n, uint64_t offset, const uint8_t *bytes, size_t length) {
    clear_range(n, offset, offset + length);
    size_t literal = 0, at = 0;
    while (at < length) {
        uint64_t blob, from;
        struct extent e = {.start = offset + at};
        if ((e.length = recognized(bytes + at, length - at, &blob, &from)) > 0) {
            e.kind = BLOB;
            e.blob = (uint32_t)blob;
            e.from = from;
        } else if (bytes[at] == 0 && (e.length = zeros(bytes + at, length - at)) >= 64) {
            e.kind = ZEROS;
        } else {
            at++;
            continue;
        }
        add_literal(n, offset + literal, bytes + literal, at - literal);
        add(n, e);
        at += e.length;
        literal = at;
    }
    add_literal(n, offset + literal, bytes + literal, length - literal);
    if (offset + length > n->size) n->size = offset + length;
}

static void load(const struct node *n, uint64_t offset, uint8_t *out, size_t length) {
    memset(out, 0, length);
    for (size_t i = place_of(n, offset); i < n->count && n->extents[i].start < offset + length; i++) {
        const struct extent *e = &n->extents[i];
        uint64_t start = e->start > offset ? e->start : offset, stop = e->start + e->length;
        if (stop > offset + length) stop = offset + length;
        uint8_t *to = out + (start - offset);
        if (e->kind == LITERAL) memcpy(to, e->bytes + (start - e->start), stop - start);
        else if (e->kind == BLOB) generate(to, e->blob, e->from + (start - e->start), stop - start);
    }
}

// ---- What the kernel asks

static void now(struct node *n) { clock_gettime(CLOCK_REALTIME, &n->changed); }

static struct node *of(const char *path, struct fuse_file_info *info) { return info && info->fh ? (struct node *)info->fh : find(path); }

static int fs_getattr(const char *path, struct stat *out, struct fuse_file_info *info) {
    pthread_rwlock_rdlock(&lock);
    struct node *n = of(path, info);
    if (n) {
        memset(out, 0, sizeof *out);
        out->st_ino = n->inode;
        out->st_mode = n->mode;
        out->st_nlink = S_ISDIR(n->mode) ? 2 : 1;
        out->st_uid = n->uid;
        out->st_gid = n->gid;
        out->st_size = (off_t)n->size;
        out->st_blocks = (blkcnt_t)((n->size + 511) / 512);
        out->st_blksize = 1 << 20;
        out->st_mtim = out->st_ctim = out->st_atim = n->changed;
    }
    pthread_rwlock_unlock(&lock);
    return n ? 0 : -ENOENT;
}

static int make(const char *path, mode_t mode, struct node **made) {
    const char *name;
    pthread_rwlock_wrlock(&lock);
    struct node *folder = folder_of(path, &name);
    int result = !folder ? -ENOENT : child(folder, name, strlen(name)) ? -EEXIST : 0;
    if (result == 0) {
        struct node *n = calloc(1, sizeof *n);
        if (!n) abort();
        n->mode = mode;
        n->uid = fuse_get_context()->uid;
        n->gid = fuse_get_context()->gid;
        n->inode = next_inode++;
        now(n);
        attach(n, folder, name);
        if (made) { n->opened = 1; *made = n; }
    }
    pthread_rwlock_unlock(&lock);
    return result;
}

static int fs_mkdir(const char *path, mode_t mode) { return make(path, S_IFDIR | mode, NULL); }

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *info) {
    struct node *n = NULL;
    int result = make(path, S_IFREG | (mode & 07777), &n);
    info->fh = (uint64_t)n;
    return result;
}

static int fs_open(const char *path, struct fuse_file_info *info) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = find(path);
    if (n) n->opened++;
    pthread_rwlock_unlock(&lock);
    info->fh = (uint64_t)n;
    return n ? 0 : -ENOENT;
}

static int fs_release(const char *path, struct fuse_file_info *info) {
    (void)path;
    struct node *n = (struct node *)info->fh;
    pthread_rwlock_wrlock(&lock);
    if (--n->opened == 0 && n->gone) free_node(n);
    pthread_rwlock_unlock(&lock);
    return 0;
}

static int fs_read(const char *path, char *out, size_t length, off_t offset, struct fuse_file_info *info) {
    pthread_rwlock_rdlock(&lock);
    struct node *n = of(path, info);
    uint64_t left = n && (uint64_t)offset < n->size ? n->size - (uint64_t)offset : 0;
    if (length > left) length = left;
    if (length) load(n, (uint64_t)offset, (uint8_t *)out, length);
    pthread_rwlock_unlock(&lock);
    return n ? (int)length : -ENOENT;
}

static int fs_write(const char *path, const char *bytes, size_t length, off_t offset, struct fuse_file_info *info) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = of(path, info);
    if (n) { store(n, (uint64_t)offset, (const uint8_t *)bytes, length); now(n); }
    pthread_rwlock_unlock(&lock);
    return n ? (int)length : -ENOENT;
}

static int fs_truncate(const char *path, off_t length, struct fuse_file_info *info) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = of(path, info);
    if (n) {
        if ((uint64_t)length < n->size) clear_range(n, (uint64_t)length, UINT64_MAX);
        n->size = (uint64_t)length;
        now(n);
    }
    pthread_rwlock_unlock(&lock);
    return n ? 0 : -ENOENT;
}

static int take_away(const char *path, int is_folder) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = find(path);
    int result = !n || n == &root ? -ENOENT : is_folder && n->children ? -ENOTEMPTY : 0;
    if (result == 0) {
        detach(n);
        n->gone = 1;
        if (n->opened == 0) free_node(n);
    }
    pthread_rwlock_unlock(&lock);
    return result;
}

static int fs_unlink(const char *path) { return take_away(path, 0); }
static int fs_rmdir(const char *path) { return take_away(path, 1); }

static int fs_rename(const char *path, const char *to, unsigned flags) {
    if (flags) return -EINVAL;
    const char *name;
    pthread_rwlock_wrlock(&lock);
    struct node *n = find(path), *folder = folder_of(to, &name), *other = folder ? child(folder, name, strlen(name)) : NULL;
    int result = !n || !folder ? -ENOENT : other && other->children ? -ENOTEMPTY : 0;
    if (result == 0 && other != n) {
        if (other) {
            detach(other);
            other->gone = 1;
            if (other->opened == 0) free_node(other);
        }
        detach(n);
        attach(n, folder, name);
    }
    pthread_rwlock_unlock(&lock);
    return result;
}

static int fs_readdir(const char *path, void *out, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info, enum fuse_readdir_flags flags) {
    (void)offset, (void)info, (void)flags;
    pthread_rwlock_rdlock(&lock);
    struct node *folder = find(path);
    if (folder) {
        fill(out, ".", NULL, 0, 0);
        fill(out, "..", NULL, 0, 0);
        for (struct node *n = folder->children; n; n = n->next) fill(out, n->name, NULL, 0, 0);
    }
    pthread_rwlock_unlock(&lock);
    return folder ? 0 : -ENOENT;
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *info) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = of(path, info);
    if (n) n->mode = (n->mode & S_IFMT) | (mode & 07777);
    pthread_rwlock_unlock(&lock);
    return n ? 0 : -ENOENT;
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = of(path, info);
    if (n && uid != (uid_t)-1) n->uid = uid;
    if (n && gid != (gid_t)-1) n->gid = gid;
    pthread_rwlock_unlock(&lock);
    return n ? 0 : -ENOENT;
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info) {
    pthread_rwlock_wrlock(&lock);
    struct node *n = of(path, info);
    if (n && times[1].tv_nsec == UTIME_NOW) now(n);
    else if (n && times[1].tv_nsec != UTIME_OMIT) n->changed = times[1];
    pthread_rwlock_unlock(&lock);
    return n ? 0 : -ENOENT;
}

// The attribute user.blob = "N SIZE" makes a file of so many bytes of blob N, without sending them through the kernel.
static int fs_setxattr(const char *path, const char *name, const char *value, size_t length, int flags) {
    (void)flags;
    char text[64] = "";
    unsigned long long blob, size;
    if (strcmp(name, "user.blob") != 0) return -EOPNOTSUPP;
    memcpy(text, value, length < sizeof text ? length : sizeof text - 1);
    if (sscanf(text, "%llu %llu", &blob, &size) != 2 || blob > 0xFFFF) return -EINVAL;
    pthread_rwlock_wrlock(&lock);
    struct node *n = find(path);
    if (n) {
        clear_range(n, 0, UINT64_MAX);
        if (size) add(n, (struct extent){.length = size, .blob = (uint32_t)blob, .kind = BLOB});
        n->size = size;
        now(n);
    }
    pthread_rwlock_unlock(&lock);
    return n ? 0 : -ENOENT;
}

// Space without end; what is really kept in memory shows as what is used.
static int fs_statfs(const char *path, struct statvfs *out) {
    (void)path;
    memset(out, 0, sizeof *out);
    out->f_bsize = out->f_frsize = 4096;
    out->f_blocks = 1ull << 30;
    out->f_bfree = out->f_bavail = out->f_blocks - literal_bytes / 4096;
    out->f_files = out->f_ffree = 1 << 30;
    out->f_namemax = 255;
    return 0;
}

static int fs_fallocate(const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *info) {
    (void)path, (void)offset, (void)length, (void)info;
    return mode == 1 ? 0 : -EOPNOTSUPP;  // FALLOC_FL_KEEP_SIZE
}

static int fs_fsync(const char *path, int data, struct fuse_file_info *info) { (void)path, (void)data, (void)info; return 0; }

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config) {
    connection->max_write = connection->max_readahead = connection->max_read = 1 << 20;
    config->use_ino = 1;
    config->hard_remove = 1;
    config->nullpath_ok = 0;
    config->attr_timeout = config->entry_timeout = 5;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = fs_init, .getattr = fs_getattr, .mkdir = fs_mkdir, .create = fs_create, .open = fs_open, .release = fs_release,
    .read = fs_read, .write = fs_write, .truncate = fs_truncate, .unlink = fs_unlink, .rmdir = fs_rmdir, .rename = fs_rename,
    .readdir = fs_readdir, .chmod = fs_chmod, .chown = fs_chown, .utimens = fs_utimens, .statfs = fs_statfs, .fallocate = fs_fallocate, .setxattr = fs_setxattr,
    .fsync = fs_fsync, .fsyncdir = fs_fsync,
};

static int write_blob(uint64_t blob, uint64_t size) {
    static uint8_t out[1 << 20];
    for (uint64_t at = 0; at < size;) {
        size_t count = size - at < sizeof out ? size - at : sizeof out;
        generate(out, blob, at, count);
        if (fwrite(out, 1, count, stdout) != count) return 1;
        at += count;
    }
    return fflush(stdout) != 0;
}

int main(int count, char **arguments) {
    if (count == 4 && strcmp(arguments[1], "make") == 0) return write_blob(strtoull(arguments[2], NULL, 10), strtoull(arguments[3], NULL, 10));
    if (count != 2) { fprintf(stderr, "usage: scale-fs MOUNT | make BLOB SIZE\n"); return 64; }
    char *words[] = {arguments[0], "-f", "-o", "auto_unmount,default_permissions,fsname=scale-fs,max_read=1048576", arguments[1], NULL};
    umask(0);
    return fuse_main(5, words, &operations, NULL);
}
