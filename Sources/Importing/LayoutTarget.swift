// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
internal import Synchronization
package import SystemPackage

/// A folder that is, or becomes, an OCI image layout (image-spec 1.1, image-layout.md). What it holds already stays.
package final class LayoutTarget: LoadTarget {
    package let path: FilePath
    package let mapping: RegistryMapping
    let blobs = LayoutBlobs()
    private let state = Mutex(State())
    /// Held while the index is written.
    private let changing = Mutex(())

    private struct State {
        var index: LayoutIndex?
        var sessions = 0
    }

    package init(_ path: FilePath, mapping: RegistryMapping = .none) { (self.path, self.mapping) = (path, mapping) }

    package var address: String { "oci:\(path)" }
    package var skipsTLSVerify: Bool { false }

    var blobFolder: FilePath { path.appending("blobs").appending("sha256") }

    /// Throws `LayoutError.otherFolder` for a folder that holds something else.
    package func open() throws -> FileLock? {
        let marker = path.appending("oci-layout")
        if try !marker.exists() {
            // What a run may have left that was stopped before the marker stood: it comes first.
            let begun: Set<String> = [LayoutTarget.lockName, ".oci-layout.new"]
            let names = try path.exists() ? path.entries().filter { !begun.contains($0) } : []
            guard names.isEmpty else { throw LayoutError.otherFolder(path) }
        }
        try path.createDirectories()
        let lock = try FileLock(path.appending(LayoutTarget.lockName))
        if try !marker.exists() {
            try marker.replaceContents(with: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        }
        try blobFolder.createDirectories()
        // What a killed run left half-written; the lock says that nobody is writing it.
        for name in try blobFolder.entries() where name.hasPrefix(".") && name.hasSuffix(".partial") {
            try blobFolder.appending(name).removeFile()
        }
        if try !path.appending("index.json").exists() {
            try path.appending("index.json").replaceContents(with: LayoutIndex().encoded)
        }
        return lock
    }

    /// Of the folder, or of the nearest one above it that is there.
    package func freeSpace() throws -> UInt64? {
        var place = try path.absolute()
        while try !place.exists(), place != place.removingLastComponent() { place = place.removingLastComponent() }
        return try place.freeSpace()
    }

    /// One blob counts once, however many repositories name it; those with their size are there.
    package func bytesLacking(_ plan: LoadPlan) throws -> UInt64 {
        var writes = PlannedWrites()
        writes.add(path, bytes: 0, largestFile: plan.sizes.values.max() ?? 0)
        try writes.check()
        return try plan.sizes.reduce(0) { sum, entry in
            try file(of: entry.key, in: "").statusIfPresent()?.size == entry.value ? sum : sum + entry.value
        }
    }

    private static let lockName = ".dray.lock"

    package func session() -> any TargetSession { layoutSession() }

    private func layoutSession() -> LayoutSession {
        let number = state.withLock { state in
            state.sessions += 1
            return state.sessions
        }
        return LayoutSession(self, number: number)
    }

    package func setTags(_ tags: [TagAssignment], width: Int) throws {
        guard !tags.isEmpty else { return }
        let session = layoutSession()
        for tag in tags { try session.store(tag.manifest, tag.descriptor, in: tag.repository) }
        try change { index in
            for tag in tags { index.set("\(tag.repository):\(tag.tag)", to: tag.descriptor) }
        }
    }

    /// Changes the index, as one file.
    func change(_ body: (inout LayoutIndex) -> Void) throws {
        try changing.withLock { _ in
            var index = try index()
            body(&index)
            try path.appending("index.json").replaceContents(with: index.encoded)
            state.withLock { [index] in $0.index = index }
        }
    }

    /// The folder's index, read once.
    func index() throws -> LayoutIndex {
        if let index = state.withLock({ $0.index }) { return index }
        let index = try LayoutIndex(at: path.appending("index.json")) ?? LayoutIndex()
        state.withLock { $0.index = index }
        return index
    }
}

// All repositories share the blobs, and a manifest counts as there with its blob: only names are in the index.
extension LayoutTarget: LayoutStorage {
    func namePrefix(of repository: String) -> String { "\(repository):" }
    func index(of repository: String) throws -> LayoutIndex? { try index() }
    func file(of digest: Digest, in repository: String) -> FilePath { blobFolder.appending(digest.hex) }
    func shows(_ manifest: Digest, in repository: String) -> Bool { true }
    func share(_ blob: LoadPlan.BlobStep) -> Bool { false }
    func note(_ descriptor: Descriptor, at place: Place) {}
    func traits() -> TargetTraits {
        var traits = TargetTraits()
        traits.freesItself = true
        return traits
    }

    func stagingFile(for digest: Digest, _ session: Int) -> FilePath {
        blobFolder.appending(".\(digest.hex).\(session).partial")
    }

    func publish(_ staged: FilePath, as digest: Digest, in repository: String) throws {
        try staged.rename(to: file(of: digest, in: repository))
        try blobFolder.syncDirectory()
    }

    func remove(_ place: Place) throws { try change { $0.remove(named: place.description) } }
    func list(_ referrer: Descriptor, in repository: String) throws { try change { $0.set(nil, to: referrer) } }
}

/// Why a folder can't be loaded into.
package enum LayoutError: Error, Equatable {
    case otherFolder(FilePath)
    case unreadableIndex(String)
    /// A manifest that the index leads to and that is none.
    case unreadableManifest(Digest)
}

extension LayoutError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .otherFolder: .usage
        case .unreadableIndex: .failed
        case .unreadableManifest: .damaged
        }
    }

    package var description: String {
        switch self {
        case .otherFolder(let path): "\(path) holds files and is no OCI image layout; give an empty or a new folder"
        case .unreadableManifest(let digest):
            "the folder's index leads to \(digest), which is no manifest, so nobody knows what it needs; nothing was freed. Take its "
                + "entry out of index.json, or put the right bytes in its place, then the same command again"
        case .unreadableIndex(let why): "the folder's index.json can't be read: \(why); give another folder"
        }
    }
}
