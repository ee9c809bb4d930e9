// SPDX-License-Identifier: Apache-2.0

internal import Cage
internal import Compression
internal import Files
package import OCI

/// Reads objects out of verified blocks. One thread at a time; about 16 MiB, whatever the objects' size.
package final class ObjectReader {
    let bundle: VerifiedBundle
    private let externals: ExternalReader?
    /// Of archive volumes: a frame's stored bytes must lie in one piece. They are at most 8 MiB (`IndexChecks`), little
    /// more than 4 as `pack` writes them.
    private let stored: VerifiedBlocks
    /// Of plain volumes: block by block.
    private let plain: VerifiedBlocks
    private let decoder: LaneDecoder
    /// The frames decoded last; an object's pieces often go to and fro between two.
    private var decoded: [(frame: Int, buffer: Buffer)] = []
    private static let decodedFrames = 2
    /// No frame that several members share decodes to more (docs/format.md, "Archive volume").
    private static let sharedFrameLength: UInt32 = 5 << 19

    /// `source`: where bytes come from that the bundle leaves out.
    init(_ bundle: VerifiedBundle, _ source: (any ExternalSource)?) {
        self.bundle = bundle
        externals = source.map { ExternalReader(bundle, $0) }
        decoder = bundle.decoders.decoder()
        let files = VolumeFiles(bundle)
        stored = VerifiedBlocks(bundle, files, capacity: 2 * maximumFrameLength + 2 * blockSize)
        plain = VerifiedBlocks(bundle, files, capacity: blockSize)
    }

    /// Begins reading an object at its first byte.
    ///
    /// `proof`: who compares its digest; of an object with bytes from outside of the bundle it is always the stream.
    /// Throws `BundleError.objectUnknown` (13), and 3 when no medium has a volume that it needs (`.volumeMissing`) or it has
    /// bytes that the bundle leaves out and this reader has no source for (`.externalMissing`).
    package func stream(_ digest: Digest, proof: ObjectProof = .stream) throws(BundleError) -> ObjectStream {
        guard let object = bundle.index.object(digest) else { throw .objectUnknown(digest) }
        if let missing = try bundle.missingVolumes(for: [digest]).first { throw .volumeMissing(missing.name) }
        let leftOut = try bundle.externalNumbers(for: [digest])
        if let first = leftOut.first, externals == nil { throw absent(first) }
        let runs = RunCursor(object, bundle.index, bundle.frames)
        return ObjectStream(object, runs: runs, reader: self, proof: leftOut.isEmpty ? proof : .stream)
    }

    /// Whether there is a source for what the bundle leaves out.
    var hasExternals: Bool { externals != nil }

    func absent(_ chunk: Int) -> BundleError { bundle.absent(chunk) }

    /// What reads the chunk of a run that the bundle leaves out.
    func externals(for run: ExternalRun) throws(BundleError) -> ExternalReader {
        guard let externals else { throw absent(run.chunk) }
        return externals
    }

    /// Reads an object for its proof alone. Throws as its stream, `BundleError.objectDiffers` (13) among it.
    package func compare(_ digest: Digest) throws {
        let stream = try stream(digest)
        while let _ = try stream.withNext({ _ in }) {}
    }

    /// A whole object. Throws as `stream`, and `BundleError.objectTooLarge` before anything is read.
    package func bytes(of digest: Digest, limit: Int) throws -> [UInt8] {
        let stream = try stream(digest)
        guard stream.size <= UInt64(limit) else {
            throw BundleError.objectTooLarge(digest, size: stream.size, limit: limit)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(stream.size))
        while let _ = try stream.withNext({ piece in
            unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }) {}
        return bytes
    }

    /// The first bytes of a run, as many as one block or frame holds, in memory that stays as it is while it is held.
    func bytes(of run: Run) throws -> (buffer: Buffer, range: Range<Int>) {
        if bundle.index.volumes[run.volume].kind == .plain {
            let blockEnd = (run.position / UInt64(blockSize) + 1) * UInt64(blockSize)
            return try plain.bytes(of: run.volume, run.position..<min(run.position + run.length, blockEnd))
        }
        let number = bundle.frames.frame(of: run.volume, at: run.position)
        if let piece = try rawPiece(of: run, in: number) { return piece }
        let buffer = try decodedFrame(number)
        let start = Int(run.position - bundle.frames.start(of: number))
        return (buffer, start..<start + Int(min(run.length, UInt64(buffer.count - start))))
    }

    /// The bytes of a large frame of raw blocks where they were read and verified, without a copy. Small frames, which many
    /// objects share, are decoded and kept.
    private func rawPiece(of run: Run, in number: Int) throws -> (buffer: Buffer, range: Range<Int>)? {
        let frame = bundle.index.frame(number)
        guard frame.rawLength > ObjectReader.sharedFrameLength, decoded.allSatisfy({ $0.frame != number }) else {
            return nil
        }
        let end = frame.offset + UInt64(frame.storedLength)
        let (source, range) = try stored.bytes(of: Int(frame.volume), frame.offset..<end)
        let position = Int(run.position - bundle.frames.start(of: number))
        let found = source.withBytes(range) { RawFrame.range(of: position, in: $0, length: Int(frame.rawLength)) }
        guard let found else { return nil }
        let start = range.lowerBound + found.lowerBound
        return (source, start..<start + Int(min(run.length, UInt64(found.count))))
    }

    private func decodedFrame(_ number: Int) throws -> Buffer {
        if let known = decoded.firstIndex(where: { $0.frame == number }) {
            let entry = decoded.remove(at: known)
            decoded.append(entry)
            return entry.buffer
        }
        let frame = bundle.index.frame(number)
        let end = frame.offset + UInt64(frame.storedLength)
        let (source, range) = try stored.bytes(of: Int(frame.volume), frame.offset..<end)
        let target = freeBuffer()
        do throws(DecodeError) {
            try decode(source, range, into: target, length: Int(frame.rawLength))
        } catch {
            throw error.blaming(frame, of: bundle.index.volumes[Int(frame.volume)].name)
        }
        decoded.append((number, target))
        return target
    }

    private func decode(
        _ source: Buffer, _ range: Range<Int>, into target: Buffer, length: Int
    ) throws(DecodeError) {
        let failure: DecodeError? = source.withBytes(range) { frame in
            unsafe target.withMemory { memory in
                do throws(DecodeError) {
                    try unsafe decoder.decode(frame, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<length]))
                    return nil
                } catch {
                    return error
                }
            }
        }
        if let failure { throw failure }
        target.count = length
    }

    /// The memory of the frame that was used longest ago, or fresh memory while a stream still reads that.
    private func freeBuffer() -> Buffer {
        guard decoded.count >= ObjectReader.decodedFrames else { return Buffer(capacity: maximumFrameLength) }
        var oldest = decoded.removeFirst().buffer
        return isKnownUniquelyReferenced(&oldest) ? oldest : Buffer(capacity: maximumFrameLength)
    }
}

extension DecodeError {
    /// The error that names the frame where it is at fault; else the cage's own.
    fileprivate func blaming(_ frame: Frame, of volume: String) -> any Error {
        switch self {
        case .frame(let error): BundleError.frameDamaged(volume: volume, offset: frame.offset, "\(error)")
        case .cage(let error) where error.blamesFrame:
            BundleError.frameDamaged(volume: volume, offset: frame.offset, "\(error)")
        case .cage(let error): error
        }
    }
}
