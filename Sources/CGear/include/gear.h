// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The first content-defined cut point of `length` bytes, 1...length (0 for none); see gear.c for the rule.
size_t dray_gear_cut(const uint8_t *bytes, size_t length, size_t minimum, size_t average, size_t maximum,
                     uint64_t mask_small, uint64_t mask_large);

/// The gear table's value for one byte, for the test that recomputes the table.
uint64_t dray_gear_entry(uint8_t byte);
