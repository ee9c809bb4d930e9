// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import OCI
package import SystemPackage
package import Trust

/// What a trust folder says, for people and programs.
package struct TrustFolderStatus: Sendable, Encodable {
    package struct Key: Sendable, Encodable {
        package let id: String
        package let kind: String
    }

    package struct Keys: Sendable, Encodable {
        package let roles: [String]
        package let threshold: Int
        package let keys: [Key]
    }

    /// What was published last.
    package struct Published: Sendable, Encodable {
        package let targets: Int64
        package let snapshot: Int64
        package let timestamp: Int64
        package let release: String
        package let expires: String
        /// The root whose keys vouch for it.
        package let root: Int64
    }

    package let product: String
    /// SHA-256 of the first root, 64 hex digits.
    package let fingerprint: String
    package let rootVersion: Int64
    package let rootExpires: String
    package let keys: [Keys]
    package let published: Published?
    package let supported: [String]
    /// Bundles in which no fork was found.
    package let compared: [String]
    /// Bundles whose signers are too few of the newest root's keys: to be renewed.
    package let outdated: [String]
    /// What needs doing; empty where nothing does.
    package let needs: [Need]

    package enum Need: String, Sendable, Encodable {
        case firstRelease, rootExpired, rootExpiresSoon, keysChanged, setExpired, setExpiresSoon, bundlesOutdated
    }

    package init(_ trust: PublishedTrust, compared: [FilePath], outdated: [FilePath] = [], now: UTCTime) {
        let root = trust.root.root
        (product, rootVersion) = (root.product, root.header.version)
        fingerprint = trust.root.fingerprint
        rootExpires = root.header.expires.description
        keys = TrustFolderStatus.keys(root)
        published = trust.published.map { set in
            Published(
                targets: set.targets.content.header.version, snapshot: set.snapshot.content.header.version,
                timestamp: set.timestamp.content.header.version, release: set.targets.content.release.version,
                expires: set.expires.description, root: set.root.root.header.version)
        }
        supported = trust.published?.targets.content.supportedVersions ?? []
        self.compared = compared.map(\.string)
        self.outdated = outdated.map(\.string)
        needs = TrustFolderStatus.needs(trust, now) + (outdated.isEmpty ? [] : [.bundlesOutdated])
    }

    /// The keys by role; roles with the same keys together.
    private static func keys(_ root: Root) -> [Keys] {
        var groups: [(roles: [Role], keys: RoleKeys)] = []
        for role in [Role.root, .targets, .snapshot, .timestamp] {
            if let known = groups.firstIndex(where: { $0.keys == root[role] }), groups[known].roles != [.root] {
                groups[known].roles.append(role)
            } else {
                groups.append(([role], root[role]))
            }
        }
        return groups.map { group in
            Keys(
                roles: group.roles.map(\.rawValue), threshold: group.keys.threshold,
                keys: group.keys.keys.map { Key(id: $0.id.hex, kind: $0.kind) })
        }
    }

    /// Warned of are roots half a year before their end, sets three months.
    private static func needs(_ trust: PublishedTrust, _ now: UTCTime) -> [Need] {
        var needs: [Need] = []
        let end = trust.root.root.header.expires
        if end <= now {
            needs.append(.rootExpired)
        } else if end <= now.adding(days: 183) {
            needs.append(.rootExpiresSoon)
        }
        guard let set = trust.published else { return needs + [.firstRelease] }
        if !trust.isCurrent { return needs + [.keysChanged] }
        if set.expires <= now { return needs + [.setExpired] }
        return set.expires <= now.adding(days: 92) ? needs + [.setExpiresSoon] : needs
    }
}

extension TrustedMetadata {
    /// The first moment at which a file of the set has expired.
    var expires: UTCTime {
        min(
            targets.content.header.expires,
            min(snapshot.content.header.expires, timestamp.content.header.expires))
    }
}

extension TrustedRoot {
    /// What two people compare: the SHA-256 of the file `1.root.json`, 64 hex digits.
    package var fingerprint: String { files[1].map { Hasher.hash($0).lowercaseHex } ?? "" }
}
