// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

// libcrypto offers these as macros, which Swift doesn't see.
static inline long dray_bio_memory(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
