// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
package import Files
internal import FoundationEssentials
package import OCI
internal import RegistryClient
internal import Synchronization
package import SystemPackage
internal import Trust

/// A folder that is, or becomes, an OCI image layout (image-spec 1.1, image-layout.md). What it holds already stays.
package final class LayoutTarget: LoadTarget {
    package let path: FilePath
    private let state = Mutex(State())
    /// Held while the index is written.
    private let changing = Mutex(())

    private struct State {
        var index: LayoutIndex?
        /// Blobs whose bytes were hashed in this run.
        var verified: Set<Digest> = []
        var sessions = 0
    }

    package init(_ path: FilePath) { self.path = path }

    package var address: String { "oci:\(path)" }
    package var skipsTLSVerify: Bool { false }

    var blobs: FilePath { path.appending("blobs").appending("sha256") }

    /// Throws `LayoutError.otherFolder` for a folder that holds something else.
    package func open() throws -> FileLock? {
        let marker = path.appending("oci-layout")
        if try !marker.exists() {
            let names = try path.exists() ? path.entries().filter { $0 != LayoutTarget.lockName } : []
            guard names.isEmpty else { throw LayoutError.otherFolder(path) }
        }
        try blobs.createDirectories()
        let lock = try FileLock(path.appending(LayoutTarget.lockName))
        // What a killed run left half-written; the lock says that nobody is writing it.
        for name in try blobs.entries() where name.hasPrefix(".") && name.hasSuffix(".partial") {
            try blobs.appending(name).removeFile()
        }
        if try !marker.exists() {
            try marker.replaceContents(with: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
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
        var sizes: [Digest: UInt64] = [:]
        for group in plan.groups {
            for blob in group.blobs { sizes[blob.digest] = UInt64(blob.size) }
            for manifest in group.manifests { sizes[manifest.descriptor.digest] = UInt64(manifest.descriptor.size) }
        }
        return try sizes.reduce(0) { sum, entry in
            try file(of: entry.key).statusIfPresent()?.size == entry.value ? sum : sum + entry.value
        }
    }

    private static let lockName = ".dray.lock"

    package func session() -> any TargetSession { LayoutSession(self, number: nextSession()) }

    private func nextSession() -> Int {
        state.withLock { state in
            state.sessions += 1
            return state.sessions
        }
    }

    package func setTags(_ tags: [TagAssignment], width: Int) throws {
        guard !tags.isEmpty else { return }
        let session = LayoutSession(self, number: nextSession())
        for tag in tags {
            _ = try session.put(tag.manifest, tag.descriptor, at: Place(tag.repository, tag.descriptor.digest))
        }
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
        let file = path.appending("index.json")
        let index = try file.exists() ? LayoutIndex(parsing: file.contents(limit: 64 << 20)) : LayoutIndex()
        state.withLock { $0.index = index }
        return index
    }

    func file(of digest: Digest) -> FilePath { blobs.appending(digest.hex) }

    /// Notes a blob whose bytes were hashed on their way in.
    func noteVerified(_ digest: Digest) { state.withLock { _ = $0.verified.insert(digest) } }

    /// Whether a blob is there with its bytes: no registry watches over a folder, so it is hashed, once a run.
    func has(_ digest: Digest, size: Int64) throws -> Bool {
        let path = file(of: digest)
        guard let status = try path.statusIfPresent(), status.isRegular, status.size == UInt64(size) else {
            return false
        }
        if state.withLock({ $0.verified.contains(digest) }) { return true }
        let file = try OpenFile.reading(path)
        guard try Digest(of: file, size: status.size) == digest else { return false }
        noteVerified(digest)
        return true
    }
}

/// A layout folder as one thread sees it.
private final class LayoutSession: TargetSession {
    private let target: LayoutTarget
    private let buffer = Buffer(capacity: 1 << 20)

    /// Tells its staged files from those of others: two repositories may need one manifest at the same time.
    private let number: Int

    init(_ target: LayoutTarget, number: Int) { (self.target, self.number) = (target, number) }

    func ping() {}

    func manifestDigest(_ place: Place) throws -> Digest? {
        guard place.isDigest else {
            return try target.index().digest(named: place.description)
        }
        guard case .present(let bytes, _) = try manifest(place) else { return nil }
        return Digest(of: bytes)
    }

    func traits(_ question: TraitsQuestion) -> TargetTraits {
        var traits = TargetTraits()
        traits.freesItself = true
        return traits
    }

    func manifest(_ place: Place) throws -> FoundManifest {
        let named = place.isDigest ? nil : try target.index().digest(named: place.description)
        guard let digest = named ?? (try? Digest(parsing: place.reference)) else { return .missing }
        let path = target.file(of: digest)
        guard try path.exists() else { return .missing }
        let bytes = try path.contents(limit: Manifest.maximumSize)
        guard Digest(of: bytes) == digest else { return .missing }
        return .present(
            bytes: bytes, mediaType: try target.index().mediaType(of: digest) ?? Manifest.mediaType(of: bytes))
    }

    func has(_ blob: LoadPlan.BlobStep) throws -> Bool { try target.has(blob.digest, size: blob.size) }

    // What is in a folder was hashed already where `has` said so.
    func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool { try has(blob) }

    func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome {
        guard try !has(blob) else { return .present }
        var body = try body(0)
        try store(blob.digest, size: UInt64(blob.size), &body)
        return .uploaded
    }

    func put(_ manifest: Manifest, _ descriptor: Descriptor, at place: Place) throws -> Bool {
        if try !target.has(descriptor.digest, size: descriptor.size) {
            var body: any BlobBody = BytesBody([UInt8](manifest.bytes)[...])
            try store(descriptor.digest, size: UInt64(descriptor.size), &body)
        }
        return manifest.subject == nil
    }

    func remove(_ place: Place) throws { try target.change { $0.remove(named: place.description) } }

    func tags(of repository: String) throws -> [String]? { try target.index().tags(of: repository) }

    // A folder's list of referrers is its index (image-spec 1.1, "Image Layout").
    func referrers(of subject: Digest, in repository: String, wanted: Set<Digest>) throws -> Set<Digest> {
        Set(try target.index().digests)
    }

    func list(_ referrer: Manifest, _ descriptor: Descriptor, about subject: Digest, in repository: String) throws {
        try target.change { $0.set(nil, to: descriptor) }
    }

    /// Writes a blob beside its place, syncs it and renames it there.
    private func store(_ digest: Digest, size: UInt64, _ body: inout any BlobBody) throws {
        let staged = target.blobs.appending(".\(digest.hex).\(number).partial")
        do {
            let file = try OpenFile.writing(staged)
            try file.truncate(to: 0)
            file.reserve(from: 0, length: size)
            let hasher = Hasher()
            var offset: UInt64 = 0
            while case let count = try unsafe buffer.withMemory({ try unsafe body.read(into: $0) }), count > 0 {
                try Interruption.check()
                buffer.count = count
                try buffer.withBytes { bytes in
                    hasher.update(bytes)
                    try file.write(bytes, at: offset)
                }
                offset += UInt64(count)
            }
            guard offset == size, Digest(hashed: hasher.finish()) == digest else {
                throw LoadError.otherBytes(staged.string, expected: digest)
            }
            try file.syncData()
        } catch {
            try staged.removeFile()
            throw error
        }
        try staged.rename(to: target.file(of: digest))
        try target.blobs.syncDirectory()
        target.noteVerified(digest)
    }
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
