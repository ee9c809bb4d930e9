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

/// The two halves of a device number.
uint32_t dray_major(uint64_t device);
uint32_t dray_minor(uint64_t device);

/// How many arguments the process was started with, its name included.
int dray_argument_count(void);
/// One of them, never NULL; `index` is below the count.
const char *dray_argument(int index);
/// The path that the kernel started the program by, relative to the folder of then; NULL where it does not tell.
const char *dray_started_as(void);
