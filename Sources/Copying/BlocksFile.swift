// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import Cryptography
internal import OCI
package import SystemPackage

/// Writes the blocks that a report asks for, with the bundle's small files (docs/format.md, "Blocks file").
package struct BlocksCopy: Sendable {
    /// So many that a file stays below 4 GiB.
    package static let blocksOfFile = 4095
    private static let magic = Array("DRAYBLK1".utf8)

    private let source: CopySource
    private let wanted: [(volume: Int, block: Int)]
    private let medium: Medium

    /// What came of it.
    package struct Result: Sendable {
        package let folder: FilePath
        package let blocks: Int
        package let files: [FilePath]
        /// Bytes written; what stood there and was right is not among them.
        package internal(set) var bytesWritten: UInt64
    }

    /// Throws `BlockReportError`, and `CopyError` and `FileError` before the first byte.
    package init(_ source: CopySource, _ report: BlockReport, to mount: FilePath, isFlat: Bool) throws {
        self.source = source
        let asked = try report.wanted(of: source.bundle.index, release: source.release)
        wanted = asked.flatMap { entry in entry.blocks.joined().map { (entry.volume, $0) } }
        guard !wanted.isEmpty else { throw CopyError.nothingAsked }
        let layout = MediumLayout(try mount.absolute(), bundle: source.name, isFlat: isFlat)
        medium = try Medium(1, layout, source)
        try medium.probe()
        try medium.checkLimits(source, [])
        let bin = medium.bin
        let need = fileRanges.reduce(UInt64(0)) { $0 + bin.cost(length($1.count)) }
        guard need <= bin.room else {
            throw CopyError.noRoom(
                NoRoom(
                    missing: need - bin.room, fitting: 0, fittingBytes: 0, all: fileRanges.count, mediaNeeded: 1,
                    mediumSize: need + medium.commonBytes))
        }
    }

    /// How many blocks are asked for.
    package var count: Int { wanted.count }

    private var fileRanges: [Range<Int>] {
        stride(from: 0, to: wanted.count, by: BlocksCopy.blocksOfFile).map { first in
            first..<min(first + BlocksCopy.blocksOfFile, wanted.count)
        }
    }

    private func headerLength(_ count: Int) -> UInt64 { (UInt64(80 + 8 * count) + 4095) / 4096 * 4096 }
    private func length(_ count: Int) -> UInt64 { headerLength(count) + UInt64(count) * UInt64(blockSize) }

    /// Writes and reads back. Throws `BundleError` where the source has a block wrong, `CopyError`, `FileError`, `Interrupted`.
    package func run(_ progress: Progress) throws -> Result {
        progress.begin(total: UInt64(wanted.count) * UInt64(blockSize))
        let layout = medium.layout
        try layout.folder.createDirectories()
        let small = try SmallCopy(layout).run(source.common)
        var result = Result(
            folder: layout.folder, blocks: wanted.count,
            files: fileRanges.indices.map { layout.path(of: BlocksCopy.name($0)) }, bytesWritten: small)
        for (number, range) in fileRanges.enumerated() {
            result.bytesWritten += try write(Array(wanted[range]), BlocksCopy.name(number), progress)
        }
        return result
    }

    private static func name(_ number: Int) -> String {
        let digits = String(number + 1)
        return "blocks/" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits + ".blocks"
    }

    private func header(_ blocks: [(volume: Int, block: Int)]) -> [UInt8] {
        var bytes = BlocksCopy.magic + source.release.bytes + (source.bundle.digests["index"]?.bytes ?? [])
        func add(_ value: Int) {
            for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
        }
        add(blocks.count)
        add(0)
        for entry in blocks {
            add(entry.volume)
            add(entry.block)
        }
        return bytes + [UInt8](repeating: 0, count: Int(headerLength(blocks.count)) - bytes.count)
    }

    private func write(_ blocks: [(volume: Int, block: Int)], _ name: String, _ progress: Progress) throws -> UInt64 {
        let layout = medium.layout
        let (path, staged) = (layout.path(of: name), layout.staged(name))
        let header = header(blocks)
        let slots = blocks.map { BlockSlot(source: source, volume: $0.volume, block: $0.block) }
        try path.removingLastComponent().createDirectories()
        if let status = try path.statusIfPresent(followingLinks: false) {
            let isOurs =
                try status.isRegular && status.size >= 8 && status.size <= length(BlocksCopy.blocksOfFile)
                && path.beginsWith(BlocksCopy.magic)
            guard isOurs else { throw CopyError.otherFile(path, "no blocks file") }
            try path.rename(to: staged)  // what is good in it stays
        }
        let file = try MediumFile(staged)
        file.reserve(length(blocks.count))
        try file.write(unsafe header.span.bytes, at: 0)
        var written = UInt64(header.count)
        let reader = BlockReader(source.bundle)
        let (slot, there) = (Buffer(capacity: blockSize), Buffer(capacity: blockSize))
        for (number, wanted) in slots.enumerated() {
            try Interruption.check()
            let start = UInt64(header.count) + UInt64(number) * UInt64(blockSize)
            let range = start..<start + UInt64(blockSize)
            try wanted.fill(slot, reader)
            let isThere = try file.size() >= range.upperBound && file.read(range, into: there) && there.equals(slot)
            if !isThere {
                try slot.withBytes { try file.write($0, at: start) }
                written += UInt64(blockSize)
            }
            if number % 64 == 63 { try file.sync() }
        }
        if try file.size() != length(blocks.count) { try file.truncate(to: length(blocks.count)) }
        try file.sync()
        try readBack(file, header, slots, progress)
        try staged.rename(to: path)
        try path.removingLastComponent().syncDirectory()
        try layout.folder.syncDirectory()
        return written
    }

    private func readBack(_ file: MediumFile, _ header: [UInt8], _ slots: [BlockSlot], _ progress: Progress) throws {
        file.forgetCache()
        let buffer = Buffer(capacity: blockSize)
        let isRead = try file.read(0..<UInt64(header.count), into: buffer)
        let digest = buffer.withBytes { Digest(of: $0) }
        guard isRead, digest == Digest(of: header) else { throw CopyError.mediumUnreliable(file.path, block: 0) }
        for (number, slot) in slots.enumerated() {
            let start = UInt64(header.count) + UInt64(number) * UInt64(blockSize)
            guard try file.read(start..<start + UInt64(blockSize), into: buffer), slot.isGood(buffer) else {
                throw CopyError.mediumUnreliable(file.path, block: number)
            }
            progress.add(blockSize)
        }
    }
}

