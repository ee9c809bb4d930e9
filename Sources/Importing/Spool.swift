// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// Blocks of one release's volumes that a later medium's objects need, in a folder of the state (docs/media.md).
///
/// `blocks` holds their bytes one after another, `journal` says which they are. A record is written when its bytes are on the disk,
/// so the journal is never ahead of them. Nothing in either is believed: who reads a block compares it with the signed index.
final class Spool: BlockSource, Sendable {
    let folder: FilePath
    let name: String
    private let index: BundleIndex
    private let state: Mutex<State>

    private struct State {
        /// Where in `blocks` a block begins.
        var offsets: [BlockName: UInt64] = [:]
        /// Where the next block goes, and the next record.
        var (end, journalEnd): (UInt64, UInt64) = (0, 0)
        /// Written, and not yet in the journal.
        var pending: [Record] = []
        var unsynced = 0
        var files: Files?
    }

    private struct BlockName: Hashable {
        let volume: Int
        let block: Int
    }

    private final class Files: Sendable {
        let isWritable: Bool
        let blocks: OpenFile
        let journal: OpenFile

        init(_ folder: FilePath, isWritable: Bool) throws(FileError) {
            self.isWritable = isWritable
            let open = { (name: String) throws(FileError) in
                let path = folder.appending(name)
                return isWritable ? try OpenFile.writing(path, mode: 0o600) : try OpenFile.reading(path)
            }
            blocks = try open("blocks")
            journal = try open("journal")
        }
    }

    /// Bytes that are written between two syncs.
    private static let syncedBytes = 64 << 20
    private static let journalLimit: UInt64 = 256 << 20

    /// What the folder holds of this release; nothing where there is none. Changes nothing.
    init(_ folder: FilePath, of bundle: VerifiedBundle) throws {
        (self.folder, index) = (folder, bundle.index)
        name = "the spool \(folder)"
        state = Mutex(State())
        guard try folder.appending("journal").exists(), try folder.appending("blocks").exists() else { return }
        let files = try Files(folder, isWritable: false)
        try state.withLock { try Spool.read(files, index, &$0) }
    }

    private static func read(_ files: Files, _ index: BundleIndex, _ state: inout State) throws {
        let length = min(try files.journal.status().size, journalLimit)
        let size = try files.blocks.status().size
        while state.journalEnd + UInt64(Record.length) <= length {
            let bytes = try files.journal.bytes(at: state.journalEnd, length: Record.length)
            // What was being written when the power went: the rest of the journal counts for nothing.
            guard let record = Record(bytes, number: state.journalEnd, index) else { break }
            state.journalEnd += UInt64(Record.length)
            let key = BlockName(volume: record.volume, block: record.block)
            if record.isDropped {
                state.offsets[key] = nil
            } else {
                let end = record.offset + UInt64(index.volumes[key.volume].bytes(ofBlock: key.block).count)
                if end <= size { state.offsets[key] = record.offset }
                state.end = max(state.end, end)
            }
        }
        state.files = files
    }

    // MARK: What is there

    func has(_ block: Int, of volume: Int) -> Bool {
        state.withLock { $0.offsets[BlockName(volume: volume, block: block)] != nil }
    }

    /// All blocks that it has.
    var blocks: BlockSet {
        let names = state.withLock { Array($0.offsets.keys) }
        var blocks = BlockSet()
        for name in names.sorted(by: { ($0.volume, $0.block) < ($1.volume, $1.block) }) {
            blocks.insert(name.block..<name.block + 1, of: name.volume)
        }
        return blocks
    }

    func read(_ block: Int, of volume: Int, into buffer: Buffer, at start: Int) throws -> Bool {
        let found = state.withLock { ($0.offsets[BlockName(volume: volume, block: block)], $0.files) }
        guard let offset = found.0, let files = found.1 else { return false }
        let length = index.volumes[volume].bytes(ofBlock: block).count
        do throws(FileError) {
            try files.blocks.read(into: buffer, from: start, at: offset, length: length)
        } catch {
            // A bad sector of this disk is no reason to stop: the medium has the block too.
            guard error.errno == .ioError else { throw error }
            return false
        }
        return buffer.count == start + length
    }

    // MARK: Writing

    /// Adds a block of which the caller has compared the digest; counts when it is on the disk, see `sync`. One caller at a time.
    func add(_ bytes: RawSpan, _ block: Int, of volume: Int) throws {
        try state.withLock { state in
            let files = try writable(&state)
            let record = Record(volume: volume, block: block, offset: state.end)
            try files.blocks.write(bytes, at: state.end)
            state.end += UInt64(bytes.byteCount)
            state.unsynced += bytes.byteCount
            state.pending.append(record)
            if state.unsynced >= Spool.syncedBytes { try sync(&state) }
        }
    }

