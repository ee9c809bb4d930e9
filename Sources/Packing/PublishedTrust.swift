// SPDX-License-Identifier: Apache-2.0

package import Files
internal import SystemPackage
package import Trust

/// What a folder of metadata says: every root, and the newest timestamp, snapshot and targets; each signature checked.
package struct PublishedTrust: Sendable {
    /// The newest root.
    package let root: TrustedRoot
    /// What was published last; `nil` before the first release.
    package let published: TrustedMetadata?
    /// The chain as it was at each of its roots, the first at index 0.
    let chain: [TrustedRoot]

    /// Whether the newest root's keys vouch for what was published last: not so between a change of keys and the first set
    /// that the new ones sign.
    package var isCurrent: Bool {
        guard let published else { return true }
        return published.root.root.header.version == root.root.header.version
    }

    /// Reads and checks the folder; whether anything has expired is not asked.
    ///
    /// Throws `PackError.trustUnusable` where files are missing, `SigningError.fork` for two genuine targets of one
    /// version, `TrustError` and `FileError`.
    package init(reading folder: MediaFolder) throws {
        let first = try PublishedTrust.read(folder, Role.root.fileName(version: 1), .root)
        var chain = [try TrustedRoot(pinned: first)]
        var newest = chain[0]
        while let next = try folder.contents(of: newest.nextName, limit: Role.root.byteLimit) {
            try newest.extend(with: next)
            chain.append(newest)
        }
        (root, self.chain) = (newest, chain)
        guard let timestamp = try folder.contents(of: "timestamp.json", limit: Role.timestamp.byteLimit) else {
            published = nil
            return
        }
        published = try PublishedTrust.set(folder, timestamp, chain)
    }

    /// The set by the newest root whose keys vouch for it.
    private static func set(
        _ folder: MediaFolder, _ timestamp: [UInt8], _ chain: [TrustedRoot]
    ) throws -> TrustedMetadata {
        var fault: (any Error)?
        for root in chain.reversed() {
            do {
                return try set(folder, timestamp, under: root)
            } catch TrustError.threshold(let file, let role, let valid, let needed) {
                let error = TrustError.threshold(file: file, role: role, valid: valid, needed: needed)
                fault = fault ?? error
            }
        }
        throw fault ?? PackError.trustUnusable(folder.path, why: "it has no root")
    }

    private static func set(
        _ folder: MediaFolder, _ timestamp: [UInt8], under root: TrustedRoot
    ) throws -> TrustedMetadata {
        let first = try root.verified(timestamp: timestamp, now: UTCTime(secondsSince1970: 0))
        let second = try first.verified(snapshot: try read(folder, first.snapshotName, .snapshot))
        let targets = try read(folder, second.targetsName, .targets)
        do throws(TrustError) {
            return try second.verified(targets: targets)
        } catch {
            guard case .linkMismatch = error else { throw error }
            // genuine, and not the file that the snapshot means: another copy of this folder has published it
            guard PublishedTrust.isGenuine(.targets, targets, second.targetsName, by: root.root) else { throw error }
            throw SigningError.fork(file: second.targetsName, folder.path, folder.path.appending(first.snapshotName))
        }
    }

    /// Whether a threshold of the root's keys has signed a root or targets of the version that its name has: a damaged copy
    /// is no fork.
    static func isGenuine(_ role: Role, _ bytes: [UInt8], _ name: String, by root: Root) -> Bool {
        do throws(TrustError) {
            switch role {
            case .root:
                let version = try root.content(Root.self, signedIn: bytes, name: name).header.version
                return version == root.header.version + 1 && role.fileName(version: version) == name
            default:
                let version = try root.content(Targets.self, signedIn: bytes, name: name).header.version
                return role.fileName(version: version) == name
            }
        } catch {
            return false  // not by this root's keys
        }
    }

    /// The names and bytes of all of it, roots first.
    var files: [(name: String, bytes: [UInt8])] {
        let roots = root.files.sorted { $0.key < $1.key }.map { (Role.root.fileName(version: $0.key), $0.value) }
        guard let published else { return roots }
        return roots + published.files.filter { !$0.name.hasSuffix(".\(Role.root.rawValue).json") }
    }

    private static func read(_ folder: MediaFolder, _ name: String, _ role: Role) throws -> [UInt8] {
        guard let bytes = try folder.contents(of: name, limit: role.byteLimit) else {
            throw PackError.trustUnusable(folder.path, why: "\(name) is missing; restore the folder from its backup")
        }
        return bytes
    }

    /// Throws `SigningError.unlisted` where neither the release's full bundle nor a delta of it is listed now.
    func requireListed(_ version: String) throws(SigningError) {
        guard let targets = published?.targets.content, targets.supportedVersions.contains(version) else {
            throw .unlisted(version)
        }
    }

    /// Whether a `release.json` is one that is listed now.
    func lists(_ document: TargetFile, of version: String) -> Bool {
        published?.targets.content.lists(document, of: version) ?? false
    }
}
