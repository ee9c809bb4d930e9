// SPDX-License-Identifier: Apache-2.0

package import Trust

extension PinnedRoots {
    /// Metadata files as they were stored.
    package struct AcceptedMetadata: Equatable, Sendable {
        package let timestamp, snapshot, targets: [UInt8]

        package init(timestamp: [UInt8], snapshot: [UInt8], targets: [UInt8]) {
            (self.timestamp, self.snapshot, self.targets) = (timestamp, snapshot, targets)
        }

        /// What a site keeps of a bundle that it loads.
        package init(_ metadata: TrustedMetadata) {
            self.init(
                timestamp: metadata.timestamp.bytes, snapshot: metadata.snapshot.bytes, targets: metadata.targets.bytes)
        }

        /// Read again, whether expired or not; `nil` when a newer root has replaced the keys that signed it: versions may
        /// start again then, or whoever stole a key could raise them for ever (TUF section 5.3.11).
        package func metadata(under root: TrustedRoot) -> TrustedMetadata? {
            do {
                return try root.verified(timestamp: timestamp, now: UTCTime(secondsSince1970: 0), expiry: .report)
                    .verified(snapshot: snapshot).verified(targets: targets)
            } catch {
                return nil
            }
        }
    }
}

/// What a record beside the accepted metadata says was accepted once: nothing below it is.
package struct VersionFloor: Equatable, Sendable {
    /// Which record says so, as errors name it.
    package let source: String
    package let rootVersion: Int64
    package let targetsVersion: Int64
    /// Ids of the keys that had signed the release, 64 hex digits each.
    package let signers: Set<String>

    package init(source: String, rootVersion: Int64, targetsVersion: Int64, signers: Set<String>) {
        (self.source, self.rootVersion, self.targetsVersion) = (source, rootVersion, targetsVersion)
        self.signers = signers
    }

    /// Whether as many of the signers as the root asks for may still sign. Otherwise their keys were replaced, and a version
    /// that they gave says nothing any more (TUF section 5.3.11).
    package func counts(under root: Root) -> Bool {
        let keys = root[.targets]
        return keys.keys.count { signers.contains($0.id.hex) } >= keys.threshold
    }
}

extension TrustedMetadata {
    /// The rule "Older and newer media" of the format's design. Older media are good as long as the newest accepted
    /// targets still list their release with the same digests; newer ones may not go back in any part.
    func check(against accepted: TrustedMetadata, now: UTCTime, expiry: ExpiryRule) throws {
        let (version, known) = (targets.content.header.version, accepted.targets.content.header.version)
        guard version < known else {
            _ = try root.verified(timestamp: timestamp.bytes, now: now, since: accepted.accepted, expiry: expiry)
                .verified(snapshot: snapshot.bytes)
            guard version > known || targets.bytes == accepted.targets.bytes else {
                throw TrustError.versionReused(file: targets.content.fileName, version: version)
            }
            return
        }
        // a publisher's versions grow together: newer files that name older targets are nobody's medium
        guard timestamp.content.header.version <= accepted.timestamp.content.header.version,
            snapshot.content.header.version <= accepted.snapshot.content.header.version
        else { throw TrustError.rollback(file: targets.content.fileName, accepted: known, found: version) }
        let release = targets.content.release.version
        guard let document = targets.content.files["release.json"],
            accepted.targets.content.lists(document, of: release)
        else { throw BundleError.delisted(version: release, accepted: known) }
    }

    /// Refuses what is below a record of something newer. `known`: the accepted targets' version, which the rule for older
    /// media speaks for up to there; 0 without any.
    func check(against floors: [VersionFloor], known: Int64) throws(BundleError) {
        let (rootVersion, version) = (root.root.header.version, targets.content.header.version)
        for floor in floors {
            guard rootVersion >= floor.rootVersion else {
                throw .belowFloor(
                    Role.root.fileName(version: rootVersion), accepted: floor.rootVersion, source: floor.source)
            }
            guard floor.counts(under: root.root), floor.targetsVersion > known else { continue }
            guard version >= floor.targetsVersion else {
                throw .belowFloor(targets.content.fileName, accepted: floor.targetsVersion, source: floor.source)
            }
        }
    }
}
