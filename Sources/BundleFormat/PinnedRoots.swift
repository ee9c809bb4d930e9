// SPDX-License-Identifier: Apache-2.0

internal import Files
package import Trust

/// The roots that a site trusts, and what it accepted under each before. None of it comes from the media at hand.
package struct PinnedRoots: Sendable {
    /// One product's root, and what followed.
    package struct Chain: Sendable {
        /// The pinned root's file, then those of later roots, in order.
        package var roots: [[UInt8]]
        /// The newest metadata that was accepted; `nil` before the first.
        package var accepted: AcceptedMetadata?
        /// What other records say was accepted.
        package var floors: [VersionFloor]

        package init(roots: [[UInt8]], accepted: AcceptedMetadata? = nil, floors: [VersionFloor] = []) {
            (self.roots, self.accepted, self.floors) = (roots, accepted, floors)
        }
    }

    struct Pinned: Sendable {
        let root: TrustedRoot
        let accepted: AcceptedMetadata?
        let floors: [VersionFloor]
    }

    let chains: [Pinned]

    /// Checks the chains. Throws `TrustError` for roots that don't follow one another.
    package init(_ chains: [Chain]) throws(TrustError) {
        var trusted: [Pinned] = []
        for chain in chains {
            guard let root = try TrustedRoot(chain: chain.roots) else { continue }
            trusted.append(Pinned(root: root, accepted: chain.accepted, floors: chain.floors))
        }
        self.chains = trusted
    }

    /// Trusts these roots, each pinned alone.
    package init(rootFiles: [[UInt8]]) throws(TrustError) { try self.init(rootFiles.map { Chain(roots: [$0]) }) }

    /// The products that are trusted here, sorted.
    package var products: [String] { chains.map(\.root.root.product).sorted() }

    /// Walks `trust/` from the pinned root that the media belong to (docs/format.md, "Verification order", 1).
    func metadata(_ files: inout SmallFiles, now: UTCTime, expiry: ExpiryRule) throws -> TrustedMetadata {
        guard let chain = try chain(of: files) else {
            let name = "trust/\(Role.root.fileName(version: 1))"
            let path = files.path(name)
            guard try files.isPresent(name) else { throw BundleError.unsigned(path) }
            throw BundleError.unknownRoot(path, claims: files.claimedProduct, trusted: products)
        }
        let root = try extended(chain.root, &files)
        // a clock that is behind what was accepted here is wrong; what the media say is looked at on the way
        let known = chain.accepted?.metadata(under: root)
        let time = max(now, UTCTime.toolDate, known?.time ?? now)
        let metadata = try PinnedRoots.metadata(under: root, &files, now: time, expiry: expiry)
        if let known { try metadata.check(against: known, now: time, expiry: expiry) }
        try metadata.check(against: chain.floors, known: known?.targets.content.header.version ?? 0)
        metadata.note(in: &files, clock: now)
        return metadata
    }

    /// Checks metadata that was kept elsewhere, `roots` from the pinned one on, like that of a medium, but for its expiry.
    ///
    /// `nil` where no chain here begins with the same root, or where what is known here is as new already. Throws `TrustError`
    /// for what isn't genuine.
    package func newer(_ kept: AcceptedMetadata, roots: [[UInt8]]) throws -> TrustedMetadata? {
        guard let first = roots.first,
            let chain = chains.first(where: { $0.root.files[Role.firstVersion] == first })
        else { return nil }
        var root = chain.root
        for (number, bytes) in roots.enumerated() {
            let version = Role.firstVersion + Int64(number)
            if chain.root.files[version] == nil { try root.extend(with: bytes) }
            try root.check(bytes, isVersion: version)
        }
        let metadata = try root.verified(
            timestamp: kept.timestamp, now: UTCTime(secondsSince1970: 0), expiry: .report
        ).verified(snapshot: kept.snapshot).verified(targets: kept.targets)
        guard let known = chain.accepted?.metadata(under: root) else { return metadata }
        guard metadata.isNewer(than: known) else {
            return root.root.header.version > chain.root.root.header.version ? metadata : nil
        }
        try metadata.check(against: known, now: metadata.time, expiry: .report)
        return metadata
    }

    /// The chain that has a root in common with the media, byte for byte.
    private func chain(of files: SmallFiles) throws -> Pinned? {
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
        under root: TrustedRoot, _ files: inout SmallFiles, now: UTCTime, expiry: ExpiryRule
    ) throws -> TrustedMetadata {
        let timestamp = try files.taken("trust/timestamp.json", limit: Role.timestamp.byteLimit) {
            try root.verified(timestamp: $0, now: now, expiry: expiry)
        }.value
        let snapshot = try files.taken("trust/\(timestamp.snapshotName)", limit: Role.snapshot.byteLimit) {
            try timestamp.verified(snapshot: $0)
        }.value
        return try files.taken("trust/\(snapshot.targetsName)", limit: Role.targets.byteLimit) {
            try snapshot.verified(targets: $0)
        }.value
    }
}

extension Role {
    /// The version of the root that a site pins.
    fileprivate static var firstVersion: Int64 { 1 }
}

extension TrustedRoot {
    /// The end of a chain of roots, the pinned one first; `nil` of none. Throws what `extend` throws.
    package init?(chain roots: [[UInt8]]) throws(TrustError) {
        guard let first = roots.first else { return nil }
        try self.init(pinned: first)
        for next in roots.dropFirst() { try extend(with: next) }
    }
}

extension TrustedMetadata {
    /// Whether the targets are newer, or the same with a newer timestamp.
    package func isNewer(than other: TrustedMetadata) -> Bool {
        let versions = { (metadata: TrustedMetadata) in
            (metadata.targets.content.header.version, metadata.timestamp.content.header.version)
        }
        return versions(self) > versions(other)
    }

    /// Notes what the user should know about time: a clock that is a day or more behind, and files that have expired.
    fileprivate func note(in files: inout SmallFiles, clock: UTCTime) {
        if clock.adding(days: 1) <= time { files.note(.clockBehind(clock, taken: time)) }
        for file in expired {
            files.note(.expired(files.path("trust/\(file.file)"), at: file.expires))
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

    /// The product that the media's first root names, if its own keys have signed it; nobody vouches for it.
    fileprivate var claimedProduct: String? {
        let name = "trust/\(Role.root.fileName(version: Role.firstVersion))"
        for folder in media {
            for name in [name, "copies/\(name)"] {
                do {
                    guard let bytes = try folder.contents(of: name, limit: Role.root.byteLimit) else { continue }
                    return String(try TrustedRoot(pinned: bytes).root.product.prefix(100))
                } catch { continue }  // no root: it claims nothing
            }
        }
        return nil
    }
}
