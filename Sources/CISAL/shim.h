// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <isa-l/erasure_code.h>
