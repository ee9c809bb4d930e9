// SPDX-License-Identifier: Apache-2.0

/// A role's content whose signatures were checked.
package struct Verified<Content: RoleMetadata>: Sendable {
    package let content: Content
    /// The file as it was signed.
    package let bytes: [UInt8]
    /// The ids of the keys that signed it, as far as the role has them.
    package let signers: [KeyID]

    fileprivate init(
        _ bytes: [UInt8], by root: TrustedRoot, file: String, _ content: Dialect.Reading<Content>
    ) throws(TrustError) {
        let envelope = try root.dialect.envelope(bytes, Content.role, file)
        signers = try envelope.signers(Content.role, root.root[Content.role])
        self.content = try content(envelope)
        self.bytes = bytes
    }

    fileprivate func checkExpiry(_ time: UTCTime, _ rule: ExpiryRule) throws(TrustError) {
        try content.checkExpiry(time, rule)
    }
}

/// The files that were accepted last, which nothing older may replace.
package struct AcceptedFiles: Sendable {
    package let timestamp: [UInt8]?
    package let snapshot: [UInt8]?

    /// What was accepted; `nil` for a file that was not.
    package init(timestamp: [UInt8]?, snapshot: [UInt8]?) { (self.timestamp, self.snapshot) = (timestamp, snapshot) }
}

/// What was accepted last, as far as the present keys still vouch for it.
private struct Accepted: Sendable {
    let timestamp: Verified<Timestamp>?
    let snapshot: Verified<Snapshot>?

    /// Without the files whose keys a newer root has replaced: their versions may start again, or whoever stole a key could
    /// raise them for ever (TUF section 5.3.11). Each goes alone, as in python-tuf: a key that still counts holds its floor.
    init(_ files: AcceptedFiles, root: TrustedRoot) {
        timestamp = files.timestamp.flatMap { Verified(accepted: $0, by: root, root.dialect.timestamp) }
        snapshot = files.snapshot.flatMap { Verified(accepted: $0, by: root, root.dialect.snapshot) }
    }
}

extension Verified {
    fileprivate init?(accepted bytes: [UInt8], by root: TrustedRoot, _ content: Dialect.Reading<Content>) {
        do {
            try self.init(bytes, by: root, file: Content.role.rawValue, content)
        } catch {
            return nil
        }
    }
}

extension TrustedRoot {
    /// Throws `.expired` when this root has: nothing under it counts then, and a client need not ask for it.
    package func checkExpiry(now: UTCTime) throws(TrustError) { try root.checkExpiry(time(now)) }

    /// Checks the timestamp, after the whole chain of roots was added: also throws when the newest root has expired.
    ///
    /// A clock that is behind what was signed is taken for that time. With `accepted` files nothing older than them passes.
    /// `expiry` holds for this file and those after it.
    package func verified(
        timestamp bytes: [UInt8], now: UTCTime, since accepted: AcceptedFiles? = nil, expiry: ExpiryRule = .refuse
    ) throws(TrustError) -> TrustedTimestamp {
        try root.checkExpiry(time(now), expiry)
        let timestamp = try Verified(bytes, by: self, file: "timestamp.json", dialect.timestamp)
        let previous = accepted.map { Accepted($0, root: self) }
        if let old = previous?.timestamp {
            try timestamp.checkNotOlder(than: old, file: "timestamp.json")
            let (link, oldLink) = (timestamp.content.snapshot, old.content.snapshot)
            guard link.version >= oldLink.version else {
                throw .rollback(
                    file: Role.snapshot.fileName(version: link.version), accepted: oldLink.version, found: link.version)
            }
        }
        let time = max(time(now), timestamp.content.header.issued)
        try timestamp.checkExpiry(time, expiry)
        return TrustedTimestamp(root: self, timestamp: timestamp, time: time, expiry: expiry, accepted: previous)
    }
}

extension Verified {
    fileprivate func checkNotOlder(than old: Verified<Content>, file: String) throws(TrustError) {
        let (version, oldVersion) = (content.header.version, old.content.header.version)
        guard version >= oldVersion else { throw .rollback(file: file, accepted: oldVersion, found: version) }
        guard version > oldVersion || content == old.content else {
            throw .versionReused(file: file, version: version)
        }
    }
}

/// A timestamp that was checked; its snapshot is next.
package struct TrustedTimestamp: Sendable {
    fileprivate let root: TrustedRoot
    package let timestamp: Verified<Timestamp>
    fileprivate let time: UTCTime
    fileprivate let expiry: ExpiryRule
    fileprivate let accepted: Accepted?

    /// The name in `trust/` of the snapshot to read, at most `Role.snapshot.byteLimit` bytes.
    package var snapshotName: String { Role.snapshot.fileName(version: timestamp.content.snapshot.version) }

    /// Checks the snapshot: length and digests before anything else.
    package func verified(snapshot bytes: [UInt8]) throws(TrustError) -> TrustedSnapshot {
        let link = timestamp.content.snapshot
        try link.check(bytes, file: snapshotName)
        let snapshot = try Verified(bytes, by: root, file: snapshotName, root.dialect.snapshot)
        try link.check(version: snapshot.content.header.version, file: snapshotName)
        if let old = accepted?.snapshot {
            try snapshot.checkNotOlder(than: old, file: snapshotName)
            try snapshot.content.checkLinks(notOlderThan: old.content, file: snapshotName)
        }
        let time = max(time, snapshot.content.header.issued)
        try snapshot.checkExpiry(time, expiry)
        return TrustedSnapshot(timestamp: self, snapshot: snapshot, time: time)
    }
}

