// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// Whose Zot's files are: new ones are made so that Zot can use them as if it had written them.
struct ZotOwnership: Sendable, Equatable {
    let folder: Ownership
    let file: Ownership

    /// As Zot's own files are: a database, or the index of a repository; in an empty folder as that is, with the modes that Zot
    /// gives (v2.1.2, pkg/storage/constants: 0700 and 0600).
    init(of root: ZotRoot, _ repositories: [String]) throws {
        let first = repositories.first.map { root.path.pushing(FilePath($0)) }
        let databases = try ZotRoot.databases.map(root.path.appending).filter { try $0.exists() }
        let sample = databases.first ?? first?.appending("index.json") ?? root.path
        var owner = try sample.ownership()
        owner.mode = try first?.ownership().mode ?? 0o700
        folder = owner
        owner.mode = try first?.appending("index.json").ownership().mode ?? 0o600
        file = owner
    }
}

/// One repository in Zot's storage: an OCI image layout of its own. All names appear with one change of its index.
final class ZotRepository: Sendable {
    let path: FilePath
    private let state = Mutex(State())
    /// Held while the index is written.
    private let changing = Mutex(())

    private struct State {
        var index: LayoutIndex?
        var isRead = false
        /// Put, and not in the index yet: with a tag, or without.
        var pending: [(tag: String?, descriptor: Descriptor)] = []
    }

    init(_ path: FilePath) { self.path = path }

    var blobs: FilePath { path.appending("blobs").appending("sha256") }

    func file(of digest: Digest) -> FilePath { blobs.appending(digest.hex) }

    /// Its index, read once; `nil` where the repository isn't there.
    func index() throws -> LayoutIndex? {
        if let index = state.withLock({ $0.isRead ? Optional($0.index) : nil }) { return index }
        let index = try path.appending("oci-layout").exists() ? LayoutIndex(at: path.appending("index.json")) : nil
        state.withLock { ($0.index, $0.isRead) = (index, true) }
        return index
    }

    /// Keeps what was put until the index is written.
    func hold(_ tag: String?, _ descriptor: Descriptor) {
        state.withLock { $0.pending.append((tag, descriptor)) }
    }

    var hasPending: Bool { state.withLock { !$0.pending.isEmpty } }

    /// Writes the index with what waits and with a change: everything that it names is on the disk before.
    func change(_ files: ZotFiles, _ body: (inout LayoutIndex) -> Void = { _ in }) throws {
        try changing.withLock { _ in
            var changed = try index() ?? LayoutIndex()
            for (tag, descriptor) in state.withLock(\.pending) {
                if let tag { changed.addNamed(tag, descriptor) } else { changed.addUnnamed(descriptor) }
            }
            body(&changed)
            if try index() != changed || !path.appending("index.json").exists() {
                try files.makeLayout(self)
                try blobs.syncDirectory()
                try files.replace(path.appending("index.json"), with: changed.encoded)
            }
            state.withLock { [changed] in ($0.index, $0.isRead, $0.pending) = (changed, true, []) }
        }
    }
}

/// Makes files and folders in Zot's storage: written elsewhere in it, given to Zot's user, synced, then renamed.
struct ZotFiles: Sendable {
    let root: ZotRoot
    let ownership: ZotOwnership
    private var staging: FilePath { root.path.appending(ZotRoot.stagingName) }

    init(_ root: ZotRoot, _ ownership: ZotOwnership) { (self.root, self.ownership) = (root, ownership) }

    /// Makes the folder for staged files and empties it of what a killed run left.
    ///
    /// Throws `ZotRootError.notOwner` where this user can't make files as Zot needs them.
    func begin() throws {
        do throws(FileError) {
            _ = try staging.createFolder()
            try staging.removeTree()
            try staging.set(ownership.folder)
        } catch {
            guard error.errno == .notPermitted || error.errno == .permissionDenied else { throw error }
            let owner = ownership.folder
            throw ZotRootError.notOwner(root.path, user: owner.user, group: owner.group, error.errno.description)
        }
    }

    func stagingFile(_ name: String) -> FilePath { staging.appending(name) }

    /// Gives a written file its place.
    func publish(_ staged: FilePath, at place: FilePath) throws {
        try staged.set(ownership.file)
        try staged.rename(to: place)
    }

    /// Replaces a file in one step.
    func replace(_ place: FilePath, with bytes: [UInt8]) throws {
        let staged = stagingFile("\(UInt64.random(in: 0 ... .max)).new")
        do {
            let file = try OpenFile.creating(staged, mode: 0o600)
            try file.write(bytes, at: 0)
            try staged.set(ownership.file)
            try file.syncData()
        }
        try staged.rename(to: place)
        try place.removingLastComponent().syncDirectory()
    }

    /// Makes a repository's folders and its marker; Zot takes it for one when the index is there too.
    func makeLayout(_ repository: ZotRepository) throws {
        try makeFolder(repository.blobs)
        let marker = repository.path.appending("oci-layout")
        guard try !marker.exists() else { return }
        try replace(marker, with: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
    }

    /// Makes a folder and those above it, up to the root.
    private func makeFolder(_ folder: FilePath) throws {
        guard folder != root.path, try !folder.exists() else { return }
        let above = folder.removingLastComponent()
        try makeFolder(above)
        guard try folder.createFolder() else { return }
        try folder.set(ownership.folder)
        try above.syncDirectory()
    }

    /// Takes the folder for staged files away; one that isn't empty is emptied by the next load.
    func end() { _ = staging.removeIfEmpty() }
}