/// One block of the file: its bytes, and zeros up to 1 MiB.
private struct BlockSlot: Sendable {
    let source: CopySource
    let volume: Int
    let block: Int

    private var length: Int { source.bundle.index.volumes[volume].bytes(ofBlock: block).count }

    func fill(_ buffer: Buffer, _ reader: BlockReader) throws {
        buffer.count = 0
        try reader.withBlock(block, of: volume) { buffer.append($0) }
        buffer.appendZeros(blockSize - buffer.count)
    }

    func isGood(_ buffer: Buffer) -> Bool {
        let digest = buffer.withBytes(0..<length) { Digest(of: $0) }
        return digest == source.bundle.index.blockDigest(volume: volume, block: block)
            && buffer.withBytes(length..<blockSize) { rest in rest.isZero }
    }
}

extension RawSpan {
    fileprivate var isZero: Bool {
        for offset in byteOffsets where unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) != 0 { return false }
        return true
    }
}

extension Buffer {
    fileprivate func equals(_ other: Buffer) -> Bool {
        guard count == other.count else { return false }
        return withBytes { Digest(of: $0) } == other.withBytes { Digest(of: $0) }
    }
}

extension FilePath {
    fileprivate func beginsWith(_ bytes: [UInt8]) throws -> Bool {
        try OpenFile.reading(self).bytes(at: 0, length: bytes.count) == bytes
    }
}
