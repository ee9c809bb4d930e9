// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// An Ed25519 public key (RFC 8032), for `dray-tuf-client` alone: the product's own trust takes none (`PublicKey` refuses
/// it), because not every FIPS module approves them.
package struct Ed25519Key: Sendable, Hashable {
    /// The 32 bytes of the key.
    package let bytes: [UInt8]
    private let handle: KeyHandle

    /// Takes the key's 32 bytes. Throws `.malformed` for another number of them, and for what libcrypto refuses.
    package init(_ bytes: [UInt8]) throws(KeyError) {
        defer { ERR_clear_error() }
        guard bytes.count == 32,
            let pointer = unsafe EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, bytes, bytes.count)
        else { throw .malformed }
        handle = unsafe KeyHandle(owning: pointer)
        self.bytes = bytes
    }

    /// Returns if the signature is of this key over the message; throws `.signatureMismatch` if not.
    package func verify(signature: [UInt8], over message: [UInt8]) throws(KeyError) {
        guard let context = unsafe EVP_MD_CTX_new() else { throw .operationFailed("take memory") }
        defer {
            unsafe EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        guard unsafe EVP_DigestVerifyInit_ex(context, nil, nil, nil, nil, handle.pointer, nil) == 1 else {
            throw .operationFailed("check an Ed25519 signature")
        }
        let verdict = unsafe EVP_DigestVerify(context, signature, signature.count, message, message.count)
        guard verdict == 1 else { throw .signatureMismatch }
    }

    package static func == (left: Ed25519Key, right: Ed25519Key) -> Bool { left.bytes == right.bytes }
    package func hash(into hasher: inout Swift.Hasher) { hasher.combine(bytes) }
}
