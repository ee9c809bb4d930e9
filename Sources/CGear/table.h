// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

extern const uint64_t dray_gear_table[256];
