// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// What a publisher signs for one release: the files of its bundle, and which releases are supported from now on.
package struct Publication: Sendable {
    package let release: SignedRelease
    /// The bundle's files by name; none below `releases/`.
    package let files: [String: TargetFile]
    /// The `release.json` of every supported release, by version.
    package let supported: [String: TargetFile]

    /// The release with this bundle, which `files["release.json"]` describes, supported beside all that `previous` has, but
    /// for those `delisted`.
    package init(
        of release: SignedRelease, files: [String: TargetFile], after previous: TrustedMetadata? = nil,
        delisting delisted: Set<String> = []
    ) {
        (self.release, self.files) = (release, files)
        var supported = previous?.targets.content.supported ?? [:]
        supported[release.version] = files["release.json"]
        self.supported = supported.filter { !delisted.contains($0.key) }
    }

    /// The next targets, snapshot and timestamp under a root, signed, and checked with the importer's code.
    ///
    /// Versions count on from `previous`, the set that was published last; without one they begin at 1. The keys are those
    /// of the targets, snapshot and timestamp roles; `.threshold` says that one is missing.
    package func signed(
        under root: TrustedRoot, after previous: TrustedMetadata?, issued: UTCTime, expires: UTCTime,
        by keys: [PrivateKey]
    ) throws(TrustError) -> TrustedMetadata {
        func header(_ role: Role, _ last: Int64?) throws(TrustError) -> MetadataHeader {
            let version = (last ?? 0) + 1
            guard version <= JSONValue.largestInteger else { throw .versionsExhausted(role) }
            return MetadataHeader(version: version, issued: issued, expires: expires)
        }
        let targets = Targets(
            header: try header(.targets, previous?.targets.content.header.version), release: release,
            files: try listing())
        let targetsFile = try targets.signed(by: keys)
        let snapshot = Snapshot(
            header: try header(.snapshot, previous?.snapshot.content.header.version),
            targets: Link(version: targets.header.version, to: targetsFile))
        let snapshotFile = try snapshot.signed(by: keys)
        let timestamp = Timestamp(
            header: try header(.timestamp, previous?.timestamp.content.header.version),
            snapshot: Link(version: snapshot.header.version, to: snapshotFile))
        return try root.verified(timestamp: timestamp.signed(by: keys), now: issued, since: previous?.accepted)
            .verified(snapshot: snapshotFile).verified(targets: targetsFile)
    }

    /// All target names, each one usable.
    private func listing() throws(TrustError) -> [String: TargetFile] {
        for name in files.keys.sorted() where !Targets.isUsable(name: name) || name.hasPrefix("releases/") {
            throw .unusableText(name)
        }
        for text in [release.product, release.edition] where !Targets.isUsable(text: text) {
            throw .unusableText(text)
        }
        var all = files
        for (version, file) in supported {
            guard Targets.isUsable(name: version), !version.contains("/") else { throw .unusableText(version) }
            all[Targets.listing(of: version)] = file
        }
        return all
    }
}
