// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import RegistryClient
internal import Synchronization

/// Sends blobs and manifests for one thread.
final class Sender {
    private let load: Load
    private let session: any TargetSession
    private let reader: ObjectReader
    /// Whether the target computes the digests of what it stores.
    private let leavesProof: Bool
    /// Bytes up to which a blob may go with a single `POST`, whose answer on Zot names no digest.
    private static let smallBlob: Int64 = 1 << 20

    init(_ load: Load, leavesProof: Bool = false) throws {
        (self.load, self.leavesProof) = (load, leavesProof)
        session = try load.target.session()
        reader = load.bundle.reader(externals: load.sources?.source())
    }

    /// Sends a blob, unless the target has it. Its bytes go from verified blocks to the target a piece at a time.
    /// `name`: the reference that it is sent for.
    /// `share`: a reading of the same object that other loads have part in.
    func send(_ blob: LoadPlan.BlobStep, for name: String? = nil, _ share: ReadingShare? = nil) throws {
        if blob.presence == .implied, try session.has(blob) { return load.tally.note { $0.skipped.add(blob.size) } }
        let count = SentBytes(load.progress, label: "sending \(name ?? blob.repository)")
        let outcome: UploadOutcome
        do {
            outcome = try retryingOtherPlaces { try proven(blob, count, share) }
        } catch {
            count.restart(at: 0)
            throw error
        }
        let place = Place(blob.repository, blob.digest)
        switch outcome {
        case .present:
            // it counts neither as done nor as to be done: rate and time left are those of what is sent
            if blob.mayBeSent { load.progress.total.wrappingSubtract(UInt64(blob.size), ordering: .relaxed) }
            load.tally.note { $0.skipped.add(blob.size) }
        case .mounted: load.tally.note { $0.addMounted(place, blob.size) }
        case .uploaded: load.tally.note { $0.addPushed(place, blob.size) }
        }
    }

    /// Asks whether the target has a blob; on Zot that links it.
    func finds(_ blob: LoadPlan.BlobStep) throws -> Bool { try session.has(blob) }

    /// Sends a blob of which someone compares the digest before it counts: we, or the target where it is known to. Where
    /// that says it differs, or doesn't name what it stored, we compare too.
    private func proven(
        _ blob: LoadPlan.BlobStep, _ count: SentBytes, _ share: ReadingShare?
    ) throws -> UploadOutcome {
        let isOutside = try !load.bundle.externalNumbers(for: [blob.digest]).isEmpty
        // What several get is hashed as it is read, once for all.
        let isLeft =
            share == nil && leavesProof && !isOutside && blob.size > Sender.smallBlob && session.namesDigests != false
        do {
            let outcome = try session.send(blob) { offset in
                count.restart(at: offset)
                if offset == 0, let share, share.join() {
                    return SharedBody(share: share, count: count) { [reader] in try reader.stream(blob.digest) }
                }
                let stream = try reader.stream(blob.digest, proof: isLeft ? .receiver : .stream)
                return ObjectBody(stream: stream, skip: offset, count: count)
            }
            if isLeft, outcome == .uploaded, session.namesDigests != true { try reader.compare(blob.digest) }
            return outcome
        } catch let error as RegistryError where isLeft && error.saysOtherBytes {
            try reader.compare(blob.digest)
            throw error
        }
    }

    /// Sends a manifest under its digest, or under a staging tag; once more after sending what a registry says is missing below
    /// it. Everything that it names was sent, mounted or asked for before.
    func put(_ descriptor: Descriptor, in repository: String, tag: String? = nil) throws {
        guard let manifest = load.content.manifests[descriptor.digest] else {
            throw LoadError.absentContent(reference: repository, digest: descriptor.digest)
        }
        let place = tag.map { Place(repository, $0) } ?? Place(repository, descriptor.digest)
        let isListed: Bool
        do {
            isListed = try session.put(manifest, descriptor, at: place)
        } catch let error as RegistryError where error.mayLackReferences {
            try sendReferences(of: descriptor, in: repository)
            isListed = try session.put(manifest, descriptor, at: place)
        }
        load.progress.add(Int(descriptor.size))
        load.tally.note { $0.addManifest(Place(repository, descriptor.digest)) }
        guard let subject = manifest.subject, !isListed else { return }
        load.tally.note { $0.unlisted.append(Referrer(repository, subject.digest, descriptor)) }
    }

