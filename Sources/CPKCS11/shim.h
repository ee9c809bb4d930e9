// SPDX-License-Identifier: Apache-2.0
#pragma once
// Types and numbers of PKCS #11 alone: the module is loaded while the program runs, and no library is linked.
#include <p11-kit-1/p11-kit/pkcs11.h>
