// SPDX-License-Identifier: Apache-2.0

/// Why a key can't be used, or a signature doesn't count.
package enum KeyError: Error, Equatable {
    /// The text holds no PEM block, or more than `PEM.byteLimit` bytes.
    case noPEM
    /// The text holds more than one key; which one is meant can't be known.
    case severalKeys
    /// A PEM block of another kind, by its label (its first 64 characters).
    case wrongLabel(String, expected: String)
    /// The private key is protected by a password, and none was given.
    case encrypted
    /// The password isn't the one that protects the key.
    case wrongPassword
    /// The key is protected in another way than PBES2 with AES: OpenSSL's own headers, PBES1, PKCS #12.
    case unsupportedProtection
    /// Deriving the key from the password would cost more than `KeyProtection` allows.
    case protectionCost
    /// The bytes inside the PEM block are no key of their label's kind.
    case malformed
    /// An elliptic curve that is given by its numbers instead of its name.
    case explicitParameters
    /// An elliptic curve other than P-256 and P-384.
    case unsupportedCurve
    /// Ed25519, which not every FIPS module approves.
    case ed25519
    /// Neither ECDSA nor RSA.
    case unsupportedAlgorithm
    /// An RSA modulus outside of what this use allows, in bits.
    case rsaSize(bits: Int, allowed: ClosedRange<Int>)
    /// An RSA public exponent below 65537, above 32 bits or even.
    case rsaExponent
    /// The private and the public half don't belong together.
    case inconsistent
    /// The signature wasn't made by this key over these bytes, or isn't strict DER.
    case signatureMismatch
    /// A digest of the wrong length, or padding that this kind of key doesn't have.
    case wrongScheme
    /// The FIPS module in force doesn't derive keys in the way that protects this one.
    case protectionNotApproved
    /// The signature just made isn't one that the key's own public half accepts.
    case faultySignature
    /// A key in a PKCS #11 token can't be used.
    case token(TokenError)
    /// libcrypto refused to make a key or a signature.
    case operationFailed(String)
}

extension KeyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noPEM: "there is no PEM key in it; expected a text with a \"-----BEGIN ...-----\" line, at most 16 KiB"
        case .severalKeys: "it holds more than one key; split it into one file for each key"
        case .wrongLabel(let label, let expected): "it holds a \"\(label)\"; expected a \"\(expected)\""
        case .encrypted:
            "the private key is protected by a password; give it with --password-file FILE, or at a terminal"
        case .wrongPassword: "the password isn't the one that protects the private key"
        case .unsupportedProtection:
            "the private key's password protection is too weak or too old (only PBES2 with AES is read); protect it anew: "
                + "openssl pkey -in KEY -aes256 -out NEW"
        case .protectionCost:
            "the private key's password protection asks for more work than is allowed (5 million iterations, or "
                + "scrypt with N*r*p above 2^20); protect it anew: openssl pkcs8 -topk8 -in KEY -iter 600000 -out NEW"
        case .malformed: "the key is damaged or not strict DER; export it again: openssl pkey -pubin -in KEY -pubout"
        case .explicitParameters:
            "the key gives its curve as numbers; only the named curves P-384 and P-256 are accepted"
        case .unsupportedCurve: "the key's curve is neither P-384 nor P-256; make one: dray key generate"
        case .ed25519: "Ed25519 keys are refused, because not every FIPS module approves them; use ECDSA P-384"
        case .unsupportedAlgorithm: "the key is neither ECDSA nor RSA; use ECDSA P-384"
        case .rsaSize(let bits, let allowed):
            "the RSA key has \(bits) bits; from \(allowed.lowerBound) to \(allowed.upperBound) are accepted here"
        case .rsaExponent: "the RSA key's public exponent is not an odd number from 65537 to 32 bits; use another key"
        case .inconsistent: "the private and public half of the key don't belong together; take the key from its backup"
        case .signatureMismatch: "the signature is not of this key over these bytes"
        case .wrongScheme: "the signature scheme doesn't fit the key or the digest"
        case .protectionNotApproved:
            "the FIPS module refuses the private key's password protection (a salt below 16 bytes, as OpenSSL before 3.2 "
                + "makes it, or too few iterations); protect it anew with a newer OpenSSL, or make one: dray key generate"
        case .faultySignature:
            "the signature just made doesn't fit the key's own public half, and is thrown away; the token or this machine "
                + "computes wrongly, or the token's public key belongs to another key"
        case .token(let error): error.description
        case .operationFailed(let operation): "libcrypto can't \(operation); check the OpenSSL configuration"
        }
    }
}
