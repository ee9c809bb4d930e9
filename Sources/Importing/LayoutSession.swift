// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import RegistryClient
internal import SystemPackage

/// Folders that are OCI image layouts, as the threads of a load use them: one for all repositories, or one for each.
protocol LayoutStorage: AnyObject, Sendable {
    var blobs: LayoutBlobs { get }
    /// What stands before the tag in a name of a repository's index: image-spec 1.1 leaves names to whoever writes.
    func namePrefix(of repository: String) -> String
    /// The index that lists a repository's manifests; `nil` where the repository isn't there.
    func index(of repository: String) throws -> LayoutIndex?
    /// Where a blob of a repository stands.
    func file(of digest: Digest, in repository: String) throws -> FilePath
    /// Whether a manifest whose bytes are there counts as there.
    func shows(_ manifest: Digest, in repository: String) throws -> Bool
    /// Gives a repository the blob of another one without writing it again; `false` where that can't be.
    func share(_ blob: LoadPlan.BlobStep) throws -> Bool
    /// A name for a file that is being written, on the same file system as the blob's place and not seen there by anybody.
    func stagingFile(for digest: Digest, _ session: Int) throws -> FilePath
    /// Puts a written blob into its place.
    func publish(_ staged: FilePath, as digest: Digest, in repository: String) throws
    /// A manifest was put under a tag or its digest.
    func note(_ descriptor: Descriptor, at place: Place) throws
    /// Takes a tag or a manifest away.
    func remove(_ place: Place) throws
    /// Lists a manifest, which is about another, among those of its repository.
    func list(_ referrer: Descriptor, in repository: String) throws
    /// How the target behaves. Throws where it must not be written.
    func traits() throws -> TargetTraits
}

/// A layout, or a folder of them, as one thread sees it.
final class LayoutSession: TargetSession {
    private let storage: any LayoutStorage
    private let buffer = Buffer(capacity: 1 << 20)

    /// Tells its staged files from those of others: two repositories may need one manifest at the same time.
    private let number: Int

    init(_ storage: any LayoutStorage, number: Int) { (self.storage, self.number) = (storage, number) }

    func ping() {}

    func traits(_ question: TraitsQuestion) throws -> TargetTraits { try storage.traits() }

    func manifestDigest(_ place: Place) throws -> Digest? {
        guard place.isDigest else { return try named(place) }
        guard case .present(let bytes, _) = try manifest(place) else { return nil }
        return Digest(of: bytes)
    }

    private func named(_ place: Place) throws -> Digest? {
        try storage.index(of: place.repository)?.digest(
            named: storage.namePrefix(of: place.repository) + place.reference)
    }

    func manifest(_ place: Place) throws -> FoundManifest {
        guard let index = try storage.index(of: place.repository) else { return .unknownRepository }
        let name = storage.namePrefix(of: place.repository) + place.reference
        let found = place.isDigest ? try? Digest(parsing: place.reference) : index.digest(named: name)
        guard let digest = found, try storage.shows(digest, in: place.repository) else { return .missing }
        let path = try storage.file(of: digest, in: place.repository)
        guard let status = try path.statusIfPresent(), status.isRegular, status.size <= UInt64(Manifest.maximumSize)
        else { return .missing }
        let bytes = try path.contents(limit: Manifest.maximumSize)
        guard Digest(of: bytes) == digest else { return .missing }
        return .present(bytes: bytes, mediaType: index.mediaType(of: digest) ?? Manifest.mediaType(of: bytes))
    }

    func has(_ blob: LoadPlan.BlobStep) throws -> Bool {
        try storage.blobs.holds(storage.file(of: blob.digest, in: blob.repository), blob.digest, size: blob.size)
    }

    // What is in a folder was hashed already where `has` said so.
    func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool { try has(blob) }

    @unsafe func read(
        _ digest: Digest, in repository: String, at offset: UInt64, into memory: UnsafeMutableRawBufferPointer
    ) throws -> BlobPiece {
        let path = try storage.file(of: digest, in: repository)
        guard let status = try path.statusIfPresent(), status.isRegular else { return .missing }
        try OpenFile.reading(path).read(into: buffer, at: offset, length: min(memory.count, buffer.capacity))
        buffer.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe memory.copyMemory(from: $0) } }
        return .part(count: buffer.count, size: status.size)
    }

    func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome {
        guard try !has(blob) else { return .present }
        if try storage.share(blob) { return .mounted }
        var body = try body(0)
        try store(blob.digest, size: blob.size, &body, in: blob.repository)
        return .uploaded
    }

    func put(_ manifest: Manifest, _ descriptor: Descriptor, at place: Place) throws -> Bool {
        try store(manifest, descriptor, in: place.repository)
        try storage.note(descriptor, at: place)
        return manifest.subject == nil
    }

    /// Writes a manifest as a blob, unless it is there.
    func store(_ manifest: Manifest, _ descriptor: Descriptor, in repository: String) throws {
        let step = LoadPlan.BlobStep(
            repository: repository, digest: descriptor.digest, size: descriptor.size, mountFrom: nil)
        if try has(step) || storage.share(step) { return }
        var body: any BlobBody = BytesBody([UInt8](manifest.bytes)[...])
        try store(descriptor.digest, size: descriptor.size, &body, in: repository)
    }

    func remove(_ place: Place) throws { try storage.remove(place) }

    func tags(of repository: String) throws -> [String]? {
        try storage.index(of: repository)?.tags(after: storage.namePrefix(of: repository))
    }

    // A folder's list of referrers is its index (image-spec 1.1, "Image Layout").
    func referrers(of subject: Digest, in repository: String, wanted: Set<Digest>) throws -> Set<Digest> {
        Set(try storage.index(of: repository)?.digests ?? [])
    }

    func list(_ referrer: Manifest, _ descriptor: Descriptor, about subject: Digest, in repository: String) throws {
        try storage.list(descriptor, in: repository)
    }

    /// Writes a blob beside its place, syncs it and renames it there.
    private func store(_ digest: Digest, size: Int64, _ body: inout any BlobBody, in repository: String) throws {
        let staged = try storage.stagingFile(for: digest, number)
        try storage.blobs.write(digest, size: UInt64(size), &body, to: staged, buffer)
        try storage.publish(staged, as: digest, in: repository)
    }
}
