// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/proverr.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

// libcrypto offers these as macros, which Swift doesn't see.
static inline long dray_bio_memory(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

// A text that a provider says of itself; NULL where it doesn't.
static inline const char *dray_provider_text(const OSSL_PROVIDER *provider, const char *key) {
    char *text = NULL;
    OSSL_PARAM request[] = {OSSL_PARAM_construct_utf8_ptr(key, &text, 0), OSSL_PARAM_construct_end()};
    return OSSL_PROVIDER_get_params(provider, request) == 1 ? text : NULL;
}

// How a password protects a key (RFC 8018, RFC 7914), read before any work is done for it.
enum { dray_protection_other, dray_protection_pbkdf2, dray_protection_scrypt };

// N times r times p of scrypt; the largest number where one of them is absurd.
static inline uint64_t dray_scrypt_cost(const SCRYPT_PARAMS *scrypt) {
    uint64_t cost = 1, factor = 0;
    const ASN1_INTEGER *factors[] = {scrypt->costParameter, scrypt->blockSize, scrypt->parallelizationParameter};
    for (int i = 0; i < 3; i++) {
        if (!ASN1_INTEGER_get_uint64(&factor, factors[i]) || factor > (1 << 24) || cost > (1 << 24)) return UINT64_MAX;
        cost *= factor;
    }
    return cost;
}

// PBES2 with AES-CBC, and the cost of its key derivation: iterations of PBKDF2, N times r times p of scrypt.
static inline int dray_protection(const X509_SIG *sealed, uint64_t *cost) {
    const X509_ALGOR *outer = NULL, *kdf;
    const ASN1_OBJECT *oid = NULL, *cipher = NULL;
    const void *value = NULL;
    int type = 0, kind = dray_protection_other, nid;
    X509_SIG_get0(sealed, &outer, NULL);
    X509_ALGOR_get0(&oid, &type, &value, outer);
    if (OBJ_obj2nid(oid) != NID_pbes2 || type != V_ASN1_SEQUENCE) return kind;
    PBE2PARAM *pbes2 = (PBE2PARAM *)ASN1_item_unpack((const ASN1_STRING *)value, ASN1_ITEM_rptr(PBE2PARAM));
    if (pbes2 == NULL) return kind;
    X509_ALGOR_get0(&cipher, NULL, NULL, pbes2->encryption);
    nid = OBJ_obj2nid(cipher);
    kdf = pbes2->keyfunc;
    X509_ALGOR_get0(&oid, &type, &value, kdf);
    if ((nid == NID_aes_256_cbc || nid == NID_aes_192_cbc || nid == NID_aes_128_cbc) && type == V_ASN1_SEQUENCE) {
        const ASN1_STRING *sequence = (const ASN1_STRING *)value;
        if (OBJ_obj2nid(oid) == NID_id_pbkdf2) {
            PBKDF2PARAM *pbkdf2 = (PBKDF2PARAM *)ASN1_item_unpack(sequence, ASN1_ITEM_rptr(PBKDF2PARAM));
            if (pbkdf2 != NULL && ASN1_INTEGER_get_uint64(cost, pbkdf2->iter)) kind = dray_protection_pbkdf2;
            PBKDF2PARAM_free(pbkdf2);
        } else if (OBJ_obj2nid(oid) == NID_id_scrypt) {
            SCRYPT_PARAMS *scrypt = (SCRYPT_PARAMS *)ASN1_item_unpack(sequence, ASN1_ITEM_rptr(SCRYPT_PARAMS));
            if (scrypt != NULL) {
                *cost = dray_scrypt_cost(scrypt);
                kind = dray_protection_scrypt;
            }
            SCRYPT_PARAMS_free(scrypt);
        }
    }
    PBE2PARAM_free(pbes2);
    return kind;
}
