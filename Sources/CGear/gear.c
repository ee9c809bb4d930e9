// SPDX-License-Identifier: Apache-2.0
// FastCDC's inner loop (Xia et al., USENIX ATC '16, algorithm 1: normalised chunking, the first `minimum` bytes are
// skipped). The byte that ends a chunk belongs to it.
//
// Two bytes a turn, as in the 2020 paper, but both hashes are tested, so the cuts are those of the plain loop: only
// `hash` is a chain from turn to turn, and Intel needs two cycles for each link (1.75 -> 2.6 GB/s measured). The empty
// asm keeps the compiler from folding the two links into one chain again.
#include "gear.h"

#include "table.h"

#define ONE(k, mask)                                              \
    {                                                             \
        hash = (hash << 1) + dray_gear_table[bytes[i + (k)]];     \
        if ((hash & (mask)) == 0) return i + (k) + 1;             \
    }
#define TWO(k, mask)                                              \
    {                                                             \
        uint64_t first = dray_gear_table[bytes[i + (k)]];         \
        uint64_t both = (first << 1) + dray_gear_table[bytes[i + (k) + 1]]; \
        __asm__("" : "+r"(both));                                 \
        first += hash << 1;                                       \
        hash = (hash << 2) + both;                                \
        if ((first & (mask)) == 0) return i + (k) + 1;            \
        if ((hash & (mask)) == 0) return i + (k) + 2;             \
    }
// In braces: as the body of a loop it is one statement.
#define EIGHT(mask) { TWO(0, mask) TWO(2, mask) TWO(4, mask) TWO(6, mask) }

size_t dray_gear_cut(const uint8_t *bytes, size_t length, size_t minimum, size_t average, size_t maximum,
                     uint64_t mask_small, uint64_t mask_large) {
    if (length <= minimum) return length;
    size_t end = length < maximum ? length : maximum;
    size_t middle = end < average ? end : average;
    uint64_t hash = 0;
    size_t i = minimum;
    for (; i + 8 <= middle; i += 8) EIGHT(mask_small)
    for (; i < middle; i++) ONE(0, mask_small)
    for (; i + 8 <= end; i += 8) EIGHT(mask_large)
    for (; i < end; i++) ONE(0, mask_large)
    return end;
}

uint64_t dray_gear_entry(uint8_t byte) { return dray_gear_table[byte]; }
