// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// What a publisher signs for one release: the files of its bundle, and which releases are supported from now on.
package struct Publication: Sendable {
    package let release: SignedRelease
    /// The bundle's files by name; none below `releases/`. Empty in a set that goes without a bundle.
    package let files: [String: TargetFile]
    /// The `release.json` of every supported release, by version.
    package let supported: [String: TargetFile]
    /// The `release.json` of their deltas, by version and label.
    package let deltas: [String: [String: TargetFile]]

    /// The release with this bundle, which `files["release.json"]` describes, supported beside all that `previous` has, but
    /// for those `delisted`. `delta`: the label of a bundle that is a delta; it stands beside the full bundle then, in place
    /// of an earlier delta of that label.
    package init(
        of release: SignedRelease, files: [String: TargetFile], delta: String? = nil,
        after previous: TrustedMetadata? = nil, delisting delisted: Set<String> = []
    ) {
        (self.release, self.files) = (release, files)
        var supported = previous?.targets.content.supported ?? [:]
        var deltas = previous?.targets.content.deltas ?? [:]
        if let delta {
            deltas[release.version, default: [:]][delta] = files["release.json"]?.withoutSHA512
        } else {
            supported[release.version] = files["release.json"]
        }
        self.supported = supported.filter { !delisted.contains($0.key) }
        self.deltas = deltas.filter { !delisted.contains($0.key) }
    }

    /// The list of releases that `previous` has, but for those `delisted`; without the files of a bundle, so that it stays
    /// small.
    package init(renewing previous: TrustedMetadata, delisting delisted: Set<String> = []) {
        let targets = previous.targets.content
        (release, files) = (targets.release, [:])
        supported = targets.supported.filter { !delisted.contains($0.key) }
        deltas = targets.deltas.filter { !delisted.contains($0.key) }
    }

    /// The next targets, snapshot and timestamp under a root, signed, and checked with the importer's code.
    ///
    /// Versions are `versions`, or count on from `previous`, the set that was published last; without one they begin at 1.
    /// The keys are those of the targets, snapshot and timestamp roles; `.threshold` says that one is missing.
    package func signed(
        under root: TrustedRoot, after previous: TrustedMetadata?, versions: SetVersions? = nil, issued: UTCTime,
        expires: UTCTime, by keys: [PrivateKey]
    ) throws(TrustError) -> TrustedMetadata {
        let versions = try (versions ?? SetVersions(after: previous)).usable()
        let targets = Targets(
            header: MetadataHeader(version: versions.targets, issued: issued, expires: expires), release: release,
            files: try listing())
        let targetsFile = try targets.signed(by: keys)
        let snapshot = Snapshot(
            header: MetadataHeader(version: versions.snapshot, issued: issued, expires: expires),
            targets: Link(version: versions.targets, to: targetsFile))
        let snapshotFile = try snapshot.signed(by: keys)
        let timestamp = Timestamp(
            header: MetadataHeader(version: versions.timestamp, issued: issued, expires: expires),
            snapshot: Link(version: versions.snapshot, to: snapshotFile))
        return try root.verified(timestamp: timestamp.signed(by: keys), now: issued, since: previous?.accepted)
            .verified(snapshot: snapshotFile).verified(targets: targetsFile)
    }

    /// The same for holders who sign apart: the links name versions alone, as nobody knows the others' signatures yet.
    package func unsigned(versions: SetVersions, issued: UTCTime, expires: UTCTime) throws(TrustError) -> UnsignedSet {
        let versions = try versions.usable()
        func header(_ version: Int64) -> MetadataHeader {
            MetadataHeader(version: version, issued: issued, expires: expires)
        }
        return UnsignedSet(
            targets: try UnsignedMetadata(
                Targets(header: header(versions.targets), release: release, files: try listing())),
            snapshot: try UnsignedMetadata(
                Snapshot(header: header(versions.snapshot), targets: Link(version: versions.targets))),
            timestamp: try UnsignedMetadata(
                Timestamp(header: header(versions.timestamp), snapshot: Link(version: versions.snapshot))))
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
        for (version, labels) in deltas {
            guard Targets.isUsable(name: version), !version.contains("/") else { throw .unusableText(version) }
            for (label, file) in labels {
                guard Targets.isLabel(label) else { throw .unusableText(label) }
                all[Targets.listing(of: version, delta: label)] = file
            }
        }
        return all
    }
}

/// The versions of one set of metadata.
package struct SetVersions: Equatable, Sendable {
    package let targets, snapshot, timestamp: Int64

    package init(targets: Int64, snapshot: Int64, timestamp: Int64) {
        (self.targets, self.snapshot, self.timestamp) = (targets, snapshot, timestamp)
    }

    /// Those of the set that follows.
    package init(after previous: TrustedMetadata?) {
        targets = (previous?.targets.content.header.version ?? 0) + 1
        snapshot = (previous?.snapshot.content.header.version ?? 0) + 1
        timestamp = (previous?.timestamp.content.header.version ?? 0) + 1
    }

    fileprivate func usable() throws(TrustError) -> SetVersions {
        for (role, version) in [(Role.targets, targets), (.snapshot, snapshot), (.timestamp, timestamp)] {
            guard version <= JSONValue.largestInteger else { throw .versionsExhausted(role) }
        }
        return self
    }
}

/// Targets, snapshot and timestamp that wait for their signatures.
package struct UnsignedSet: Sendable {
    package let targets: UnsignedMetadata<Targets>
    package let snapshot: UnsignedMetadata<Snapshot>
    package let timestamp: UnsignedMetadata<Timestamp>

    package init(
        targets: UnsignedMetadata<Targets>, snapshot: UnsignedMetadata<Snapshot>,
        timestamp: UnsignedMetadata<Timestamp>
    ) {
        (self.targets, self.snapshot, self.timestamp) = (targets, snapshot, timestamp)
    }

    package var versions: SetVersions {
        SetVersions(
            targets: targets.content.header.version, snapshot: snapshot.content.header.version,
            timestamp: timestamp.content.header.version)
    }

    /// Whether each file names the one before it, all are of one moment, and expire together: what one run writes.
    package var isOne: Bool {
        let header = targets.content.header
        let others = [snapshot.content.header, timestamp.content.header]
        return snapshot.content.targets == Link(version: header.version)
            && timestamp.content.snapshot == Link(version: snapshot.content.header.version)
            && others.allSatisfy { $0.issued == header.issued && $0.expires == header.expires }
    }
}
