// SPDX-License-Identifier: Apache-2.0

internal import CPKCS11
internal import Synchronization

/// A private key that stays in its token.
///
/// All calls of PKCS #11 are made one after the other: not every module is as safe for threads as it says.
final class TokenKey: @unchecked Sendable {  // `opened` is used under the lock alone
    private static let lock = Mutex(())

    private var opened: OpenedKey?
    let publicKey: PublicKey

    /// Finds the key, asking `pin` where the token wants one. Throws what `pin` throws, `KeyError` otherwise.
    init(_ uri: PKCS11URI, module: String, pin ask: (PINRequest) throws -> Secret) throws {
        do {
            let opened = try TokenKey.lock.withLock { _ in
                try OpenedKey(uri, TokenModule(path: module), ask)
            }
            publicKey = opened.publicKey
            self.opened = consume opened
        } catch let error as TokenError {
            throw KeyError.token(error)
        }
    }

    deinit { TokenKey.lock.withLock { _ in opened = nil } }

    /// Signs a digest; strict DER for ECDSA.
    func sign(_ digest: [UInt8], _ hash: HashAlgorithm, _ padding: SignaturePadding) throws(KeyError) -> [UInt8] {
        do throws(TokenError) {
            return try TokenKey.lock.withLock { _ throws(TokenError) in
                try opened?.sign(digest, hash, padding) ?? []
            }
        } catch {
            throw .token(error)
        }
    }
}

/// A key in a session with its token.
private struct OpenedKey: ~Copyable {
    private let session: TokenSession
    private let key: CK_OBJECT_HANDLE
    let publicKey: PublicKey
    private let asksEachTime: Bool
    /// Kept only for a key that wants it for each signature, and wiped with it.
    private let pin: Secret?

    init(_ uri: PKCS11URI, _ module: TokenModule, _ ask: (PINRequest) throws -> Secret) throws {
        let session = try TokenSession(module, uri)
        var pin: Secret?
        if let request = try session.pinRequest {
            if !session.hasOwnKeyboard { pin = try ask(request) }
            try session.logIn(CK_USER_TYPE(CKU_USER), pin)
        }
        let key = try session.privateKey(uri)
        let publicKey = try session.publicKey(of: key)
        let asksEachTime = try session.value(CKA_ALWAYS_AUTHENTICATE, of: key) == [CK_BYTE(CK_TRUE)]
        (self.key, self.publicKey, self.asksEachTime) = (key, publicKey, asksEachTime)
        self.pin = asksEachTime ? pin : nil
        self.session = session
    }

    func sign(_ digest: [UInt8], _ hash: HashAlgorithm, _ padding: SignaturePadding) throws(TokenError) -> [UInt8] {
        switch (publicKey.kind, padding) {
        case (.p256, _), (.p384, _): DER.signature(joined: try sign(digest, CKM_ECDSA))
        case (.rsa, .openSSLDefault): try sign(DER.digestInfo(digest, hash), CKM_RSA_PKCS)
        case (.rsa, .modern): try signPSS(digest, hash)
        }
    }

    private func sign(
        _ bytes: [UInt8], _ type: CK_MECHANISM_TYPE
    ) throws(TokenError) -> [UInt8] {
        var mechanism = unsafe CK_MECHANISM(mechanism: type, pParameter: nil, ulParameterLen: 0)
        return try unsafe session.sign(bytes, &mechanism, key, asksEachTime: asksEachTime, pin)
    }