    /// Puts a staging manifest, and the empty configuration that it names.
    func hold(_ manifest: Manifest, _ descriptor: Descriptor, at tag: Place) throws {
        let empty = LoadPlan.BlobStep(
            repository: tag.repository, digest: Staging.emptyConfiguration.digest, size: 2, mountFrom: nil)
        _ = try session.send(empty) { offset in BytesBody(Array("{}".utf8).dropFirst(Int(offset))) }
        _ = try session.put(manifest, descriptor, at: tag)
    }

    /// A registry may have collected blobs meanwhile: each is asked for, and sent where it is gone.
    func sendReferences(of descriptor: Descriptor, in repository: String) throws {
        for blob in load.content.blobs(of: descriptor.digest) {
            try send(LoadPlan.BlobStep(repository: repository, digest: blob.digest, size: blob.size, mountFrom: nil))
        }
        for child in load.content.children(of: descriptor.digest)
        where try session.manifestDigest(Place(repository, child.digest)) == nil {
            try put(child, in: repository)
        }
    }
}

/// Does it again where a place outside of the bundle gave other bytes, as long as there are others: that place is not asked
/// again.
func retryingOtherPlaces<Value>(_ body: () throws -> Value) throws -> Value {
    var first: BundleError?
    while true {
        do {
            return try body()
        } catch BundleError.externalDiffers(let digest, let places) {
            first = first ?? .externalDiffers(digest, places: places)
        } catch let error as BundleError {
            guard case .externalMissing = error, let first else { throw error }
            throw first
        }
    }
}

/// A manifest with a subject, in a repository.
struct Referrer: Hashable, Sendable {
    let repository: String
    let subject: Digest
    let descriptor: Descriptor

    init(_ repository: String, _ subject: Digest, _ descriptor: Descriptor) {
        (self.repository, self.subject, self.descriptor) = (repository, subject, descriptor)
    }
}

/// Counts what is sent of one blob; a repetition takes the first attempt's bytes back.
private final class SentBytes {
    private let progress: Progress
    private let label: String
    private var sent = 0

    init(_ progress: Progress, label: String) { (self.progress, self.label) = (progress, label) }

    func add(_ count: Int) {
        progress.label = label
        sent += count
        progress.add(count)
    }

    /// What was sent before `offset` stays sent.
    func restart(at offset: Int64) {
        let change = Int(offset) - sent
        if change >= 0 {
            progress.add(change)
        } else {
            progress.done.wrappingSubtract(UInt64(-change), ordering: .relaxed)
        }
        sent = Int(offset)
    }
}

/// An object of the bundle as an upload's body, from an offset on: what is before is read and checked, and not sent.
private struct ObjectBody: BlobBody {
    let stream: ObjectStream
    var skip: Int64
    let count: SentBytes

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while skip > 0 {
            try Interruption.check()
            let wanted = Int(min(skip, Int64(buffer.count)))
            let read = try unsafe stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard read > 0 else { return 0 }
            skip -= Int64(read)
        }
        let read = try unsafe stream.read(into: buffer)
        count.add(read)
        return read
    }
}

/// An object that several uploads read together, as one upload's body. Who has to go on alone reads it again.
private struct SharedBody: BlobBody {
    let share: ReadingShare
    let count: SentBytes
    let open: () throws -> ObjectStream
    private var position: Int64 = 0
    private var alone: ObjectBody?

    init(share: ReadingShare, count: SentBytes, open: @escaping () throws -> ObjectStream) {
        (self.share, self.count, self.open) = (share, count, open)
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if alone == nil {
            if let read = try unsafe share.reading.read(share.member, into: buffer) {
                position += Int64(read)
                count.add(read)
                return read
            }
            alone = ObjectBody(stream: try open(), skip: position, count: count)
        }
        return try unsafe alone?.read(into: buffer) ?? 0
    }
}

/// Bytes in memory as a body.
struct BytesBody: BlobBody {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, rest.count)
        unsafe buffer.copyBytes(from: rest.prefix(count))
        rest = rest.dropFirst(count)
        return count
    }
}