extension Snapshot {
    /// No file that was listed may be gone or older (TUF section 5.5.5).
    fileprivate func checkLinks(notOlderThan old: Snapshot, file: String) throws(TrustError) {
        guard targets.version >= old.targets.version else {
            throw .rollback(
                file: Role.targets.fileName(version: targets.version), accepted: old.targets.version,
                found: targets.version)
        }
        for (name, link) in old.others {
            guard let version = others[name]?.version else {
                throw .malformed(file: file, .missing(path: "meta.\(name)"))
            }
            guard version >= link.version else {
                throw .rollback(file: name, accepted: link.version, found: version)
            }
        }
    }
}

extension Link {
    fileprivate func check(version found: Int64, file: String) throws(TrustError) {
        guard found == version else { throw .version(file: file, expected: version, found: found) }
    }
}

/// A snapshot that was checked; its targets are next.
package struct TrustedSnapshot: Sendable {
    fileprivate let timestamp: TrustedTimestamp
    package let snapshot: Verified<Snapshot>
    fileprivate let time: UTCTime

    /// The name in `trust/` of the targets to read, at most `Role.targets.byteLimit` bytes.
    package var targetsName: String { Role.targets.fileName(version: snapshot.content.targets.version) }

    /// Checks the targets, the last step; then all four once more by the latest time that any of them names.
    package func verified(targets bytes: [UInt8]) throws(TrustError) -> TrustedMetadata {
        let link = snapshot.content.targets
        try link.check(bytes, file: targetsName)
        let root = timestamp.root
        let targets = try Verified(bytes, by: root, file: targetsName, root.dialect.targets)
        try link.check(version: targets.content.header.version, file: targetsName)
        let found = targets.content.release.product
        guard found == root.root.product else {
            throw .otherProduct(file: targetsName, expected: root.root.product, found: found)
        }
        let time = max(time, targets.content.header.issued)
        let expiry = timestamp.expiry
        try root.root.checkExpiry(time, expiry)
        try timestamp.timestamp.checkExpiry(time, expiry)
        try snapshot.checkExpiry(time, expiry)
        try targets.checkExpiry(time, expiry)
        return TrustedMetadata(
            root: root, timestamp: timestamp.timestamp, snapshot: snapshot, targets: targets, time: time)
    }
}

/// Metadata that was checked from the pinned root to the targets: what it lists may be believed.
package struct TrustedMetadata: Sendable {
    package let root: TrustedRoot
    package let timestamp: Verified<Timestamp>
    package let snapshot: Verified<Snapshot>
    package let targets: Verified<Targets>
    /// The time that expiry was judged by: the clock's, or later when something was signed later.
    package let time: UTCTime
    /// The files whose time was over then, in the order of verification; empty unless the rule was `ExpiryRule.report`.
    package var expired: [ExpiredFile] {
        [
            root.root.expired(at: time), timestamp.content.expired(at: time), snapshot.content.expired(at: time),
            targets.content.expired(at: time),
        ].compactMap(\.self)
    }

    fileprivate init(
        root: TrustedRoot, timestamp: Verified<Timestamp>, snapshot: Verified<Snapshot>, targets: Verified<Targets>,
        time: UTCTime
    ) {
        (self.root, self.timestamp, self.snapshot, self.targets) = (root, timestamp, snapshot, targets)
        self.time = time
    }

    /// The names and bytes of all files in `trust/`, roots first.
    package var files: [(name: String, bytes: [UInt8])] {
        let roots = root.files.sorted { $0.key < $1.key }.map { (Role.root.fileName(version: $0.key), $0.value) }
        return roots + [
            (timestamp.content.fileName, timestamp.bytes), (snapshot.content.fileName, snapshot.bytes),
            (targets.content.fileName, targets.bytes),
        ]
    }

    /// What a later verification must not go behind.
    package var accepted: AcceptedFiles { AcceptedFiles(timestamp: timestamp.bytes, snapshot: snapshot.bytes) }
}

extension Verified: CustomStringConvertible {
    package var description: String { content.fileName }
}

extension TrustedRoot: CustomStringConvertible {
    package var description: String { "the root \(root.header.version) of \(root.product)" }
}

extension TrustedTimestamp: CustomStringConvertible {
    package var description: String { "timestamp \(timestamp.content.header.version) under \(root)" }
}

extension TrustedMetadata: CustomStringConvertible {
    package var description: String { "targets \(targets.content.header.version) under \(root)" }
}
