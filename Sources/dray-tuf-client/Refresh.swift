// SPDX-License-Identifier: Apache-2.0

import Files
import RegistryClient
import SystemPackage
import Trust

/// The client workflow of TUF section 5.1 to 5.6 up to the top-level targets. Every verdict is `Trust`'s; what is done
/// here is asking for files and keeping them.
struct Refresh {
    let folder: FilePath
    let repository: WebFiles
    let now: UTCTime

    /// The answers that mean "there is no such root" (as python-tuf has them).
    private static let absent = [403, 404]

    /// Brings the metadata in the folder up to date and returns it. What was verified stays when a later step throws.
    func run() throws -> TrustedMetadata {
        let root = try updatedRoot()
        try root.checkExpiry(now: now)
        let accepted = AcceptedFiles(timestamp: try stored(.timestamp), snapshot: try stored(.snapshot))
        let timestamp = try updatedTimestamp(root, accepted)
        let snapshot = try updatedSnapshot(timestamp, accepted, isConsistent: root.root.consistentSnapshot)
        return try updatedTargets(snapshot, isConsistent: root.root.consistentSnapshot)
    }

    /// 5.2 and 5.3
    private func updatedRoot() throws -> TrustedRoot {
        let path = folder.appending("root.json")
        var root = try TrustedRoot(pinned: path.contents(limit: Role.root.byteLimit), reading: .ordinary)
        for _ in 0..<TrustLimits.rotations {
            switch try repository.get(root.nextName, limit: Role.root.byteLimit) {
            case .file(let bytes):
                try root.extend(with: bytes)
                try path.replaceContents(with: bytes)
            case .status(let status):
                guard Refresh.absent.contains(status) else { throw ClientError.status(root.nextName, status) }
                return root
            }
        }
        return root
    }

    /// 5.4. A timestamp of the version that is trusted already changes nothing, whatever it says.
    private func updatedTimestamp(_ root: TrustedRoot, _ accepted: AcceptedFiles) throws -> TrustedTimestamp {
        let bytes = try file("timestamp.json", limit: Role.timestamp.byteLimit)
        let timestamp: TrustedTimestamp
        do throws(TrustError) {
            timestamp = try root.verified(timestamp: bytes, now: now, since: accepted)
        } catch {
            guard case .versionReused = error, let kept = accepted.timestamp else { throw error }
            return try root.verified(timestamp: kept, now: now, since: accepted)
        }
        try store(bytes, .timestamp)
        return timestamp
    }

    /// 5.5
    private func updatedSnapshot(
        _ timestamp: TrustedTimestamp, _ accepted: AcceptedFiles, isConsistent: Bool
    ) throws -> TrustedSnapshot {
        if let kept = wanted(accepted.snapshot, timestamp.verified(snapshot:)) { return kept }
        let link = timestamp.timestamp.content.snapshot
        let bytes = try file(link, .snapshot, isConsistent: isConsistent)
        let snapshot = try timestamp.verified(snapshot: bytes)
        try store(bytes, .snapshot)
        return snapshot
    }

    /// 5.6.1 to 5.6.6
    private func updatedTargets(_ snapshot: TrustedSnapshot, isConsistent: Bool) throws -> TrustedMetadata {
        if let kept = wanted(try stored(.targets), snapshot.verified(targets:)) { return kept }
        let bytes = try file(snapshot.snapshot.content.targets, .targets, isConsistent: isConsistent)
        let metadata = try snapshot.verified(targets: bytes)
        try store(bytes, .targets)
        return metadata
    }
}

/// What a kept file says, where it is still the one that is wanted. `nil` where the repository must be asked: whatever
/// is wrong with a kept file, the one that comes instead is judged by the same rules.
private func wanted<Content>(_ kept: [UInt8]?, _ verify: ([UInt8]) throws(TrustError) -> Content) -> Content? {
    guard let kept else { return nil }
    do throws(TrustError) {
        return try verify(kept)
    } catch {
        return nil
    }
}

// Files of the repository, and files in the folder, which have no versions in their names.
extension Refresh {
    private func file(_ link: Link, _ role: Role, isConsistent: Bool) throws -> [UInt8] {
        let name = isConsistent ? role.fileName(version: link.version) : "\(role.rawValue).json"
        let limit = link.content?.length.map { Int(clamping: $0) } ?? role.byteLimit
        return try file(name, limit: min(limit, role.byteLimit))
    }

    private func file(_ name: String, limit: Int) throws -> [UInt8] {
        switch try repository.get(name, limit: limit) {
        case .file(let bytes): return bytes
        case .status(let status): throw ClientError.status(name, status)
        }
    }

    private func path(_ role: Role) -> FilePath { folder.appending("\(role.rawValue).json") }

    private func stored(_ role: Role) throws -> [UInt8]? {
        guard try path(role).exists() else { return nil }
        return try path(role).contents(limit: role.byteLimit)
    }

    private func store(_ bytes: [UInt8], _ role: Role) throws { try path(role).replaceContents(with: bytes) }
}
