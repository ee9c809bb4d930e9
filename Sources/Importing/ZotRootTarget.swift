// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// The storage folder of a Zot that is stopped. What it holds already stays; blobs that several repositories have are one file.
package final class ZotRootTarget: LoadTarget {
    package let root: ZotRoot
    package let mapping: RegistryMapping
    let blobs = LayoutBlobs()
    private let state = Mutex(State())
    /// Held while the folders are walked, so that no walk forgets what another thread has published since.
    private let walking = Mutex(())
    /// Held while a written file gets its name, so that of two threads that wrote one blob the second finds the first's.
    private let publishing = Mutex(())

    private struct State {
        var repositories: [String: ZotRepository] = [:]
        /// Set while this process may write.
        var files: ZotFiles?
        /// Whether names wait for `setTags`.
        var holdsNames = false
        /// Repositories that have a blob, by its digest: the first that was found.
        var homes: [Digest: Int]?
        /// Folders of repositories; what `homes` counts.
        var all: [FilePath] = []
        var sessions = 0
    }

    /// Digests that are looked for in other repositories; of more, later ones are written again.
    private static let maximumHomes = 1_000_000

    package init(_ root: ZotRoot, mapping: RegistryMapping = .none) { (self.root, self.mapping) = (root, mapping) }

    package var address: String { root.address }
    package var isRunning: Bool { false }
    /// A Zot that is started between two media would collect what no manifest names.
    package var takesParts: Bool { false }
    package var basePath: String { root.base }
    package var skipsTLSVerify: Bool { false }

    /// Throws `ZotRootError` for what is no such folder, for one that Zot uses, and where files can't be given to Zot's user.
    package func open() throws -> FileLock? {
        let repositories = try checked()
        let lock = try ZotRootLock(root, repositories)
        let files = ZotFiles(root, try ZotOwnership(of: root, repositories))
        try files.begin()
        state.withLock { state in
            (state.files, state.holdsNames, state.homes, state.repositories) = (files, true, nil, [:])
        }
        return FileLock(holding: lock) { [self] in
            files.end()
            state.withLock { $0.files = nil }
        }
    }

    private func checked() throws -> [String] {
        let repositories = try root.repositories()
        guard try root.isUsable(repositories) else { throw ZotRootError.otherFolder(root.path) }
        return repositories
    }

    package func freeSpace() throws -> UInt64? { try root.path.freeSpace() }

    /// A blob that any repository has with its size costs nothing, one that several need is written once.
    package func bytesLacking(_ plan: LoadPlan) throws -> UInt64 {
        var writes = PlannedWrites()
        writes.add(root.path, bytes: 0, largestFile: plan.sizes.values.max() ?? 0)
        try writes.check()
        return try plan.sizes.reduce(0) { sum, entry in
            let known = try home(of: entry.key).flatMap { try $0.statusIfPresent()?.size }
            return known == entry.value ? sum : sum + entry.value
        }
    }

    package func session() -> any TargetSession { layoutSession() }

    private func layoutSession() -> LayoutSession {
        let number = state.withLock { state in
            state.sessions += 1
            return state.sessions
        }
        return LayoutSession(self, number: number)
    }

    /// Writes each index once, that of a repository with all its new names; also of those whose manifests wait for it.
    package func setTags(_ tags: [TagAssignment], width: Int) throws {
        let waiting = state.withLock { state in
            state.holdsNames = false
            return state.repositories.filter { $0.value.hasPending }.map(\.key)
        }
        let named = Dictionary(grouping: tags, by: \.repository)
        try spread(Set(waiting).subtracting(named.keys).sorted(), width: width, layoutSession) { _, repository in
            try self.change(repository) { _ in }
        }
        try spread(named.keys.sorted(), width: width, layoutSession) { session, repository in
            let tags = named[repository] ?? []
            for tag in tags { try session.store(tag.manifest, tag.descriptor, in: repository) }
            try self.change(repository) { index in
                for tag in tags { index.addNamed(tag.tag, tag.descriptor) }
            }
        }
    }

    private func change(_ repository: String, _ body: (inout LayoutIndex) -> Void) throws {
        try self.repository(repository).change(writer(), body)
    }

    private func writer() throws -> ZotFiles {
        guard let files = state.withLock({ $0.files }) else {
            preconditionFailure("a target is opened before it is written")
        }
        return files
    }

    private func repository(_ name: String) throws -> ZotRepository {
        guard Reference.isRepository(root.full(name)) else { throw ZotRootError.badName(name) }
        return state.withLock { state in
            if let known = state.repositories[name] { return known }
            let new = ZotRepository(root.folder(of: name))
            state.repositories[name] = new
            return new
        }
    }

    // MARK: What is shared

    /// Where a repository has a blob, whatever its bytes are.
    private func home(of digest: Digest) throws -> FilePath? {
        try readHomes()
        return state.withLock { state in
            state.homes?[digest].map { state.all[$0] }
        }?.appending("blobs").appending("sha256").appending(digest.hex)
    }

    private func readHomes() throws {
        try walking.withLock { _ in
            if state.withLock({ $0.homes == nil }) { try walk() }
        }
    }

    private func walk() throws {
        let all = try root.repositories().map { root.path.pushing(FilePath($0)) }
        var homes: [Digest: Int] = [:]
        for (number, repository) in all.enumerated() {
            let blobs = repository.appending("blobs").appending("sha256")
            guard homes.count < ZotRootTarget.maximumHomes, try blobs.exists() else { continue }
            for digest in try blobs.entries().compactMap({ Digest(hex: $0) }) where homes[digest] == nil {
                homes[digest] = number
            }
        }
        state.withLock { [homes] in ($0.homes, $0.all) = (homes, all) }
    }
}