    /// PSS with a salt as long as the digest, the mask made with the same hash (RFC 8017 section 8.1).
    private func signPSS(
        _ digest: [UInt8], _ hash: HashAlgorithm
    ) throws(TokenError) -> [UInt8] {
        let (type, mask) =
            switch hash {
            case .sha256: (CKM_SHA256, CKG_MGF1_SHA256)
            case .sha384: (CKM_SHA384, CKG_MGF1_SHA384)
            case .sha512: (CKM_SHA512, CKG_MGF1_SHA512)
            }
        let parameters = UnsafeMutablePointer<CK_RSA_PKCS_PSS_PARAMS>.allocate(capacity: 1)
        defer { unsafe parameters.deallocate() }
        unsafe parameters.initialize(to: CK_RSA_PKCS_PSS_PARAMS(hashAlg: type, mgf: mask, sLen: UInt(digest.count)))
        var mechanism = unsafe CK_MECHANISM(
            mechanism: CKM_RSA_PKCS_PSS, pParameter: parameters,
            ulParameterLen: UInt(MemoryLayout<CK_RSA_PKCS_PSS_PARAMS>.size))
        return try unsafe session.sign(digest, &mechanism, key, asksEachTime: asksEachTime, pin)
    }
}

extension TokenSession {
    /// The only private key that fits the URI.
    fileprivate func privateKey(_ uri: PKCS11URI) throws(TokenError) -> CK_OBJECT_HANDLE {
        let kind = (CKA_CLASS, TokenSession.bytes(of: CKO_PRIVATE_KEY))
        var wanted = [kind]
        if let label = uri.object { wanted.append((CKA_LABEL, Array(label.utf8))) }
        if let id = uri.id { wanted.append((CKA_ID, id)) }
        let found = try objects(wanted)
        guard let key = found.first else { throw .noKey(seen: try names(of: objects([kind]))) }
        guard found.count == 1 else { throw .severalKeys(try names(of: found)) }
        return key
    }

    private func names(of objects: [CK_OBJECT_HANDLE]) throws(TokenError) -> [String] {
        var names: [String] = []
        for object in objects {
            let label = String(decoding: try value(CKA_LABEL, of: object) ?? [], as: UTF8.self)
            let id = try (value(CKA_ID, of: object) ?? []).map { "%" + hex($0) }.joined()
            names.append("\(TokenError.shown(label)) (id=\(id))")
        }
        return names
    }

    private func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    private static func bytes(of number: UInt) -> [UInt8] {
        (0..<MemoryLayout<UInt>.size).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }

    /// The public half: of the object that says so, else of the public key with the same id or, without ids, label.
    fileprivate func publicKey(of key: CK_OBJECT_HANDLE) throws -> PublicKey {
        if let info = try value(CKA_PUBLIC_KEY_INFO, of: key), !info.isEmpty {
            return try PublicKey(der: info, for: .trust)
        }
        if let whole = try publicKeyInfo(key, key) { return try PublicKey(der: whole, for: .trust) }
        let kind = (CKA_CLASS, TokenSession.bytes(of: CKO_PUBLIC_KEY))
        for mark in [CKA_ID, CKA_LABEL] {
            guard let value = try value(mark, of: key), !value.isEmpty else { continue }
            for twin in try objects([kind, (mark, value)]) {
                if let info = try publicKeyInfo(key, twin) { return try PublicKey(der: info, for: .trust) }
            }
        }
        throw TokenError.noPublicKey
    }

    /// The SubjectPublicKeyInfo that the parts of an object make; `nil` where it lacks one.
    private func publicKeyInfo(_ key: CK_OBJECT_HANDLE, _ object: CK_OBJECT_HANDLE) throws -> [UInt8]? {
        switch try number(CKA_KEY_TYPE, of: key) {
        case CKK_EC:
            guard let curve = try value(CKA_EC_PARAMS, of: object) ?? value(CKA_EC_PARAMS, of: key),
                let point = try value(CKA_EC_POINT, of: object)
            else { return nil }
            // The standard wraps the point; some modules give it bare.
            return PublicKeyInfo.elliptic(curve: curve, point: DER.octets(of: point) ?? point)
        case CKK_RSA:
            guard let modulus = try value(CKA_MODULUS, of: object), !modulus.isEmpty,
                let exponent = try value(CKA_PUBLIC_EXPONENT, of: object), !exponent.isEmpty
            else { return nil }
            return PublicKeyInfo.rsa(modulus: modulus, exponent: exponent)
        default: throw KeyError.unsupportedAlgorithm
        }
    }
}
