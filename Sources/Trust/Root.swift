// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// Root metadata: which keys speak for one product, and in which role.
package struct Root: RoleMetadata {
    package static let role = Role.root

    package let header: MetadataHeader
    /// The product that all releases under this root belong to.
    package let product: String
    /// Whether file names carry versions, and target names digests (TUF section 6.2).
    package let consistentSnapshot: Bool
    private let roles: [Role: RoleKeys]

    /// The first root of a product: the root keys sign roots, the release keys all else.
    ///
    /// Throws `.malformed` for a threshold that isn't from 1 to the number of keys, and for a key that is given twice.
    package init(
        firstFor product: String, rootKeys: [PublicKey], rootThreshold: Int = 1, releaseKeys: [PublicKey],
        releaseThreshold: Int = 1, issued: UTCTime, expires: UTCTime
    ) throws(TrustError) {
        let release = RoleKeys(keys: releaseKeys.map(TrustKey.init), threshold: releaseThreshold)
        let root = RoleKeys(keys: rootKeys.map(TrustKey.init), threshold: rootThreshold)
        try self.init(
            header: MetadataHeader(version: 1, issued: issued, expires: expires), product: product,
            roles: [.root: root, .timestamp: release, .snapshot: release, .targets: release])
    }

    /// A root with the keys of every role, checked as the importer would.
    package init(header: MetadataHeader, product: String, roles: [Role: RoleKeys]) throws(TrustError) {
        (self.header, self.product, self.roles, consistentSnapshot) = (header, product, roles, true)
        do throws(JSONError) {
            _ = try Root(header: header, document: JSONCursor(.object(members)))
        } catch { throw .malformed(file: fileName, error) }
    }

    /// A root of another dialect, which knows no products.
    package init(header: MetadataHeader, roles: [Role: RoleKeys], consistentSnapshot: Bool) {
        (self.header, self.roles, self.consistentSnapshot) = (header, roles, consistentSnapshot)
        product = ""
    }

    /// The keys of a role and its threshold.
    package subscript(role: Role) -> RoleKeys { roles[role] ?? RoleKeys(keys: [], threshold: 1) }

    /// The keys that sign releases and `SHA256SUMS`.
    package var releaseKeys: [PublicKey] { self[.targets].keys.map(\.key) }
}

extension Root {
    package var members: [String: JSONValue] {
        var keys: [String: JSONValue] = [:]
        var entries: [String: JSONValue] = [:]
        for (role, roleKeys) in roles {
            for key in roleKeys.keys { keys[key.id.hex] = key.json }
            entries[role.rawValue] = [
                "keyids": .array(roleKeys.keys.map { .string($0.id.hex) }),
                "threshold": .int(Int64(roleKeys.threshold)),
            ]
        }
        return [
            "consistent_snapshot": true, "keys": .object(keys), "roles": .object(entries),
            "x-dray": ["product": .string(product)],
        ]
    }

    package init(header: MetadataHeader, document: JSONCursor) throws(JSONError) {
        self.header = header
        let consistent = try document["consistent_snapshot"]
        guard try consistent.bool() else { throw consistent.invalid("true") }
        consistentSnapshot = true
        product = try document["x-dray"]["product"].nonemptyString()
        let keys = try Root.keys(document["keys"])
        var roles: [Role: RoleKeys] = [:]
        for (name, cursor) in try document["roles"].members() {
            guard let role = Role(rawValue: name) else { throw .unknown(path: cursor.path) }
            roles[role] = try RoleKeys(cursor, keys)
        }
        for role in Role.allCases where roles[role] == nil { throw .missing(path: "roles.\(role.rawValue)") }
        self.roles = roles
    }

    /// Every key, also those that no role uses: a key that we don't take makes the root one that we can't judge.
    private static func keys(_ table: JSONCursor) throws(JSONError) -> [String: TrustKey] {
        var keys: [String: TrustKey] = [:]
        for (name, cursor) in try table.members() {
            guard keys.count < TrustLimits.keys else { throw table.invalid("at most \(TrustLimits.keys) keys") }
            let key = try TrustKey(cursor)
            guard key.id.hex == name else { throw cursor.invalid("under the id of its key, \(key.id)") }
            keys[name] = key
        }
        return keys
    }
}

extension RoleKeys {
    fileprivate init(_ role: JSONCursor, _ table: [String: TrustKey]) throws(JSONError) {
        var keys: [TrustKey] = []
        for cursor in try role["keyids"].elements() {
            guard let key = table[try cursor.string()] else { throw cursor.invalid("the id of a key in this root") }
            guard !keys.contains(where: { $0.key == key.key }) else { throw cursor.invalid("a key named once") }
            keys.append(key)
        }
        let limit = min(keys.count, TrustLimits.signatures)
        let threshold = try role["threshold"]
        guard limit > 0 else { throw try role["keyids"].invalid("a list of at least one key") }
        self.init(keys: keys, threshold: Int(try threshold.int(in: 1...Int64(limit))))
    }
}

extension JSONCursor {
    func nonemptyString() throws(JSONError) -> String {
        let text = try string()
        guard !text.isEmpty else { throw invalid("a text that says something") }
        return text
    }
}
