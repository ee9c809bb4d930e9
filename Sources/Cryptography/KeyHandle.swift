// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Owns a libcrypto key. Both halves of a key pair use it.
@safe
final class KeyHandle: @unchecked Sendable {  // libcrypto only reads a finished key, and counts references atomically
    let pointer: OpaquePointer

    @unsafe
    init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe EVP_PKEY_free(pointer) }

    /// The number of bits of an RSA key's modulus.
    var bits: Int { Int(unsafe EVP_PKEY_get_bits(pointer)) }

    /// Whether an RSA key's exponent is odd, at least 65537 and at most 32 bits long: a huge one only costs time.
    var hasUsualExponent: Bool {
        var exponent: OpaquePointer?
        guard unsafe EVP_PKEY_get_bn_param(pointer, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 else { return false }
        defer { unsafe BN_free(exponent) }
        guard unsafe BN_num_bits(exponent) <= 32 else { return false }
        let value = unsafe BN_get_word(exponent)
        return value >= 65537 && !value.isMultiple(of: 2)
    }

    /// The SubjectPublicKeyInfo in DER.
    func publicKeyInfo() throws(KeyError) -> [UInt8] {
        let count = unsafe i2d_PUBKEY(pointer, nil)
        guard count > 0 else { throw .malformed }
        var der = [UInt8](repeating: 0, count: Int(count))
        let written = unsafe der.withUnsafeMutableBufferPointer { buffer in
            var end = buffer.baseAddress
            return unsafe i2d_PUBKEY(pointer, &end)
        }
        guard written == count else { throw .malformed }
        return der
    }

    /// Whether the two halves of a key pair belong together.
    var isConsistent: Bool {
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, pointer, nil) else { return false }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        return unsafe EVP_PKEY_pairwise_check(context) == 1
    }
}

/// How a signature is made of a digest.
package enum SignaturePadding: Sendable {
    /// ECDSA for elliptic keys, RSA-PSS with a salt as long as the digest for RSA keys: what our own signatures use.
    case modern
    /// ECDSA for elliptic keys, PKCS #1 v1.5 for RSA keys: what `openssl dgst -sign` makes, and so vendors have it.
    case openSSLDefault

    /// Sets up a context of `EVP_DigestSign`, `EVP_DigestVerify` or `EVP_PKEY_verify`.
    @unsafe
    func apply(to context: OpaquePointer?, _ kind: KeyKind) -> Bool {
        guard case .rsa = kind else { return true }
        switch self {
        case .openSSLDefault: return unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        case .modern:
            return unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
        }
    }
}

extension HashAlgorithm {
    /// The name that libcrypto's providers know.
    var openSSLName: String {
        switch self {
        case .sha256: "SHA256"
        case .sha384: "SHA384"
        case .sha512: "SHA512"
        }
    }
}
