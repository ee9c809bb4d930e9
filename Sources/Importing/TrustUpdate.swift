// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
package import Trust

/// What a site learns from media without loading anything: newer roots, newer lists of releases (docs/trust.md).
package struct TrustUpdate: Sendable {
    /// The chain as it was.
    private let before: (root: TrustedRoot, accepted: TrustedMetadata?)
    private let after: TrustedMetadata
    private let findings: [Finding]
    /// Whether the state was moved.
    package let isNew: Bool

    /// Checks the `trust/` of a bundle, or of a folder that holds nothing else, as `verified` does, and moves the state
    /// forward. The state's lock is held. Throws what verification throws; then nothing was changed.
    package init(_ bundle: UnverifiedBundle, _ state: SiteState, now: UTCTime) throws {
        let (metadata, findings) = try bundle.metadata(by: state.pinnedRoots(), now: now)
        guard let fingerprint = metadata.fingerprint,
            let root = try state.roots()[fingerprint].flatMap({ try TrustedRoot(chain: $0) })
        else { preconditionFailure("metadata is verified from a root of this state") }
        before = (root, try state.accepted(fingerprint)?.metadata(under: root))
        (after, self.findings) = (metadata, findings)
        let hasRoots = metadata.root.root.header.version > root.root.header.version
        isNew = try state.moveForward(metadata) || hasRoots
    }

    private var product: String { after.root.root.product }

    /// Releases that were listed and are no more.
    private var delisted: [String] {
        let listed = before.accepted?.targets.content.supportedVersions ?? []
        return Set(listed).subtracting(after.targets.content.supportedVersions).sorted()
    }

    /// Keys that may sign no longer.
    private var revoked: [KeyID] {
        let ids = { (root: Root) in Set(Role.allCases.flatMap { root[$0].keys.map(\.id) }) }
        return ids(before.root.root).subtracting(ids(after.root.root)).sorted { $0.hex < $1.hex }
    }

    package var report: Report {
        let old = before.accepted
        let isForward = old.map { after.isNewer(than: $0) } ?? true
        let changes = [
            change("root", before.root.root.header.version, after.root.root.header.version),
            isForward
                ? change(
                    "targets", old?.targets.content.header.version, after.targets.content.header.version) : nil,
            isForward
                ? change(
                    "timestamp", old?.timestamp.content.header.version, after.timestamp.content.header.version) : nil,
            revoked.isEmpty
                ? nil
                : "keys that sign no longer: \(revoked.map { String($0.hex.prefix(16)) }.joined(separator: ", "))",
            delisted.isEmpty || !isForward ? nil : "no longer to be loaded: \(delisted.joined(separator: ", "))",
        ].compactMap(\.self)
        return Report(
            text: "\(product): "
                + (isNew ? changes.joined(separator: "; ") : "nothing on it is newer than what this site knows"),
            json: [
                "product": .string(product), "changed": .bool(isNew),
                "rootVersion": .int(after.root.root.header.version),
                "targetsVersion": .int(after.targets.content.header.version),
                "revokedKeys": .array(revoked.map { .string($0.hex) }),
                "delisted": .array(isForward ? delisted.map(JSONValue.string) : []),
            ], warnings: findings.filter { !$0.isAboutCopies }.map(\.description))
    }

    private func change(_ role: String, _ old: Int64?, _ new: Int64) -> String? {
        guard old != new else { return nil }
        return old.map { "\(role) \($0) -> \(new)" } ?? "\(role) \(new)"
    }
}

extension SiteState {
    /// What `trust update` does: each bundle on the media, or the named one; the first that is refused ends it. Throws
    /// `LoadError.busy` while a load runs.
    package func updateTrust(_ media: MediaSet, _ release: String?, now: UTCTime, words: [String]) throws -> Report {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let bundles = try release.map { [try media.bundle($0)] } ?? media.all
        let reports = try bundles.map { bundle in
            do {
                return try TrustUpdate(bundle, self, now: now).report
            } catch BundleError.delisted(let version, let accepted) {
                return Report(
                    text: "\(bundle.name.printable): it is older than what this site knows (targets \(accepted))"
                        + (bundle.isTrustOnly ? "" : ", and release \(version) is not to be loaded any more"),
                    json: ["name": .string(bundle.name), "changed": false])
            }
        }
        return Report(
            text: reports.map(\.text).joined(separator: "\n"), json: .array(reports.map(\.json)),
            warnings: reports.flatMap(\.warnings), next: [(["dray-import", "trust", "status"] + words).shellLine])
    }
}
