// SPDX-License-Identifier: Apache-2.0

internal import Files
package import Trust

/// The roots that a site trusts, and what it accepted under each before. None of it comes from the media at hand.
package struct PinnedRoots: Sendable {
    /// One product's root, and what followed.
    package struct Chain: Sendable {
        /// The pinned root's file, then those of later roots, in order.
        package let roots: [[UInt8]]
        /// The newest metadata that `load` has accepted; `nil` before the first.
        package let accepted: AcceptedMetadata?

        package init(roots: [[UInt8]], accepted: AcceptedMetadata? = nil) {
            (self.roots, self.accepted) = (roots, accepted)
        }
    }

    /// Metadata files as they were stored.
    package struct AcceptedMetadata: Sendable {
        package let timestamp, snapshot, targets: [UInt8]

        package init(timestamp: [UInt8], snapshot: [UInt8], targets: [UInt8]) {
            (self.timestamp, self.snapshot, self.targets) = (timestamp, snapshot, targets)
        }

        /// What a site keeps of a bundle that it loads.
        package init(_ metadata: TrustedMetadata) {
            self.init(
                timestamp: metadata.timestamp.bytes, snapshot: metadata.snapshot.bytes, targets: metadata.targets.bytes)
        }
    }

    private let chains: [(root: TrustedRoot, accepted: AcceptedMetadata?)]

    /// Checks the chains. Throws `TrustError` for roots that don't follow one another.
    package init(_ chains: [Chain]) throws(TrustError) {
        var trusted: [(TrustedRoot, AcceptedMetadata?)] = []
        for chain in chains {
            guard let first = chain.roots.first else { continue }
            var root = try TrustedRoot(pinned: first)
            for next in chain.roots.dropFirst() { try root.extend(with: next) }
            trusted.append((root, chain.accepted))
        }
        self.chains = trusted
    }

    /// Trusts these roots, each pinned alone.
    package init(rootFiles: [[UInt8]]) throws(TrustError) { try self.init(rootFiles.map { Chain(roots: [$0]) }) }

    /// Walks `trust/` from the pinned root that the media belong to (docs/format.md, "Verification order", 1).
    func metadata(_ files: inout SmallFiles, now: UTCTime) throws -> TrustedMetadata {
        guard let chain = try chain(of: files) else {
            let name = "trust/\(Role.root.fileName(version: 1))"
            let path = files.path(name)
            throw try files.isPresent(name) ? BundleError.unknownRoot(path) : .unsigned(path)
        }
        let root = try extended(chain.root, &files)
        let metadata = try PinnedRoots.metadata(under: root, &files, now: now)
        if let accepted = chain.accepted { try metadata.check(against: accepted, now: now) }
        return metadata
    }

    /// The chain that has a root in common with the media, byte for byte.
    private func chain(of files: SmallFiles) throws -> (root: TrustedRoot, accepted: AcceptedMetadata?)? {
        try chains.first { chain in
            try chain.root.files.contains { version, bytes in
                try files.contains("trust/\(Role.root.fileName(version: version))", bytes)
            }
        }
    }

    /// Compares the media's roots with the known ones and adds those that follow.
    private func extended(_ known: TrustedRoot, _ files: inout SmallFiles) throws -> TrustedRoot {
        var root = known
        for version in known.files.keys.sorted() {
            let name = "trust/\(Role.root.fileName(version: version))"
            guard try files.isPresent(name) else { continue }
            _ = try files.taken(name, limit: Role.root.byteLimit) { try known.check($0, isVersion: version) }
        }
        while try files.isPresent("trust/\(root.nextName)") {
            let current = root
            root = try files.taken("trust/\(root.nextName)", limit: Role.root.byteLimit) { bytes in
                var next = current
                try next.extend(with: bytes)
                return next
            }.value
        }
        return root
    }

    private static func metadata(
        under root: TrustedRoot, _ files: inout SmallFiles, now: UTCTime
    ) throws -> TrustedMetadata {
        let timestamp = try files.taken("trust/timestamp.json", limit: Role.timestamp.byteLimit) {
            try root.verified(timestamp: $0, now: now)
        }.value
        let snapshot = try files.taken("trust/\(timestamp.snapshotName)", limit: Role.snapshot.byteLimit) {
            try timestamp.verified(snapshot: $0)
        }.value
        return try files.taken("trust/\(snapshot.targetsName)", limit: Role.targets.byteLimit) {
            try snapshot.verified(targets: $0)
        }.value
    }
}

extension TrustedMetadata {
    /// The rule "Older and newer media" of the format's design. Older media are good as long as the newest accepted
    /// targets still list their release with the same digests; newer ones may not go back in any part.
    fileprivate func check(against accepted: PinnedRoots.AcceptedMetadata, now: UTCTime) throws {
        guard let newest = accepted.metadata(under: root) else { return }
        let (version, known) = (targets.content.header.version, newest.targets.content.header.version)
        guard version < known else {
            let files = AcceptedFiles(timestamp: accepted.timestamp, snapshot: accepted.snapshot)
            _ = try root.verified(timestamp: timestamp.bytes, now: now, since: files).verified(snapshot: snapshot.bytes)
            guard version > known || targets.bytes == newest.targets.bytes else {
                throw TrustError.versionReused(file: targets.content.fileName, version: version)
            }
            return
        }
        let release = targets.content.release.version
        guard let listed = newest.targets.content.supported[release],
            listed == targets.content.files["release.json"]
        else { throw BundleError.delisted(version: release, accepted: known) }
    }
}

extension PinnedRoots.AcceptedMetadata {
    /// Read again, whether expired or not; `nil` when a newer root has replaced the keys that signed it: versions may
    /// start again then, or whoever stole a key could raise them for ever (TUF section 5.3.11).
    fileprivate func metadata(under root: TrustedRoot) -> TrustedMetadata? {
        do {
            return try root.verified(timestamp: timestamp, now: UTCTime(secondsSince1970: 0))
                .verified(snapshot: snapshot).verified(targets: targets)
        } catch {
            return nil
        }
    }
}

extension SmallFiles {
    /// Whether any copy of the file has exactly these bytes.
    fileprivate func contains(_ name: String, _ bytes: [UInt8]) throws -> Bool {
        media.contains { folder in
            [name, "copies/\(name)"].contains { name in
                do throws(FileError) {
                    return try folder.contents(of: name, limit: bytes.count) == bytes
                } catch {
                    return false  // too long, or unreadable: not these bytes
                }
            }
        }
    }
}
