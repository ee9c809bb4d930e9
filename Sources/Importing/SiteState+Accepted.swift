// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
package import OCI
internal import SystemPackage
package import Trust

// What was accepted last, and whatever else says so.
extension SiteState {
    /// What verification starts from: the roots, the newest accepted metadata, and the floors that receipts hold where that
    /// was lost. Throws `TrustError` for stored roots that don't follow one another, `StateError` for files that can't be read.
    package func pinnedRoots() throws -> PinnedRoots { try PinnedRoots(chains()) }

    /// The chains of `pinnedRoots`, in the order of their fingerprints.
    package func chains() throws -> [PinnedRoots.Chain] {
        let floors = try receiptFloors()
        return try roots().sorted { $0.key < $1.key }.map { fingerprint, roots in
            PinnedRoots.Chain(
                roots: roots, accepted: try accepted(fingerprint), floors: floors[fingerprint.hex] ?? [])
        }
    }

    private func acceptedFile(_ fingerprint: Digest) -> FilePath { acceptedFolder.appending("\(fingerprint.hex).json") }

    /// The metadata accepted last under a root, or `nil`. Throws `StateError.unreadable`.
    package func accepted(_ fingerprint: Digest) throws -> PinnedRoots.AcceptedMetadata? {
        let file = acceptedFile(fingerprint)
        guard try file.exists() else { return nil }
        let limit = 4 * Role.targets.byteLimit
        do {
            let bytes = try file.contents(limit: limit)
            let cursor = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: limit)))
            return PinnedRoots.AcceptedMetadata(
                timestamp: Array(try cursor["timestamp"].string().utf8),
                snapshot: Array(try cursor["snapshot"].string().utf8),
                targets: Array(try cursor["targets"].string().utf8))
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Moves the accepted metadata forward, all three files as one; never back to an older version, unless newer roots have
    /// replaced the keys of what is there. Returns whether anything changed.
    @discardableResult
    package func accept(_ metadata: TrustedMetadata) throws -> Bool {
        guard let fingerprint = metadata.fingerprint else { return false }
        if let known = try accepted(fingerprint)?.metadata(under: metadata.root), !metadata.isNewer(than: known) {
            return false
        }
        let text = { (bytes: [UInt8]) in JSONValue.string(String(decoding: bytes, as: UTF8.self)) }
        let document: JSONValue = .object([
            "timestamp": text(metadata.timestamp.bytes), "snapshot": text(metadata.snapshot.bytes),
            "targets": text(metadata.targets.bytes),
        ])
        try acceptedFolder.createDirectories()
        try acceptedFile(fingerprint).replaceContents(with: document.canonicalBytes)
        return true
    }

    /// Keeps the roots and the metadata of a verification, in this order: a stop in between leaves newer roots with older
    /// metadata, which is what the next verification starts from as well. Whoever calls holds the lock.
    @discardableResult
    package func moveForward(_ metadata: TrustedMetadata) throws -> Bool {
        try keepRoots(of: metadata)
        return try accept(metadata)
    }

    /// What each receipt in the state proves to have been accepted here, by the pinned root's fingerprint; of those with the
    /// same signers the highest. One that can't be read holds nothing; `receipt list` names it.
    package func receiptFloors() throws -> [String: [VersionFloor]] {
        guard try receiptsFolder.exists() else { return [:] }
        var floors: [String: [Set<String>: VersionFloor]] = [:]
        for entry in try receiptsFolder.entries().sorted() where entry.hasSuffix(".json") {
            guard let receipt = try readable(receiptsFolder.appending(entry)), receipt.isAccepted else { continue }
            let floor = VersionFloor(
                source: "the receipt \(entry)", rootVersion: receipt.rootVersion,
                targetsVersion: receipt.targetsVersion, signers: Set(receipt.signers))
            let known = floors[receipt.root]?[floor.signers]
            guard known.map({ floor.isAbove($0) }) ?? true else { continue }
            floors[receipt.root, default: [:]][floor.signers] = floor
        }
        return floors.mapValues { $0.values.sorted { $0.source < $1.source } }
    }

    private func readable(_ file: FilePath) throws -> Receipt? {
        do {
            return try keptReceipt(file).receipt
        } catch is StateError {
            return nil
        } catch is SiteError {
            return nil
        }
    }
}

extension VersionFloor {
    fileprivate func isAbove(_ other: VersionFloor) -> Bool {
        (rootVersion, targetsVersion) > (other.rootVersion, other.targetsVersion)
    }
}
