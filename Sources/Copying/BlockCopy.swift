// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// What one thread needs to read the source and a medium.
private final class Hand {
    private let reader: BlockReader
    private let source: CopySource
    private let hasher = Hasher()
    /// What was read of the medium.
    let buffer = Buffer(capacity: blockSize)
    private let own = Buffer(capacity: blockSize)

    init(_ source: CopySource) { (self.source, reader) = (source, BlockReader(source.bundle)) }

    /// Lends the bytes of a block; those of a volume have been compared with its signed digest.
    func withBlock(_ block: Int, of item: CopyItem, _ body: (RawSpan) throws -> Void) throws {
        if let volume = item.volume {
            try reader.withBlock(block, of: volume) { try body($0) }
        } else {
            try readParity(block, item)
            try own.withBytes { try body($0) }
        }
    }

    func digest(ofBlock block: Int, of item: CopyItem) throws -> Digest {
        if let volume = item.volume { return source.bundle.index.blockDigest(volume: volume, block: block) }
        try readParity(block, item)
        return own.withBytes { hash($0) }
    }

    private func readParity(_ block: Int, _ item: CopyItem) throws {
        guard let folder = item.folder else { throw CopyError.sourceDamaged(item.name) }
        let range = item.bytes(ofBlock: block)
        try folder.open(item.name).read(into: own, at: range.lowerBound, length: range.count)
        guard own.count == range.count else { throw CopyError.sourceDamaged(item.name) }
    }

    /// Whether the medium has a block as it must be.
    func isGood(_ block: Int, of item: CopyItem, in file: MediumFile) throws -> Bool {
        guard try file.read(item.bytes(ofBlock: block), into: buffer) else { return false }
        return buffer.withBytes { hash($0) } == (try digest(ofBlock: block, of: item))
    }

    private func hash(_ bytes: RawSpan) -> Digest {
        hasher.update(bytes)
        return Digest(hashed: hasher.finish())
    }
}

/// The threads of one medium: one reads and hashes the next block while the other writes.
final class Hands: Sendable {
    static let count = 2
    private let free: Mutex<[Loan]>

    // A hand is in use by one thread at a time: `withHand` takes it out of the list.
    private struct Loan: @unchecked Sendable { let hand: Hand }

    init(_ source: CopySource) { free = Mutex((0..<Hands.count).map { _ in Loan(hand: Hand(source)) }) }

    /// Those of the blocks that the medium hasn't got as they must be, ascending.
    func bad(_ blocks: [Int], of item: CopyItem, in file: MediumFile) throws -> [Int] {
        file.forgetCache()
        let bad = Mutex<[Int]>([])
        try each(blocks) { hand, block in
            if try !hand.isGood(block, of: item, in: file) { bad.withLock { $0.append(block) } }
        }
        return bad.withLock { $0.sorted() }
    }

    /// Copies blocks; the buffer that was hashed is the buffer that is written.
    func write(_ blocks: [Int], of item: CopyItem, to file: MediumFile) throws {
        try each(blocks) { hand, block in
            try hand.withBlock(block, of: item) { try file.write($0, at: item.bytes(ofBlock: block).lowerBound) }
        }
    }

    private func each(_ blocks: [Int], _ body: @escaping @Sendable (Hand, Int) throws -> Void) throws {
        guard !blocks.isEmpty else { return }
        try concurrently(width: Hands.count, count: blocks.count) { [self] number in
            try Interruption.check()
            guard let loan = free.withLock({ $0.popLast() }) else { preconditionFailure("more threads than hands") }
            defer { free.withLock { $0.append(loan) } }
            try body(loan.hand, blocks[number])
        }
    }
}

/// What came of one volume or parity file.
struct BlockCopyResult: Sendable, Equatable {
    /// Blocks that were written.
    var written = 0
    var bytesWritten: UInt64 = 0
    /// Whether it stood there under its own name before.
    var wasThere = false
    var readBack = ReadBack.direct
}

/// Brings one file onto a medium: what is good there stays, the rest is written, synced every 64 MiB and read back.
struct BlockCopy {
    private static let groupBlocks = 64

    let item: CopyItem
    let layout: MediumLayout
    let hands: Hands
    let progress: Progress

    /// Throws `CopyError`, `BundleError` for the source, `FileError` for the medium, `Interrupted`.
    func run() throws -> BlockCopyResult {
        let (final, staged) = (layout.path(of: item.name), layout.staged(item.name))
        var isFinal = false
        if let status = try final.statusIfPresent(followingLinks: false) {
            isFinal = status.size == item.length
            // somebody's copy that was cut short is as good a beginning as our own
            if !isFinal { try final.rename(to: staged) }
        }
        let file = try MediumFile(isFinal ? final : staged)
        var result = BlockCopyResult(wasThere: isFinal, readBack: file.readBack)
        if !isFinal { file.reserve(item.length) }
        for first in stride(from: 0, to: item.blockCount, by: BlockCopy.groupBlocks) {
            let group = Array(first..<min(first + BlockCopy.groupBlocks, item.blockCount))
            try copy(group, file, &result)
            progress.add(group.reduce(0) { $0 + item.bytes(ofBlock: $1).count })
        }
        if try file.size() != item.length { try file.truncate(to: item.length) }
        try file.sync()
        if !isFinal {
            try staged.rename(to: final)
            try final.removingLastComponent().syncDirectory()
            try layout.folder.syncDirectory()
        }
        return result
    }

    private func copy(_ group: [Int], _ file: MediumFile, _ result: inout BlockCopyResult) throws {
        let size = try file.size()
        let there = group.filter { item.bytes(ofBlock: $0).upperBound <= size }
        var wanted = try hands.bad(there, of: item, in: file) + group.dropFirst(there.count)
        for _ in 0..<2 where !wanted.isEmpty {
            try hands.write(wanted, of: item, to: file)
            try file.sync()
            result.written += wanted.count
            result.bytesWritten += wanted.reduce(0) { $0 + UInt64(item.bytes(ofBlock: $1).count) }
            wanted = try hands.bad(wanted, of: item, in: file)
        }
        if let block = wanted.first { throw CopyError.mediumUnreliable(file.path, block: block) }
    }
}
