// SPDX-License-Identifier: Apache-2.0
// What Linux offers and Swift's Glibc module does not: plain wrappers, errno as usual.
#pragma once
#include "cage.h"
#include <stdint.h>

/// O_DIRECT as this architecture numbers it.
extern const int dray_o_direct;

/// Reserves `length` bytes from `offset` without changing the file's size; 0 or -1.
int dray_reserve(int fd, int64_t offset, int64_t length);

/// Starts writing back a range of the page cache without waiting; 0 or -1.
int dray_start_writeback(int fd, int64_t offset, int64_t length);

/// Opens `path` below the directory `fd`, following no symbolic link anywhere in it and leaving the
/// directory by no way. Falls back to one component at a time where openat2 is missing; fd or -1.
int dray_open_beneath(int fd, const char *path);

/// The same for reading and writing; with `create` a file that is not there is made, mode 0644.
int dray_open_beneath_for_writing(int fd, const char *path, int create);

/// How many arguments the process was started with, its name included.
int dray_argument_count(void);
/// One of them, never NULL; `index` is below the count.
const char *dray_argument(int index);
/// The path that the kernel started the program by, relative to the folder of then; NULL where it does not tell.
const char *dray_started_as(void);

/// What holds `path`: the type that statfs(2) gives, the block size, and whether it is mounted read-only; 0 or -1.
int dray_file_system(const char *path, uint64_t *type, uint64_t *block_size, int *is_read_only);

/// The two halves of a device number.
uint32_t dray_device_major(uint64_t device);
uint32_t dray_device_minor(uint64_t device);

/// Bytes of an open block device, and of one of its logical sectors; 0 or -1.
int dray_device_size(int fd, uint64_t *size, uint32_t *sector);

/// Writes back and forgets what the page cache has of a block device; 0 or -1.
int dray_drop_device_cache(int fd);

/// Lets the kernel read a block device's partition table again; 0 or -1.
int dray_read_partitions_again(int fd);

/// Unmounts what is mounted at a path, unless something uses it; follows no link there; 0 or -1.
int dray_unmount(const char *path);
