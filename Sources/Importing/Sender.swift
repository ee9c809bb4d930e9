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

    init(_ load: Load) throws {
        self.load = load
        session = try load.target.session()
        reader = load.bundle.reader()
    }

    /// Sends a blob, unless the target has it. Its bytes go from verified blocks to the target a piece at a time.
    /// `name`: the reference that it is sent for.
    func send(_ blob: LoadPlan.BlobStep, for name: String? = nil) throws {
        guard try !session.has(blob) else {
            // it counts neither as done nor as to be done: rate and time left are those of what is sent
            if blob.mountFrom == nil { load.progress.total.wrappingSubtract(UInt64(blob.size), ordering: .relaxed) }
            return load.tally.note { $0.skipped.add(blob.size) }
        }
        let count = SentBytes(load.progress, label: "sending \(name ?? blob.repository)")
        let outcome: UploadOutcome
        do {
            outcome = try session.send(blob) { offset in
                let stream = try reader.stream(blob.digest)
                try stream.skip(to: UInt64(offset))
                count.restart(at: Int(offset))
                return ObjectBody(stream: stream, count: count)
            }
        } catch {
            count.restart()
            throw error
        }
        load.tally.note {
            switch outcome {
            case .mounted: $0.mounted.add(blob.size)
            case .uploaded: $0.pushed.add(blob.size)
            case .present: $0.skipped.add(blob.size)
            }
        }
    }

    /// Sends a manifest; once more after sending what a registry says is missing below it.
    func put(_ descriptor: Descriptor, in repository: String) throws {
        guard let manifest = load.content.manifests[descriptor.digest] else {
            throw LoadError.absentContent(reference: repository, digest: descriptor.digest)
        }
        do {
            try session.put(manifest, descriptor, in: repository)
        } catch let error as RegistryError where error.mayLackReferences {
            try sendReferences(of: descriptor, in: repository)
            try session.put(manifest, descriptor, in: repository)
        }
        load.progress.add(Int(descriptor.size))
        load.tally.note { $0.manifestsSent += 1 }
    }

    private func sendReferences(of descriptor: Descriptor, in repository: String) throws {
        for blob in load.content.blobs(of: descriptor.digest) {
            try send(
                LoadPlan.BlobStep(repository: repository, digest: blob.digest, size: blob.size, mountFrom: nil))
        }
        for child in load.content.children(of: descriptor.digest)
        where try session.manifestDigest(Place(repository, child.digest)) == nil {
            try put(child, in: repository)
        }
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

    /// `offset`: bytes that the target has.
    func restart(at offset: Int = 0) {
        progress.done.wrappingSubtract(UInt64(sent), ordering: .relaxed)
        sent = 0
        add(offset)
    }
}

/// An object of the bundle as an upload's body.
private struct ObjectBody: BlobBody {
    let stream: ObjectStream
    let count: SentBytes

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let read = try unsafe stream.read(into: buffer)
        count.add(read)
        return read
    }
}

extension ObjectStream {
    /// Reads on to `offset` without giving the bytes out; they are part of the check at the end.
    fileprivate func skip(to offset: UInt64) throws {
        guard offset > 0 else { return }
        let buffer = Buffer(capacity: 1 << 20)
        while position < offset {
            let count = Int(min(offset - position, 1 << 20))
            let read = try unsafe buffer.withMemory { memory throws -> Int in
                try unsafe self.read(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
            }
            guard read > 0 else { return }
        }
    }
}