    /// Makes all that was added durable.
    func sync() throws { try state.withLock { try sync(&$0) } }

    private func sync(_ state: inout State) throws {
        guard !state.pending.isEmpty, let files = state.files else { return }
        if state.unsynced > 0 { try files.blocks.syncData() }
        var bytes: [UInt8] = []
        for record in state.pending { bytes += record.bytes(number: state.journalEnd + UInt64(bytes.count)) }
        try files.journal.write(bytes, at: state.journalEnd)
        try files.journal.syncData()
        state.journalEnd += UInt64(bytes.count)
        for record in state.pending {
            let key = BlockName(volume: record.volume, block: record.block)
            state.offsets[key] = record.isDropped ? nil : record.offset
        }
        (state.pending, state.unsynced) = ([], 0)
    }

    private func writable(_ state: inout State) throws -> Files {
        if let files = state.files, files.isWritable { return files }
        try folder.createDirectories()
        let files = try Files(folder, isWritable: true)
        // Whatever a power cut left behind the last whole record must not be taken for one later.
        try files.journal.truncate(to: state.journalEnd)
        for place in [folder, folder.removingLastComponent(), folder.removingLastComponent().removingLastComponent()] {
            try place.syncDirectory()
        }
        state.files = files
        return files
    }

    // MARK: Damage

    /// Compares blocks with what is signed and forgets those that differ; which they are.
    func forgetDamaged(_ wanted: BlockSet) throws -> BlockSet {
        var damaged = BlockSet()
        let buffer = Buffer(capacity: blockSize)
        for (volume, run) in wanted.intersection(blocks).runs {
            for block in run {
                let isRead = try read(block, of: volume, into: buffer, at: 0)
                let length = index.volumes[volume].bytes(ofBlock: block).count
                let isGood =
                    isRead
                    && buffer.withBytes(0..<length) { bytes in
                        Digest(of: bytes) == index.blockDigest(volume: volume, block: block)
                    }
                if !isGood { damaged.insert(block..<block + 1, of: volume) }
            }
        }
        guard !damaged.isEmpty else { return damaged }
        try state.withLock { state in
            _ = try writable(&state)
            for (volume, run) in damaged.runs {
                for block in run { state.pending.append(Record(volume: volume, block: block, offset: Record.dropped)) }
            }
            try sync(&state)
        }
        return damaged
    }
}

extension Spool {
    /// One line of the journal: 24 bytes, little-endian: volume, block, offset, and what proves that it is whole.
    fileprivate struct Record {
        static let length = 24
        static let dropped = UInt64.max
        let volume: Int
        let block: Int
        /// In `blocks`; `dropped` for one that is no longer there.
        let offset: UInt64

        var isDropped: Bool { offset == Record.dropped }
    }
}

extension Spool.Record {
    /// `number`: where it stands in the journal.
    func bytes(number: UInt64) -> [UInt8] {
        let head = UInt32(volume).littleEndianBytes + UInt32(block).littleEndianBytes + offset.littleEndianBytes
        return head + Spool.Record.proof(head, number)
    }

    /// `nil` for what is no record of this release.
    init?(_ bytes: [UInt8], number: UInt64, _ index: BundleIndex) {
        let head = Array(bytes.prefix(16))
        guard Array(bytes.suffix(8)) == Spool.Record.proof(head, number) else { return nil }
        volume = Int(UInt64(littleEndianBytes: head[0..<4]))
        block = Int(UInt64(littleEndianBytes: head[4..<8]))
        offset = UInt64(littleEndianBytes: head[8..<16])
        guard index.volumes.indices.contains(volume),
            block < Volume.blockCount(of: index.volumes[volume].length),
            isDropped || offset <= UInt64(Int64.max) - UInt64(blockSize)
        else { return nil }
    }

    private static func proof(_ head: [UInt8], _ number: UInt64) -> [UInt8] {
        Array(Hasher.hash(head + number.littleEndianBytes).prefix(8))
    }
}

extension FixedWidthInteger {
    fileprivate var littleEndianBytes: [UInt8] {
        (0..<bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) }
    }
}

extension UInt64 {
    fileprivate init(littleEndianBytes bytes: ArraySlice<UInt8>) {
        self = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
