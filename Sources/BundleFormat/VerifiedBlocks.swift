// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage

/// Reads blocks of volumes and gives out only bytes whose block has its signed SHA-256. One thread.
///
/// It keeps the run of blocks it gave last: frames touch, so the block at a border is read and hashed once.
final class VerifiedBlocks {
    /// Bytes that are read and hashed at a time: they are still in the processor's cache when they are hashed.
    static let pieceSize = 256 << 10

    private let bundle: VerifiedBundle
    private let files: VolumeFiles
    private let hasher = Hasher()
    private var buffer: Buffer
    private var volume = -1
    private var blocks = 0..<0

    /// `capacity`: the bytes of the largest run, in whole blocks; memory is used as far as runs go.
    init(_ bundle: VerifiedBundle, _ files: VolumeFiles, capacity: Int) {
        (self.bundle, self.files) = (bundle, files)
        buffer = Buffer(capacity: capacity)
    }

    /// Bytes of a volume file as a range of a buffer that nobody changes as long as someone holds it.
    func bytes(of volume: Int, _ range: Range<UInt64>) throws -> (buffer: Buffer, range: Range<Int>) {
        let size = UInt64(blockSize)
        let wanted = Int(range.lowerBound / size)..<Int((range.upperBound + size - 1) / size)
        try load(wanted, of: volume)
        let start = Int(range.lowerBound - UInt64(blocks.lowerBound) * size)
        return (buffer, start..<start + range.count)
    }

    /// One block as a range of a buffer that nobody changes as long as someone holds it.
    func block(_ block: Int, of volume: Int) throws -> (buffer: Buffer, range: Range<Int>) {
        try bytes(of: volume, bundle.index.volumes[volume].bytes(ofBlock: block))
    }

    private func load(_ wanted: Range<Int>, of volume: Int) throws {
        precondition(wanted.count * blockSize <= buffer.capacity)
        guard volume != self.volume || !blocks.contains(wanted) else { return }
        let kept = volume == self.volume ? blocks.clamped(to: wanted) : 0..<0
        let from = (kept.lowerBound - blocks.lowerBound) * blockSize
        let isPrefix = !kept.isEmpty && kept.lowerBound == wanted.lowerBound
        (self.volume, blocks) = (volume, wanted.lowerBound..<wanted.lowerBound)
        makeRoom(keeping: isPrefix ? from..<from + kept.count * blockSize : 0..<0)
        if isPrefix { blocks = kept }
        for block in blocks.upperBound..<wanted.upperBound {
            try read(block, of: volume, at: (block - wanted.lowerBound) * blockSize)
            blocks = wanted.lowerBound..<block + 1
        }
    }

    /// Moves what is kept to the front. Whoever still holds the buffer goes on reading it; new blocks then get memory
    /// of their own.
    private func makeRoom(keeping kept: Range<Int>) {
        if isKnownUniquelyReferenced(&buffer) {
            unsafe buffer.withMemory { memory in
                unsafe memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[kept]))
            }
        } else {
            let fresh = Buffer(capacity: buffer.capacity)
            buffer.withBytes(kept) { fresh.write($0, at: 0) }
            buffer = fresh
        }
    }

    /// Reads one block from the first place that has it right: the media, then what else may have it.
    private func read(_ block: Int, of number: Int, at start: Int) throws {
        let digest = bundle.index.blockDigest(volume: number, block: block)
        let places = bundle.volumes[number]
        var fault: (any Error)? = places.unusable
        for medium in places.all.indices where places.reaches(block, on: medium) {
            do {
                return try files.withFile(number, medium: medium) { file in
                    try file.readBlock(block, of: places.volume, digest, into: buffer, at: start, hasher)
                }
            } catch let error as BundleError {
                fault = error
            } catch let error as FileError {
                fault = error  // pulled, perhaps: another medium may have it
            }
        }
        let length = places.volume.bytes(ofBlock: block).count
        for source in bundle.blockSources where source.has(block, of: number) {
            guard try source.read(block, of: number, into: buffer, at: start) else { continue }
            buffer.count = start + length
            buffer.withBytes(start..<start + length) { hasher.update($0) }
            if Digest(hashed: hasher.finish()) == digest { return }
            let path = FilePath("\(source.name): \(places.name)")
            fault = fault ?? BundleError.blockDamaged(path, block: block, bytes: places.volume.bytes(ofBlock: block))
        }
        throw fault ?? BundleError.volumeMissing(places.volume.name)
    }
}

extension OpenFile {
    /// Fills `buffer` from `start` on with a block and compares its SHA-256; throws `BundleError.blockDamaged`, also
    /// where the medium can't read it, and `FileError` for other reasons.
    fileprivate func readBlock(
        _ block: Int, of volume: Volume, _ digest: Digest, into buffer: Buffer, at start: Int, _ hasher: Hasher
    ) throws {
        let range = volume.bytes(ofBlock: block)
        do throws(FileError) {
            var done = 0
            while done < range.count {
                let length = min(range.count - done, VerifiedBlocks.pieceSize)
                try read(into: buffer, from: start + done, at: range.lowerBound + UInt64(done), length: length)
                guard buffer.count == start + done + length else { break }
                buffer.withBytes(start + done..<buffer.count) { hasher.update($0) }
                done += length
            }
            let hash = hasher.finish()
            if done == range.count, Digest(hashed: hash) == digest { return }
        } catch  where error.errno != .ioError {
            _ = hasher.finish()
            throw error
        } catch {
            _ = hasher.finish()
        }
        throw BundleError.blockDamaged(path, block: block, bytes: range)
    }
}

extension Volume {
    /// The bytes of the file that a block covers.
    package func bytes(ofBlock block: Int) -> Range<UInt64> {
        let start = UInt64(block) * UInt64(blockSize)
        return start..<min(start + UInt64(blockSize), length)
    }
}

/// The volume files that a reader has open: a few, as a bundle may have more than a process may open.
final class VolumeFiles {
    private static let limit = 16
    private let bundle: VerifiedBundle
    private var open: [Key: Holder] = [:]

    private struct Key: Hashable {
        let volume: Int
        let medium: Int
    }

    private final class Holder {
        let file: OpenFile
        init(_ file: consuming OpenFile) { self.file = file }
    }

    init(_ bundle: VerifiedBundle) { self.bundle = bundle }

    /// Lends the file of a volume on one of the media that have it.
    func withFile<Value>(_ volume: Int, medium: Int, _ body: (borrowing OpenFile) throws -> Value) throws -> Value {
        let key = Key(volume: volume, medium: medium)
        if let holder = open[key] { return try body(holder.file) }
        if open.count >= VolumeFiles.limit { open = [:] }
        let places = bundle.volumes[volume]
        let holder = Holder(try places.all[medium].open(places.name))
        open[key] = holder
        return try body(holder.file)
    }
}
