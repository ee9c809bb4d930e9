// SPDX-License-Identifier: Apache-2.0
// FastCDC's inner loop (Xia et al., USENIX ATC '16, normalised chunking): a gear hash, eight steps a turn. The empty asm
// pins the table value in a register, without which clang makes a two-cycle chain of it (half the speed).
#include "gear.h"

#define STEP(k, mask)                          \
    {                                          \
        uint64_t value = table[bytes[i + (k)]]; \
        __asm__("" : "+r"(value));             \
        hash = (hash << 1) + value;            \
        if ((hash & (mask)) == 0) return i + (k) + 1; \
    }
#define EIGHT(mask) \
    STEP(0, mask) STEP(1, mask) STEP(2, mask) STEP(3, mask) STEP(4, mask) STEP(5, mask) STEP(6, mask) STEP(7, mask)

size_t dray_gear_cut(const uint8_t *bytes, size_t length, size_t minimum, size_t average, size_t maximum,
                     uint64_t mask_small, uint64_t mask_large, const uint64_t table[256]) {
    if (length <= minimum) return length;
    size_t end = length < maximum ? length : maximum;
    size_t middle = end < average ? end : average;
    uint64_t hash = 0;
    size_t i = minimum;
    for (; i + 8 <= middle; i += 8) EIGHT(mask_small)
    for (; i < middle; i++) STEP(0, mask_small)
    for (; i + 8 <= end; i += 8) EIGHT(mask_large)
    for (; i < end; i++) STEP(0, mask_large)
    return end;
}
