// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
package import Trust

/// A key at hand that counts for nothing, and why.
package struct UncountedKey: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        /// The root has no such key of this role.
        case unlisted(Role, root: Int64)
        case givenTwice
    }

    /// Its place among the keys that were given, from 0.
    package let place: Int
    package let id: KeyID
    package let reason: Reason
    /// How the user named it; the one who has asked for the keys knows.
    package var name: String?

    package init(place: Int, id: KeyID, reason: Reason) { (self.place, self.id, self.reason) = (place, id, reason) }
}

extension UncountedKey: CustomStringConvertible {
    package var description: String {
        let short = "key \(id.hex.prefix(8))..."
        let key = name.map { "\($0) (\(short))" } ?? "the \(short)"
        switch reason {
        case .givenTwice: return "\(key) is given twice"
        case .unlisted(let role, let root):
            return "\(key) is no \(role == .root ? "root" : "release") key of root \(root)"
        }
    }
}

extension SigningError {
    /// The same with the keys that don't count named as the user named them, in the order in which they were given.
    package func naming(_ names: [String]) -> SigningError {
        func named(_ keys: [UncountedKey]) -> [UncountedKey] {
            keys.map { key in
                var key = key
                if names.indices.contains(key.place) { key.name = names[key.place] }
                return key
            }
        }
        switch self {
        case .tooFewKeys(let role, let root, let have, let needed, let uncounted):
            return .tooFewKeys(role, root: root, have: have, needed: needed, uncounted: named(uncounted))
        case .noReleaseKey(let root, let uncounted): return .noReleaseKey(root: root, named(uncounted))
        default: return self
        }
    }
}

extension [PrivateKey] {
    /// Those that count for none of these demands, or stand here before; `role` and `root` are what was asked in vain.
    func uncounted(by demands: [SignatureDemand], for role: Role, root: Int64) -> [UncountedKey] {
        enumerated().compactMap { place, key in
            let id = TrustKey(key.publicKey).id
            if prefix(place).contains(where: { $0.publicKey == key.publicKey }) {
                return UncountedKey(place: place, id: id, reason: .givenTwice)
            }
            guard demands.allSatisfy({ $0.keys(among: [key]).isEmpty }) else { return nil }
            return UncountedKey(place: place, id: id, reason: .unlisted(role, root: root))
        }
    }
}
