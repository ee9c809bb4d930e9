// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage
internal import Trust

// What loads keep whose media come one at a time (docs/media.md): a folder for each release, below `spool/`.
extension SiteState {
    /// Days after which the spool of a release that nobody went on with is removed.
    static let spoolDays: Int64 = 60

    var spoolFolder: FilePath { path.appending("spool") }

    /// Bytes that are free for spools: in the state's folder, or in the nearest one above it that is there.
    func spoolSpace() throws -> UInt64 {
        var place = try path.absolute()
        while try !place.exists(), place != place.removingLastComponent() { place = place.removingLastComponent() }
        return try place.freeSpace()
    }

    func spoolFolder(of release: Digest) -> FilePath { spoolFolder.appending(release.hex) }

    /// Blocks of this bundle's volumes that earlier runs have kept, as one more place to read from: `nil` where there are none.
    /// What it gives is compared with the signed index like any medium's bytes.
    package func spooledBlocks(of bundle: VerifiedBundle) throws -> (any BlockSource)? {
        let spool = try Spool(spoolFolder(of: bundle.releaseDigest), of: bundle)
        return spool.blocks.isEmpty ? nil : spool
    }

    /// Removes spools of other releases that nobody has gone on with for long. Under the state's lock alone.
    func removeOldSpools(butOf release: Digest, now: UTCTime) throws {
        guard try spoolFolder.exists() else { return }
        for name in try spoolFolder.entries() where Digest(hex: name) != nil && name != release.hex {
            let folder = spoolFolder.appending(name)
            let newest = try folder.entries().compactMap {
                try folder.appending($0).statusIfPresent(followingLinks: false)?.modified
            }.max()
            let age = now.secondsSince1970 - (newest ?? 0) / 1_000_000_000
            if age > SiteState.spoolDays * 86_400 { try remove(spool: folder) }
        }
    }

    private func remove(spool folder: FilePath) throws {
        guard try folder.exists() else { return }
        try folder.removeTree()
        if folder.removeIfEmpty() { try spoolFolder.syncDirectory() }
    }

    /// A load into this address has ended well: what is kept for it goes, and the spool with the last.
    func removeSpool(of release: Digest, for address: String) throws {
        let folder = spoolFolder(of: release)
        guard try folder.exists() else { return }
        try SentList.file(in: folder, address).removeFile()
        let others = try folder.entries().contains { $0.hasPrefix(SentList.prefix) }
        if !others { try remove(spool: folder) }
    }
}

extension VerifiedBundle {
    /// The SHA-256 of `release.json`.
    var releaseDigest: Digest {
        guard let file = metadata.targets.content.files["release.json"] else {
            preconditionFailure("a verified bundle has a release.json")
        }
        return Digest(hashed: file.sha256)
    }
}

/// The spools that one run uses, each opened once: several loads of it share them.
final class Spools: Sendable {
    private let open = Mutex<[FilePath: Spool]>([:])

    func spool(_ state: SiteState, of bundle: VerifiedBundle) throws -> Spool {
        let folder = state.spoolFolder(of: bundle.releaseDigest)
        return try open.withLock { open in
            if let known = open[folder] { return known }
            let spool = try Spool(folder, of: bundle)
            open[folder] = spool
            return spool
        }
    }
}

/// Which blobs a target has got in earlier runs of a load whose media come one at a time. A hint: before a blob counts as there the
/// target is asked; without the list a plan only expects more to do.
final class SentList: Sendable {
    static let prefix = "sent-"
    private let path: FilePath
    private let state: Mutex<State>

    private struct State {
        var places: Set<Place> = []
        var file: Holder?
        var end: UInt64 = 0
        var unsynced: Int64 = 0
    }

    private final class Holder: Sendable {
        let file: OpenFile
        init(_ path: FilePath) throws(FileError) { file = try OpenFile.writing(path, mode: 0o600) }
    }

    private static let limit = 256 << 20
    private static let syncedBytes: Int64 = 64 << 20

    static func file(in folder: FilePath, _ address: String) -> FilePath {
        folder.appending(prefix + Digest(of: Array(address.utf8)).hex.prefix(16))
    }

    /// Reads the list; changes nothing.
    init(in folder: FilePath, of address: String) throws {
        path = SentList.file(in: folder, address)
        var found = State()
        if try path.exists() {
            let bytes = try path.contents(limit: SentList.limit)
            for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
                found.end += UInt64(line.count) + 1
                let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
                guard words.count == 2, let digest = Digest(hex: words[1]) else { continue }
                found.places.insert(Place(words[0], digest))
            }
        }
        state = Mutex(found)
    }

    func has(_ blob: LoadPlan.BlobStep) -> Bool {
        state.withLock { $0.places.contains(Place(blob.repository, blob.digest)) }
    }

    /// Makes the file, which says that the spool is needed for this address.
    func begin() throws {
        try path.removingLastComponent().createDirectories()
        try state.withLock { state in
            let holder = try Holder(path)
            try holder.file.truncate(to: state.end)  // half a line of a run that was killed
            state.file = holder
        }
        try path.removingLastComponent().syncDirectory()
    }

    /// Notes a blob that the target has.
    func add(_ blob: LoadPlan.BlobStep) throws {
        try state.withLock { state in
            guard let holder = state.file, state.places.insert(Place(blob.repository, blob.digest)).inserted else {
                return
            }
            let line = Array("\(blob.repository) \(blob.digest.hex)\n".utf8)
            try holder.file.write(line, at: state.end)
            state.end += UInt64(line.count)
            state.unsynced += blob.size
            guard state.unsynced >= SentList.syncedBytes else { return }
            try holder.file.syncData()
            state.unsynced = 0
        }
    }

    func sync() throws {
        try state.withLock { state in
            try state.file?.file.syncData()
            state.unsynced = 0
        }
    }
}
