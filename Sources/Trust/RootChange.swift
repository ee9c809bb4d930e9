// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// What the next root has otherwise than the one before it.
package struct RootChange: Sendable {
    /// The keys of one kind, and how many of them must sign; `nil` leaves the threshold as it is.
    package struct Keys: Sendable {
        package var added: [PublicKey]
        package var removed: Set<KeyID>
        package var threshold: Int?

        package init(added: [PublicKey] = [], removed: Set<KeyID> = [], threshold: Int? = nil) {
            (self.added, self.removed, self.threshold) = (added, removed, threshold)
        }

        package func applied(to old: RoleKeys) -> RoleKeys {
            let kept = old.keys.filter { !removed.contains($0.id) }
            let new = added.map(TrustKey.init).filter { key in !kept.contains { $0.id == key.id } }
            return RoleKeys(keys: kept + new, threshold: threshold ?? old.threshold)
        }
    }

    /// Those that sign roots.
    package var root: Keys
    /// Those that sign targets, snapshot and timestamp.
    package var release: Keys
    package var expires: UTCTime

    package init(root: Keys = Keys(), release: Keys = Keys(), expires: UTCTime) {
        (self.root, self.release, self.expires) = (root, release, expires)
    }
}

extension Root {
    /// The root that follows this one.
    ///
    /// Throws `.malformed` for a role without keys or with a threshold that can't be met, `.versionsExhausted`.
    package func following(_ change: RootChange, issued: UTCTime) throws(TrustError) -> Root {
        guard header.version < JSONValue.largestInteger else { throw .versionsExhausted(.root) }
        var roles: [Role: RoleKeys] = [:]
        for role in Role.allCases {
            roles[role] = (role == .root ? change.root : change.release).applied(to: self[role])
        }
        return try Root(
            header: MetadataHeader(version: header.version + 1, issued: issued, expires: change.expires),
            product: product, roles: roles)
    }
}
