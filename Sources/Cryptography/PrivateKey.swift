// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// A private key that signs. It has no description: its bytes leave it only through `withPEM`.
package struct PrivateKey: Sendable {
    /// Where the private half is.
    private enum Origin {
        case memory(KeyHandle)
        case token(TokenKey)
    }

    private let origin: Origin
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
    /// The same kinds as for public keys in trust are accepted. Nothing ever asks for a password: a protected key without
    /// one given is `.encrypted`. Of protected keys PKCS #8 with PBES2 and AES is read, not OpenSSL 1's headers, PBES1
    /// or PKCS #12 (`.unsupportedProtection`), and not what costs too much (`.protectionCost`). The caller wipes its own
    /// copy of the text. A password for a key that has none is passed over.
    package init(pem: [UInt8], password: Secret? = nil) throws(KeyError) {
        var block = try PEM(parsing: pem, ignoring: "EC PARAMETERS")
        defer { block.bytes.wipe() }
        guard !block.hasHeaders else { throw password == nil ? .encrypted : .unsupportedProtection }
        switch block.label {
        case "ENCRYPTED PRIVATE KEY":
            guard let password else { throw .encrypted }
            try self.init(KeyProtection.open(block.bytes, with: password))
        case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY":
            try self.init(PrivateKey.decode(block.bytes))
        default: throw .wrongLabel(block.label, expected: "PRIVATE KEY")
        }
    }

    private static func decode(_ der: [UInt8]) throws(KeyError) -> KeyHandle {
        defer { ERR_clear_error() }
        var consumed = 0
        let decoded = unsafe der.withUnsafeBufferPointer { buffer in
            var position = buffer.baseAddress
            let key = unsafe d2i_AutoPrivateKey(nil, &position, buffer.count)
            if let start = buffer.baseAddress, let end = unsafe position { consumed = unsafe end - start }
            return unsafe key
        }
        guard let pointer = unsafe decoded else { throw .malformed }
        let handle = unsafe KeyHandle(owning: pointer)
        guard consumed == der.count else { throw .malformed }
        return handle
    }

    /// Uses a private key that stays in its PKCS #11 token. The module is the one of the URI, else `module`, else p11-kit's
    /// collection of the machine's modules. `pin` is asked once where the token wants a PIN and has no keyboard of its own.
    ///
    /// Throws `KeyError`, mostly `.token`, and what `pin` throws.
    package init(token uri: PKCS11URI, module: String? = nil, pin: (PINRequest) throws -> Secret) throws {
        let key = try TokenKey(uri, module: uri.modulePath ?? module ?? TokenModule.standardPath, pin: pin)
        (origin, publicKey) = (.token(key), key.publicKey)
    }

    private init(_ handle: KeyHandle) throws(KeyError) {
        self.publicKey = try PublicKey(der: handle.publicKeyInfo(), for: .trust)
        guard handle.isConsistent else { throw .inconsistent }
        origin = .memory(handle)
    }

    /// Lends the key as PKCS #8 PEM, newline at its end, under a password if one is given (AES-256, PBKDF2 with 600,000
    /// rounds of HMAC-SHA-256); the memory is wiped afterwards. Throws `.token(.staysInToken)` for a token's key.
    package func withPEM<Value>(
        protectedBy password: Secret? = nil, _ body: (RawSpan) throws -> Value
    ) throws -> Value {
        guard case .memory(let handle) = origin else { throw KeyError.token(.staysInToken) }
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw KeyError.operationFailed("take memory") }
        defer { unsafe BIO_free(bio) }  // libcrypto wipes it
        if let password {
            try unsafe KeyProtection.write(handle, to: bio, with: password)
        } else if unsafe PEM_write_bio_PKCS8PrivateKey(bio, handle.pointer, nil, nil, 0, nil, nil) != 1 {
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
    /// the same bytes. Without a `hash` it is the one of the key's kind. Nothing is given out that the public half doesn't
    /// accept (`.faultySignature`): one wrong computation of a signature can tell the key.
    package func sign(
        _ message: RawSpan, hash: HashAlgorithm? = nil, padding: SignaturePadding = .modern
    ) throws(KeyError) -> [UInt8] {
        let hash = hash ?? publicKey.kind.hash
        let digest = Hasher.hash(message, hash)
        let signature =
            switch origin {
            case .memory(let handle): try sign(digest, hash, padding, handle)
            case .token(let key): try key.sign(digest, hash, padding)
            }
        do throws(KeyError) {
            try publicKey.verify(signature: signature, digest: digest, hash: hash, padding: padding)
        } catch .signatureMismatch {
            throw .faultySignature
        }
        return signature
    }

    private func sign(
        _ digest: [UInt8], _ hash: HashAlgorithm, _ padding: SignaturePadding, _ handle: KeyHandle
    ) throws(KeyError) -> [UInt8] {
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, handle.pointer, nil) else {
            throw .operationFailed("take memory")
        }
        defer {
            unsafe EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        guard let method = unsafe EVP_MD_fetch(nil, hash.openSSLName, nil) else {
            throw .operationFailed("offer \(hash.rawValue)")
        }
        defer { unsafe EVP_MD_free(method) }
        guard unsafe EVP_PKEY_sign_init(context) == 1, unsafe padding.apply(to: context, publicKey.kind),
            unsafe EVP_PKEY_CTX_set_signature_md(context, method) == 1
        else { throw .wrongScheme }
        var count = Int(unsafe EVP_PKEY_get_size(handle.pointer))
        var signature = [UInt8](repeating: 0, count: count)
        guard unsafe EVP_PKEY_sign(context, &signature, &count, digest, digest.count) == 1 else {
            throw .operationFailed("sign")
        }
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
