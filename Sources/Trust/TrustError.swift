// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// Why metadata, or a signature of a release's key, isn't trusted.
package enum TrustError: Error, Equatable {
    /// The first root isn't the one whose SHA-256 was given; both as 64 hex digits.
    case fingerprint(file: String, expected: String, actual: String)
    /// A root that is already trusted under this version has other bytes here.
    case otherRoot(file: String)
    /// More bytes than the role's limit.
    case tooLarge(file: String, limit: Int)
    /// Bytes that the fixed grammar doesn't allow, from this offset on.
    case grammar(file: String, offset: Int)
    /// Two signatures under one key id.
    case duplicateSignature(file: String, keyID: String)
    /// Fewer distinct keys of the role signed than it needs.
    case threshold(file: String, role: Role, valid: Int, needed: Int)
    /// The signed content isn't what a file of its role holds.
    case malformed(file: String, JSONError)
    /// The signed content isn't in its one canonical form.
    case notCanonical(file: String)
    /// A root whose version isn't the one after the trusted root's.
    case rootVersion(file: String, expected: Int64, found: Int64)
    /// More root rotations than the limit.
    case tooManyRoots(limit: Int)
    /// A length or digest isn't the one that the file before it names.
    case linkMismatch(file: String, LinkFault)
    /// The version isn't the one that the file before it names.
    case version(file: String, expected: Int64, found: Int64)
    /// Older than what was accepted before.
    case rollback(file: String, accepted: Int64, found: Int64)
    /// The version that was accepted before, but with other content.
    case versionReused(file: String, version: Int64)
    case expired(file: String, at: UTCTime, now: UTCTime)
    /// The release of another product than the root's.
    case otherProduct(file: String, expected: String, found: String)
    /// None of the release keys made this detached signature.
    case detachedSignature(file: String)
    /// A name or text that metadata can't hold: for the publisher only.
    case unusableText(String)
    /// A version can't grow any more: for the publisher only.
    case versionsExhausted(Role)
    /// A key can't sign: for the publisher only.
    case signing(KeyError)
}

/// How a file differs from what was signed about it.
package enum LinkFault: Equatable, Sendable {
    case length(expected: Int64, found: Int64)
    case sha256
    case sha512
}

extension TrustError {
    /// What the fault means for who runs the command; each has its exit code.
    package enum Meaning: Sendable {
        /// 10: nothing that this key chain vouches for.
        case notTrusted
        /// 11
        case expired
        /// 12: replaced by something newer since.
        case replaced
        /// 13: genuine once, but not the bytes that were signed, or mixed from several sets.
        case damaged
        /// 14: genuine, but for another product.
        case otherProduct
        /// 64: what the publisher gave can't be signed.
        case unusableInput
    }

    package var meaning: Meaning {
        switch self {
        case .expired: .expired
        case .version, .rollback, .versionReused: .replaced
        case .linkMismatch: .damaged
        case .otherProduct: .otherProduct
        case .unusableText, .versionsExhausted, .signing: .unusableInput
        case .fingerprint, .otherRoot, .tooLarge, .grammar, .duplicateSignature, .threshold, .malformed,
            .notCanonical, .rootVersion, .tooManyRoots, .detachedSignature:
            .notTrusted
        }
    }
}

extension TrustError: CustomStringConvertible {
    private static let copyAgain = "copy it again, or take it from copies/"

    package var description: String {
        switch self {
        case .fingerprint(let file, let expected, let actual):
            "\(file) has the fingerprint \(actual), not \(expected); get the root again, and compare it with its sender"
        case .otherRoot(let file):
            "\(file) differs from the root that is trusted here; don't use this medium, ask its sender"
        case .tooLarge(let file, let limit): "\(file) has more than \(limit) bytes; \(TrustError.copyAgain)"
        case .grammar(let file, let offset):
            "\(file) is no Dray metadata from byte \(offset) on; \(TrustError.copyAgain)"
        case .duplicateSignature(let file, let keyID):
            "\(file) carries two signatures of the key \(keyID); don't use this medium, ask its sender"
        case .threshold(let file, let role, let valid, let needed):
            "\(file) is signed by \(valid) of the \(needed) \(role.rawValue) keys it needs; "
                + "if keys were changed, the sender signs the medium anew (dray trust renew) or adds the newer root to trust/, else "
                + "don't use it"
        case .malformed(let file, let error): "\(file) is signed but can't be used: \(error); ask its sender"
        case .notCanonical(let file): "\(file) is signed but not in canonical form; ask its sender"
        case .tooManyRoots(let limit):
            "trust/ holds more than \(limit) roots after the trusted one; install a newer root by hand"
        case .rootVersion(let file, let expected, let found):
            "\(file) holds version \(found) where \(expected) must follow; the whole chain of roots is needed in trust/"
        case .linkMismatch(let file, .length(let expected, let found)):
            "\(file) has \(found) bytes instead of the signed \(expected); \(TrustError.copyAgain)"
        case .linkMismatch(let file, let fault):
            "\(file) doesn't have its signed digest (\(fault)); it is damaged or from another release: "
                + TrustError.copyAgain
        case .version(let file, let expected, let found):
            "\(file) has version \(found) instead of \(expected); copy the whole trust/ folder of one release again"
        case .rollback(let file, let accepted, let found):
            "\(file) has version \(found), but \(accepted) was accepted before; use the newer medium"
        case .versionReused(let file, let version):
            "\(file) has other content than the version \(version) that was accepted before; ask its sender"
        case .expired(let file, let moment, let now):
            "\(file) expired at \(moment), and it is \(now); get a newer medium, or correct the clock"
        case .otherProduct(let file, let expected, let found):
            "\(file) is for the product \(found), and this trust is for \(expected); add that product's own root"
        case .detachedSignature(let file):
            "the signature of \(file) is of none of the release keys; \(TrustError.copyAgain)"
        case .unusableText(let text):
            "metadata can't hold \"\(text)\": use printable ASCII without quotes and backslashes, "
                + "and no empty, \".\" or \"..\" part in names"
        case .versionsExhausted(let role):
            "the version of \(role.rawValue) can't grow any more; replace its keys by a new root"
        case .signing(let error): "can't sign: \(error)"
        }
    }
}
