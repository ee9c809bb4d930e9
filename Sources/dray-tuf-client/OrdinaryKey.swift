// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Trust

/// A key of ordinary TUF metadata (TUF section 4.2), of any kind that this tool can check.
enum OrdinaryKey: Hashable {
    case ed25519(Ed25519Key)
    case asymmetric(PublicKey, HashAlgorithm, isPSS: Bool)

    /// `nil` for a kind or scheme that isn't known and for a key that can't be read: it signs nothing, and the other keys of
    /// the file count all the same. Throws for an object that is no key object.
    init?(_ object: JSONCursor) throws(JSONError) {
        let (type, scheme) = (try object["keytype"].string(), try object["scheme"].string())
        let text = try object["keyval"]["public"].string()
        do throws(KeyError) {
            switch type {
            case "ed25519" where scheme == "ed25519":
                self = .ed25519(try Ed25519Key(OrdinaryKey.bytes(hex: text) ?? []))
            case "ecdsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384":
                let key = try PublicKey(pem: text)
                guard OrdinaryKey.curves[scheme] == key.kind else { return nil }
                self = .asymmetric(key, key.kind.hash, isPSS: false)
            case "rsa":
                let key = try PublicKey(pem: text, for: .vendor)
                guard case .rsa = key.kind, let (hash, isPSS) = OrdinaryKey.paddings[scheme] else { return nil }
                self = .asymmetric(key, hash, isPSS: isPSS)
            default: return nil
            }
        } catch {
            return nil
        }
    }

    private static let curves: [String: KeyKind] = ["ecdsa-sha2-nistp256": .p256, "ecdsa-sha2-nistp384": .p384]
    private static let paddings: [String: (HashAlgorithm, isPSS: Bool)] = [
        "rsassa-pss-sha256": (.sha256, true), "rsassa-pss-sha384": (.sha384, true),
        "rsassa-pss-sha512": (.sha512, true), "rsa-pkcs1v15-sha256": (.sha256, false),
        "rsa-pkcs1v15-sha384": (.sha384, false), "rsa-pkcs1v15-sha512": (.sha512, false),
    ]

    /// Whether the signature is of this key over the message.
    func isSigner(of message: [UInt8], _ signature: [UInt8]) -> Bool {
        do throws(KeyError) {
            switch self {
            case .ed25519(let key): try key.verify(signature: signature, over: message)
            case .asymmetric(let key, let hash, let isPSS):
                try key.verify(
                    signature: signature, over: message, hash: hash, padding: isPSS ? .modern : .openSSLDefault)
            }
            return true
        } catch {
            return false  // whatever the reason, it doesn't count towards the threshold
        }
    }

    /// Hex digits of either case; `nil` for anything else.
    static func bytes(hex text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap { byte in
            byte < 0x80 ? Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) } : nil
        }
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
