// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// A private key that signs. It has no description: its bytes leave it only through `withPEM`.
package struct PrivateKey: Sendable {
    private let handle: KeyHandle
    package let publicKey: PublicKey

    /// The kinds that can be made.
    package enum NewKind: String, Sendable, CaseIterable {
        case p384 = "P-384"
        case p256 = "P-256"
    }

    /// Makes a fresh key from libcrypto's random generator.
    package static func generate(_ kind: NewKind = .p384) throws(KeyError) -> PrivateKey {
        guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else {
            throw .operationFailed("make keys")
        }
        defer {
            unsafe EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        var pointer: OpaquePointer?
        guard unsafe EVP_PKEY_keygen_init(context) == 1,
            unsafe EVP_PKEY_CTX_set_group_name(context, kind.rawValue) == 1,
            unsafe EVP_PKEY_generate(context, &pointer) == 1, let pointer = unsafe pointer
        else { throw .operationFailed("make a key on \(kind.rawValue)") }
        return try PrivateKey(unsafe KeyHandle(owning: pointer))
    }

    /// Reads the only private key of a PEM text: PKCS #8, or the traditional forms of OpenSSL 1.
    ///
    /// The same kinds as for public keys in trust are accepted. Nothing ever asks for a password: a protected key is
    /// `.encrypted`. The caller wipes its own copy of the text.
    package init(pem: [UInt8]) throws(KeyError) {
        var block = try PEM(parsing: pem, ignoring: "EC PARAMETERS")
        defer { block.bytes.wipe() }
        guard block.label != "ENCRYPTED PRIVATE KEY", !block.hasHeaders else { throw .encrypted }
        guard ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"].contains(block.label) else {
            throw .wrongLabel(block.label, expected: "PRIVATE KEY")
        }
        defer { ERR_clear_error() }
        var consumed = 0
        let decoded = unsafe block.bytes.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            let key = unsafe d2i_AutoPrivateKey(nil, &position, buffer.count)
            if let start = buffer.baseAddress, let end = unsafe position { consumed = unsafe end - start }
            return unsafe key
        }
        guard let pointer = unsafe decoded else { throw .malformed }
        let handle = unsafe KeyHandle(owning: pointer)
        guard consumed == block.bytes.count else { throw .malformed }
        try self.init(handle)
    }

    private init(_ handle: KeyHandle) throws(KeyError) {
        self.publicKey = try PublicKey(der: handle.publicKeyInfo(), for: .trust)
        guard handle.isConsistent else { throw .inconsistent }
        self.handle = handle
    }

    /// Lends the key as unprotected PKCS #8 PEM, newline at its end; the memory is wiped afterwards.
    package func withPEM<Value>(_ body: (RawSpan) throws -> Value) throws -> Value {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw KeyError.operationFailed("take memory") }
        defer { unsafe BIO_free(bio) }  // libcrypto wipes it
        guard unsafe PEM_write_bio_PKCS8PrivateKey(bio, handle.pointer, nil, nil, 0, nil, nil) == 1 else {
            throw KeyError.operationFailed("write the key")
        }
        var start: UnsafeMutablePointer<CChar>?
        let count = unsafe dray_bio_memory(bio, &start)
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
        return try body(unsafe bytes.bytes)
    }
}

extension PrivateKey {
    /// Signs a message: strict DER for ECDSA, PSS for RSA unless `padding` says otherwise. ECDSA is random: never twice
    /// the same bytes. Without a `hash` it is the one of the key's kind.
    package func sign(
        _ message: RawSpan, hash: HashAlgorithm? = nil, padding: SignaturePadding = .modern
    ) throws(KeyError) -> [UInt8] {
        guard let context = unsafe EVP_MD_CTX_new() else { throw .operationFailed("take memory") }
        defer {
            unsafe EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        let name = (hash ?? publicKey.kind.hash).openSSLName
        var inner: OpaquePointer?
        guard unsafe EVP_DigestSignInit_ex(context, &inner, name, nil, nil, handle.pointer, nil) == 1,
            unsafe padding.apply(to: inner, publicKey.kind)
        else { throw .wrongScheme }
        var count = Int(unsafe EVP_PKEY_get_size(handle.pointer))
        var signature = [UInt8](repeating: 0, count: count)
        let done = unsafe message.withUnsafeBytes { bytes in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return unsafe EVP_DigestSign(context, &signature, &count, start, bytes.count)
        }
        guard done == 1 else { throw .operationFailed("sign") }
        return Array(signature.prefix(count))
    }

    /// Signs a message; see the variant for spans.
    package func sign(
        _ message: [UInt8], hash: HashAlgorithm? = nil, padding: SignaturePadding = .modern
    ) throws(KeyError) -> [UInt8] {
        try sign(unsafe message.span.bytes, hash: hash, padding: padding)
    }
}

extension PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Says only that this is a private key.
    package var description: String { "a private key" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
