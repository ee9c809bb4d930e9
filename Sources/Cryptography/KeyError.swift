// SPDX-License-Identifier: Apache-2.0

/// Why a key can't be used, or a signature doesn't count.
package enum KeyError: Error, Equatable {
    /// The text holds no PEM block, or more than `PEM.byteLimit` bytes.
    case noPEM
    /// The text holds more than one key; which one is meant can't be known.
    case severalKeys
    /// A PEM block of another kind, by its label (its first 64 characters).
    case wrongLabel(String, expected: String)
    /// The private key is protected by a password.
    case encrypted
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
            "the private key is protected by a password, which isn't supported yet; "
                + "decrypt it for this use: openssl pkey -in KEY -out PLAIN (with umask 077)"
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
        case .operationFailed(let operation): "libcrypto can't \(operation); check the OpenSSL configuration"
        }
    }
}
