// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import FoundationEssentials
internal import OCI
package import Trust

/// What people see of a stage before they sign: made of the very bodies that are signed, never of `request.json`.
package struct StageSummary: Sendable, Encodable {
    package struct Body: Sendable, Encodable {
        package let role: String
        package let version: Int64
        package let expires: String
        /// Of the body's bytes, 96 hex digits.
        package let sha384: String
    }

    package struct Demand: Sendable, Encodable {
        package let role: String
        package let root: Int64
        package let threshold: Int
        package let keys: [String]
    }

    package let product: String
    /// SHA-256 of the product's first root; `nil` while that is being signed.
    package let fingerprint: String?
    package let issued: String
    package let bodies: [Body]
    package let demands: [Demand]
    package let release: String?
    /// The bundle's files with their lengths in bytes.
    package let files: [String: Int64]
    package let supported: [String]
    /// Whether the release is of a bundle and not in the list of supported releases that is signed with it.
    package var isUnlisted: Bool { release.map { !supported.contains($0) } ?? false }
    /// Lines of what changes: keys, thresholds, releases.
    package let changes: [String]

    package init(_ stage: SigningStage) {
        let (root, set) = (stage.root?.content, stage.set)
        product = stage.base?.root.root.product ?? root?.product ?? ""
        fingerprint = stage.base?.root.fingerprint
        issued = (set?.targets.content.header ?? root?.header)?.issued.description ?? ""
        var headers: [Role: MetadataHeader] = [:]
        headers[.root] = root?.header
        headers[.targets] = set?.targets.content.header
        headers[.snapshot] = set?.snapshot.content.header
        headers[.timestamp] = set?.timestamp.content.header
        bodies = stage.unsigned.map { body in
            Body(
                role: body.role.rawValue, version: headers[body.role]?.version ?? 0,
                expires: headers[body.role]?.expires.description ?? "",
                sha384: Hasher.hash(body.bytes, .sha384).lowercaseHex)
        }
        demands = stage.demands.map { demand in
            Demand(
                role: demand.role.rawValue, root: demand.root, threshold: demand.keys.threshold,
                keys: demand.keys.keys.map { "\($0.id) (\($0.kind))" })
        }
        let targets = set?.targets.content
        let names = targets?.files.filter { !$0.key.hasPrefix("releases/") } ?? [:]
        release = names.isEmpty ? nil : targets?.release.version
        files = names.mapValues(\.length)
        supported = targets?.supportedVersions ?? []
        changes = StageSummary.changes(stage)
    }

    private static func changes(_ stage: SigningStage) -> [String] {
        var lines: [String] = []
        if let root = stage.root?.content { lines += changes(from: stage.base?.root.root, to: root) }
        guard let set = stage.set else { return lines }
        let old = stage.base?.published?.targets.content.listings ?? [:]
        let new = set.targets.content.listings
        for name in Set(old.keys).union(new.keys).sorted() where old[name] != new[name] {
            let word = old[name] == nil ? "lists" : new[name] == nil ? "delists" : "REPLACES"
            lines.append("\(word) \(name)")
        }
        return lines
    }

    /// What a root has otherwise than the one before it.
    package static func changes(from old: Root?, to new: Root) -> [String] {
        let others = [Role.targets, .snapshot, .timestamp].map {
            changes(of: $0, called: "release", from: old, to: new)
        }
        let root = changes(of: .root, called: "root", from: old, to: new)
        guard !others.allSatisfy({ $0 == others[0] }) else { return root + others[0] }
        // not what Dray makes: each role by its own name
        return root
            + [Role.targets, .snapshot, .timestamp].flatMap {
                changes(of: $0, called: $0.rawValue, from: old, to: new)
            }
    }

    private static func changes(of role: Role, called kind: String, from old: Root?, to new: Root) -> [String] {
        let (before, after) = (old?[role].keys ?? [], new[role].keys)
        let added = after.filter { key in !before.contains { $0.id == key.id } }
        let removed = before.filter { key in !after.contains { $0.id == key.id } }
        var lines = added.map { "adds the \(kind) key \($0.id) (\($0.kind))" }
        lines += removed.map { "removes the \(kind) key \($0.id) (\($0.kind))" }
        if old?[role].threshold != new[role].threshold {
            lines.append("wants \(new[role].threshold) of \(after.count) \(kind) keys")
        }
        return lines
    }

    /// For `request.json`, which people may read and nothing of Dray does.
    var json: [UInt8] {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return Array(try encoder.encode(self))
        }
    }
}
