// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Splitting
internal import SystemPackage

/// Reads a finished image back, past the page cache where possible, and compares each file in it with what was signed: block by
/// block for volumes. The image's folders are read by a reader of our own, not by the program that wrote it.
struct ImageCheck {
    private let source: CopySource
    private let disc: DiscImages.Disc
    private let image: FilePath
    private let buffer = Buffer(capacity: blockSize + Buffer.alignment)

    init(_ source: CopySource, _ disc: DiscImages.Disc, _ image: FilePath) {
        (self.source, self.disc, self.image) = (source, disc, image)
    }

    /// Checks all; returns the image's SHA-256. Throws `CopyError.sourceDamaged` for a file that isn't what was signed.
    func run(_ progress: Progress) throws -> Digest {
        try OpenFile.writing(image).syncData()
        let file = try MediumFile(image)
        file.forgetCache()
        let extents = try extents()
        for common in source.common where common.length > 0 {
            let extent = extents["/\(source.name)/\(common.name)"]
            guard let extent, extent.length == common.length, try digest(of: extent, file) == common.digest else {
                throw CopyError.sourceDamaged(common.name)
            }
        }
        for item in disc.items where item.length > 0 {
            guard let extent = extents["/\(source.name)/\(item.name)"], extent.length == item.length else {
                throw CopyError.sourceDamaged(item.name)
            }
            guard let volume = item.volume else { continue }  // nothing is signed of parity
            for block in 0..<item.blockCount {
                try Interruption.check()
                let range = item.bytes(ofBlock: block)
                let isRead = try read(range, of: extent, file)
                let digest = buffer.withBytes { Digest(of: $0) }
                guard isRead, digest == source.bundle.index.blockDigest(volume: volume, block: block) else {
                    throw CopyError.sourceDamaged(item.name)
                }
                progress.add(range.count)
            }
        }
        return try digest()
    }

    /// Whether the image holds this very release.
    func isOfThisSet() throws -> Bool {
        let file = try MediumFile(image)
        guard let extent = try extents()["/\(source.name)/release.json"] else { return false }
        return try digest(of: extent, file) == source.release
    }

    /// The SHA-256 of the whole image.
    func digest() throws -> Digest {
        let file = try OpenFile.reading(image)
        let hasher = Hasher()
        var offset: UInt64 = 0
        repeat {
            try Interruption.check()
            try file.read(into: buffer, at: offset, length: blockSize)
            buffer.withBytes { hasher.update($0) }
            offset += UInt64(buffer.count)
        } while buffer.count == blockSize
        return Digest(hashed: hasher.finish())
    }

    private func extents() throws -> [String: ISOExtent] {
        let file = try OpenFile.reading(image)
        let iso = try ISOImage(size: try file.status().size) { try file.bytes(at: $0, length: $1) }
        return Dictionary(iso.extents.map { ($0.path, $0) }) { first, _ in first }
    }

    private func digest(of extent: ISOExtent, _ file: MediumFile) throws -> Digest? {
        let hasher = Hasher()
        for start in stride(from: 0, to: extent.length, by: blockSize) {
            guard try read(start..<min(extent.length, start + UInt64(blockSize)), of: extent, file) else { return nil }
            buffer.withBytes { hasher.update($0) }
        }
        return Digest(hashed: hasher.finish())
    }

    /// Extents begin at multiples of 2048: the read begins at a multiple of the alignment, and what precedes goes.
    private func read(_ range: Range<UInt64>, of extent: ISOExtent, _ file: MediumFile) throws -> Bool {
        let start = extent.offset + range.lowerBound
        let before = start % UInt64(Buffer.alignment)
        guard try file.read(start - before..<start + UInt64(range.count), into: buffer) else { return false }
        guard before > 0 else { return true }
        let moved = Int(before)..<Int(before) + range.count
        unsafe buffer.withMemory { memory in
            unsafe memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[moved]))
        }
        buffer.count = range.count
        return true
    }
}
