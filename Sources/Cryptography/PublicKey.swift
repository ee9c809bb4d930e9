// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// A public key that checks signatures: ECDSA P-384 or P-256, or RSA; equal when its SubjectPublicKeyInfo is.
package struct PublicKey: Sendable {
    private let handle: KeyHandle
    package let kind: KeyKind
    /// The SubjectPublicKeyInfo in DER.
    package let der: [UInt8]

    /// Reads the only key of a PEM text (`BEGIN PUBLIC KEY`, at most 16 KiB); text around it is passed over.
    ///
    /// Refused: curves other than the named P-384 and P-256, points that are compressed, RSA outside of what `use`
    /// allows, Ed25519, and DER that libcrypto would write in another way.
    package init(pem: [UInt8], for use: KeyUse = .trust) throws(KeyError) {
        let block = try PEM(parsing: pem)
        guard block.label == "PUBLIC KEY" else { throw .wrongLabel(block.label, expected: "PUBLIC KEY") }
        try self.init(der: block.bytes, for: use)
    }

    /// Reads the only key of a PEM text; see `init(pem:for:)`.
    package init(pem: String, for use: KeyUse = .trust) throws(KeyError) {
        try self.init(pem: Array(pem.utf8), for: use)
    }

    init(der: [UInt8], for use: KeyUse) throws(KeyError) {
        let info = try PublicKeyInfo(der: der)
        defer { ERR_clear_error() }
        let decoded = unsafe der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return unsafe d2i_PUBKEY(nil, &start, buffer.count)
        }
        guard let pointer = unsafe decoded else { throw .malformed }
        let handle = unsafe KeyHandle(owning: pointer)
        guard try handle.publicKeyInfo() == der else { throw .malformed }  // trailing bytes, or not strict DER
        self.kind = try PublicKey.kind(of: handle, info, use)
        (self.handle, self.der) = (handle, der)
    }

    private static func kind(of handle: KeyHandle, _ info: PublicKeyInfo, _ use: KeyUse) throws(KeyError) -> KeyKind {
        switch info {
        case .p384: return .p384
        case .p256: return .p256
        case .rsa:
            let bits = handle.bits
            guard use.rsaBits.contains(bits) else { throw .rsaSize(bits: bits, allowed: use.rsaBits) }
            guard handle.hasUsualExponent else { throw .rsaExponent }
            return .rsa(bits: bits)
        }
    }

    /// The key as `openssl pkey -pubout` writes it, with a newline at its end.
    package var pem: String { PEM.text(label: "PUBLIC KEY", bytes: der) }
}

extension PublicKey: Hashable {
    package static func == (left: PublicKey, right: PublicKey) -> Bool { left.der == right.der }
    package func hash(into hasher: inout Swift.Hasher) { hasher.combine(der) }
}

extension PublicKey {
    /// Returns if the signature is of this key over the message; throws `.signatureMismatch` if not.
    ///
    /// ECDSA signatures are strict DER. Without a `hash` it is the one of the key's kind.
    package func verify(
        signature: [UInt8], over message: RawSpan, hash: HashAlgorithm? = nil, padding: SignaturePadding = .modern
    ) throws(KeyError) {
        let hash = hash ?? kind.hash
        try verify(signature: signature, digest: Hasher.hash(message, hash), hash: hash, padding: padding)
    }

    /// Returns if the signature is of this key over the message; see the variant for spans.
    package func verify(
        signature: [UInt8], over message: [UInt8], hash: HashAlgorithm? = nil, padding: SignaturePadding = .modern
    ) throws(KeyError) {
        try verify(signature: signature, over: unsafe message.span.bytes, hash: hash, padding: padding)
    }

    /// Returns if the signature is of this key over the message with this digest; for files too large to hold.
    package func verify(
        signature: [UInt8], digest: [UInt8], hash: HashAlgorithm, padding: SignaturePadding = .modern
    ) throws(KeyError) {
        guard digest.count == hash.byteCount else { throw .wrongScheme }
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, handle.pointer, nil) else {
            throw .operationFailed("check a signature")
        }
        defer {
            unsafe EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        guard let method = unsafe EVP_MD_fetch(nil, hash.openSSLName, nil) else {
            throw .operationFailed("offer \(hash.rawValue)")
        }
        defer { unsafe EVP_MD_free(method) }
        guard unsafe EVP_PKEY_verify_init(context) == 1, unsafe padding.apply(to: context, kind),
            unsafe EVP_PKEY_CTX_set_signature_md(context, method) == 1
        else { throw .wrongScheme }
        let verdict = unsafe EVP_PKEY_verify(context, signature, signature.count, digest, digest.count)
        guard verdict == 1 else { throw .signatureMismatch }  // negative for a malformed signature
    }
}
