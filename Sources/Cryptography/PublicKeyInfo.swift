// SPDX-License-Identifier: Apache-2.0

/// What a public key is used for; it decides which RSA sizes are accepted.
package enum KeyUse: Sendable {
    /// Our own metadata and releases: ECDSA P-384 or P-256, RSA-PSS of 3072 to 8192 bits.
    case trust
    /// Files that a vendor signed: RSA of 2048 bits and more too.
    case vendor

    var rsaBits: ClosedRange<Int> {
        switch self {
        case .trust: 3072...8192
        case .vendor: 2048...8192
        }
    }
}

/// The kinds of keys that are accepted.
package enum KeyKind: Hashable, Sendable {
    case p384
    case p256
    case rsa(bits: Int)

    /// The kind in words, for example "ECDSA P-384".
    package var name: String {
        switch self {
        case .p384: "ECDSA P-384"
        case .p256: "ECDSA P-256"
        case .rsa(let bits): "RSA-PSS \(bits)"
        }
    }

    /// The hash that signatures of this kind use here: as strong as the key.
    package var hash: HashAlgorithm {
        switch self {
        case .p384: .sha384
        case .p256, .rsa: .sha256
        }
    }
}

/// The first bytes of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), compared before libcrypto parses anything: a
/// curve given by numbers never reaches it (CVE-2022-0778 was an endless loop there).
enum PublicKeyInfo {
    case p384
    case p256
    case rsa

    // SEQUENCE { SEQUENCE { OID id-ecPublicKey, OID curve }, BIT STRING { 04, x, y } }, with every length fixed
    private static let curve256: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ]
    private static let curve384: [UInt8] = [
        0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
    ]
    // AlgorithmIdentifiers, from their OID on
    private static let elliptic: [UInt8] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]
    private static let rsaEncryption: [UInt8] = [  // its NULL, and the tag of what follows
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03,
    ]
    private static let edwards: [UInt8] = [0x06, 0x03, 0x2b, 0x65, 0x70]

    /// The SubjectPublicKeyInfo of a point on a curve, its parameters as DER (RFC 5480 section 2).
    static func elliptic(curve: [UInt8], point: [UInt8]) -> [UInt8] {
        DER.sequence(DER.sequence(elliptic, curve), DER.bits(point))
    }

    /// The SubjectPublicKeyInfo of an RSA key, its numbers as big-endian bytes (RFC 8017 appendix A.1.1).
    static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8] {
        let key = DER.sequence(DER.integer(modulus), DER.integer(exponent))
        return DER.sequence(DER.sequence(Array(rsaEncryption.dropLast())), DER.bits(key))
    }

    init(der: [UInt8]) throws(KeyError) {
        if der.starts(with: PublicKeyInfo.curve384) && der.count == PublicKeyInfo.curve384.count + 96 {
            self = .p384
        } else if der.starts(with: PublicKeyInfo.curve256) && der.count == PublicKeyInfo.curve256.count + 64 {
            self = .p256
        } else {
            self = try PublicKeyInfo(unusual: der)
        }
    }

    /// RSA, or the reason why a key isn't accepted.
    private init(unusual der: [UInt8]) throws(KeyError) {
        guard let outer = PublicKeyInfo.headerLength(der, at: 0),
            let inner = PublicKeyInfo.headerLength(der, at: outer)
        else { throw .malformed }
        let algorithm = der.dropFirst(outer + inner)
        if algorithm.starts(with: PublicKeyInfo.rsaEncryption) {
            self = .rsa
        } else if algorithm.starts(with: PublicKeyInfo.edwards) {
            throw .ed25519
        } else if algorithm.starts(with: PublicKeyInfo.elliptic) {
            let parameters = algorithm.dropFirst(PublicKeyInfo.elliptic.count).first
            let curves = [PublicKeyInfo.curve256, PublicKeyInfo.curve384]
            if parameters == 0x30 { throw .explicitParameters }
            let known = curves.contains { algorithm.starts(with: $0[4..<($0.count - 4)]) }
            throw known ? .malformed : .unsupportedCurve  // a known curve with a compressed point, or cut off
        } else {
            throw .unsupportedAlgorithm
        }
    }

    /// The bytes that the tag and length of a SEQUENCE take.
    private static func headerLength(_ der: [UInt8], at offset: Int) -> Int? {
        guard offset + 1 < der.count, der[offset] == 0x30 else { return nil }
        return der[offset + 1] < 0x80 ? 2 : 2 + Int(der[offset + 1] & 0x7f)
    }
}