extension ZotRootTarget: LayoutStorage {
    // Zot's names are tags: each repository has an index of its own.
    func namePrefix(of repository: String) -> String { "" }
    func index(of repository: String) throws -> LayoutIndex? {
        try self.repository(repository).index()
    }
    func file(of digest: Digest, in repository: String) throws -> FilePath {
        try self.repository(repository).file(of: digest)
    }

    // Zot gives what its index lists, and nothing else.
    func shows(_ manifest: Digest, in repository: String) throws -> Bool {
        try index(of: repository)?.lists(manifest) ?? false
    }

    func share(_ blob: LoadPlan.BlobStep) throws -> Bool {
        let planned = try blob.mountFrom.map { try file(of: blob.digest, in: $0) }
        let place = try file(of: blob.digest, in: blob.repository)
        for source in try [planned, home(of: blob.digest)].compactMap(\.self) where source != place {
            guard let staged = try link(source, blob.digest, size: blob.size) else { continue }
            try publish(staged, as: blob.digest, in: blob.repository)
            return true
        }
        return false
    }

    /// A new staged name of a file; `nil` where the file isn't the blob's, or can't have one more.
    private func link(_ source: FilePath, _ digest: Digest, size: Int64) throws -> FilePath? {
        guard try blobs.holds(source, digest, size: size) else { return nil }
        let staged = try writer().stagingFile("\(digest.hex).\(UInt64.random(in: 0 ... .max)).link")
        return try source.addName(staged) ? staged : nil
    }

    func stagingFile(for digest: Digest, _ session: Int) throws -> FilePath {
        try writer().stagingFile("\(digest.hex).\(session).partial")
    }

    func publish(_ staged: FilePath, as digest: Digest, in repository: String) throws {
        let (files, layout) = (try writer(), try self.repository(repository))
        try files.makeLayout(layout)
        try publishing.withLock { _ in
            let place = layout.file(of: digest)
            if let file = try unlessThere(staged, digest, at: place) { try files.publish(file, at: place) }
            noteHome(digest, layout)
        }
    }

    /// The file to publish, if any: another thread may have published the same bytes since this one looked, here under another
    /// tag (`nil`), or in another repository, whose file is then taken instead.
    private func unlessThere(_ staged: FilePath, _ digest: Digest, at place: FilePath) throws -> FilePath? {
        guard let size = try staged.statusIfPresent().map({ Int64($0.size) }) else { return staged }
        if try blobs.holds(place, digest, size: size) {
            try staged.removeFile()
            return nil
        }
        guard let home = try home(of: digest), home != place, home.identityIfSeen() != staged.identityIfSeen(),
            let linked = try link(home, digest, size: size)
        else { return staged }
        try staged.removeFile()
        return linked
    }

    private func noteHome(_ digest: Digest, _ layout: ZotRepository) {
        state.withLock { state in
            guard let count = state.homes?.count, count < ZotRootTarget.maximumHomes, state.homes?[digest] == nil
            else { return }
            if state.all.last != layout.path { state.all.append(layout.path) }
            state.homes?[digest] = state.all.count - 1
        }
    }

    func note(_ descriptor: Descriptor, at place: Place) throws {
        let tag = place.isDigest ? nil : place.reference
        guard !state.withLock({ $0.holdsNames }) else {
            return try self.repository(place.repository).hold(tag, descriptor)
        }
        try change(place.repository) { index in
            if let tag { index.addNamed(tag, descriptor) } else { index.addUnnamed(descriptor) }
        }
    }

    func remove(_ place: Place) throws {
        guard try index(of: place.repository) != nil else { return }
        let digest = place.isDigest ? try? Digest(parsing: place.reference) : nil
        try change(place.repository) { index in
            if let digest { index.remove(digest) } else { index.removeName(place.reference) }
        }
    }

    func list(_ referrer: Descriptor, in repository: String) throws {
        try change(repository) { $0.addUnnamed(referrer) }
    }

    func traits() throws -> TargetTraits {
        _ = try checked()
        try ZotRootLock.checkUnused(root)
        for name in ZotRoot.databases where try root.path.appending(name).exists() {
            // Only looked at: it is held from `open` on.
            guard state.withLock({ $0.files == nil }) else { break }
            do {
                _ = try FileLock(root.path.appending(name), saysWho: false)
            } catch LoadError.busy {
                throw ZotRootError.live(root.path, "another process holds the lock of \(name)")
            }
        }
        var traits = TargetTraits()
        (traits.name, traits.collectsLater) = ("Zot's storage", true)
        return traits
    }
}
