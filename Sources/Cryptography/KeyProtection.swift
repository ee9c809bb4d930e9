// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Private keys under a password: PKCS #8 "ENCRYPTED PRIVATE KEY" with PBES2 and AES-CBC (RFC 5958, RFC 8018).
enum KeyProtection {
    /// What our own keys use: about a quarter of a second for who knows the password, and for each guess.
    static let iterations: Int32 = 600_000
    /// FIPS modules want a salt of 16 bytes at least.
    static let saltLength = 32
    /// The most that reading a key may cost: seconds, not hours.
    static let iterationLimit: UInt64 = 5_000_000
    /// N times r times p; OpenSSL itself bounds the memory at 32 MiB.
    static let scryptLimit: UInt64 = 1 << 20

    /// Opens a protected key. Throws `.unsupportedProtection` and `.protectionCost` before any work, `.wrongPassword` after.
    static func open(_ der: [UInt8], with password: Secret) throws(KeyError) -> KeyHandle {
        defer { ERR_clear_error() }
        guard let sealed = unsafe parse(der) else { throw .malformed }
        defer { unsafe X509_SIG_free(sealed) }
        try unsafe checkCost(of: sealed)
        let opened = unsafe password.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { buffer in
                let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
                return unsafe PKCS8_decrypt(sealed, start, Int32(buffer.count))
            }
        }
        guard let info = unsafe opened else { throw whyNotOpened() }
        defer { unsafe PKCS8_PRIV_KEY_INFO_free(info) }  // wipes it
        guard let key = unsafe EVP_PKCS82PKEY(info) else { throw .malformed }
        return unsafe KeyHandle(owning: key)
    }

    /// A wrong password shows as padding or a structure that is none; a FIPS module says what it doesn't approve of.
    private static func whyNotOpened() -> KeyError {
        let limits = [PROV_R_INVALID_SALT_LENGTH, PROV_R_INVALID_ITERATION_COUNT, PROV_R_INVALID_KEY_LENGTH]
        var error: UInt = 0
        repeat {
            error = ERR_get_error()
            if LibCrypto.fipsModule != nil, limits.contains(ERR_GET_REASON(error)) { return .protectionNotApproved }
        } while error != 0
        return .wrongPassword
    }

    @unsafe
    private static func parse(_ der: [UInt8]) -> OpaquePointer? {
        unsafe der.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            guard let sealed = unsafe d2i_X509_SIG(nil, &position, buffer.count) else { return nil }
            if let end = unsafe position, let start = buffer.baseAddress, unsafe end - start == buffer.count {
                return unsafe sealed
            }
            unsafe X509_SIG_free(sealed)
            return nil
        }
    }

    @unsafe
    private static func checkCost(of sealed: OpaquePointer) throws(KeyError) {
        var cost: UInt64 = 0
        let kind = Int(unsafe dray_protection(sealed, &cost))
        guard kind != dray_protection_other else { throw .unsupportedProtection }
        let limit = kind == dray_protection_scrypt ? scryptLimit : iterationLimit
        guard cost <= limit else { throw .protectionCost }
    }

    /// Writes a key into a BIO as PEM under a password: AES-256-CBC, PBKDF2 with HMAC-SHA-256.
    @unsafe
    static func write(_ key: KeyHandle, to bio: OpaquePointer, with password: Secret) throws(KeyError) {
        defer { ERR_clear_error() }
        var salt = [UInt8](repeating: 0, count: saltLength)
        guard unsafe RAND_bytes(&salt, Int32(saltLength)) == 1 else { throw .operationFailed("make random bytes") }
        guard let info = unsafe EVP_PKEY2PKCS8(key.pointer) else { throw .operationFailed("write the key") }
        defer { unsafe PKCS8_PRIV_KEY_INFO_free(info) }
        let algorithm = unsafe PKCS5_pbe2_set_iv(
            EVP_aes_256_cbc(), iterations, &salt, Int32(saltLength), nil, NID_hmacWithSHA256)
        guard let algorithm = unsafe algorithm else { throw .operationFailed("protect the key") }
        let result = unsafe password.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { buffer in
                let start = unsafe buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
                return unsafe PKCS8_set0_pbe(start, Int32(buffer.count), info, algorithm)
            }
        }
        guard let sealed = unsafe result else {
            unsafe X509_ALGOR_free(algorithm)
            throw .operationFailed("protect the key")
        }
        defer { unsafe X509_SIG_free(sealed) }
        guard unsafe PEM_write_bio_PKCS8(bio, sealed) == 1 else { throw .operationFailed("write the key") }
    }
}
