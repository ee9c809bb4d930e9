// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// One fact about a bundle in the making that holds after a crash.
enum JournalRecord: Sendable, Equatable {
    case frame(Frame)
    case chunk(Chunk, [Part])
    case object(Object, [Segment])
    /// Frames from that number on, and the volumes they lie in, hold something else: they are forgotten.
    case forget(frames: Int)
    /// An input, by its place in the plan, has been taken in whole.
    case item(ordinal: Int, digest: Digest, size: UInt64)
    /// An archive volume is whole.
    case volume(ordinal: Int, FinishedVolume)
    /// A plain volume is whole, and holds these blobs.
    case plain(ordinal: Int, FinishedVolume, [KnownExtent])
    /// The first bytes of a plain volume are durable.
    case plainProgress(ordinal: Int, length: UInt64)
    /// A small blob that is held back for volume 001; its bytes stand in the journal itself.
    case held(Digest, at: UInt64, length: Int)
}

/// The record of what is durable, on the local disk. Never ahead of the data: its records are appended after the data they
/// speak of was synced. A torn end, as a power cut leaves it, is cut off when it is read.
final class Journal: Sendable {
    private static let magic = Array("DRAYJNL1".utf8)
    private static let headerLength = 40
    /// Bytes of a record around its payload: length, type, checksum.
    private static let overhead = 13

    private let file: OpenFile
    private let end: Mutex<UInt64>
    /// What an earlier run left, in order; empty for a fresh journal.
    let records: [JournalRecord]

    /// Opens or makes the journal of the plan named by the 32 bytes of `plan`.
    ///
    /// Throws `PackError.alreadyRunning` while another process has it, `.planChanged` when it belongs to another plan.
    init(at path: FilePath, plan: Digest, restart: Bool) throws {
        let file = try OpenFile.writing(path, mode: 0o600)
        guard try file.lock() else { throw PackError.alreadyRunning(path) }
        try path.syncName()
        file.dropCache()  // what a failed fsync left in the cache alone counts for nothing
        var size = try file.status().size
        if restart || size < UInt64(Journal.headerLength) {
            try file.truncate(to: 0)
            try file.write(Journal.magic + plan.bytes, at: 0)
            size = UInt64(Journal.headerLength)
        }
        let header = try file.bytes(at: 0, length: Journal.headerLength)
        guard header == Journal.magic + plan.bytes else { throw PackError.planChanged([]) }
        let (records, end) = try Journal.read(file, size: size)
        try file.truncate(to: end)
        try file.syncData()
        self.file = file
        self.records = records
        self.end = Mutex(end)
    }

    /// Appends records and makes them durable.
    func append(_ records: [JournalRecord]) throws {
        try append(records.map { Journal.encoded(type: $0.type, payload: $0.payload) }.flatMap(\.self))
        try file.syncData()
    }

    /// Appends a held blob without waiting for the disk; the next `append` makes it durable. Gives the place of its bytes.
    func hold(_ digest: Digest, _ bytes: [UInt8]) throws -> UInt64 {
        let start = try append(Journal.encoded(type: 8, payload: digest.bytes + bytes))
        return start + 5 + 32
    }

    /// The bytes of a held blob.
    func heldBytes(at offset: UInt64, length: Int) throws -> [UInt8] { try file.bytes(at: offset, length: length) }

    @discardableResult
    private func append(_ bytes: [UInt8]) throws -> UInt64 {
        try end.withLock { end in
            let start = end
            try file.write(bytes, at: start)
            end += UInt64(bytes.count)
            return start
        }
    }

    private static func encoded(type: UInt8, payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(UInt32(payload.count))
        bytes.append(type)
        bytes += payload
        bytes += Hasher.hash([type] + payload)[0..<8]
        return bytes
    }

    private static func read(_ file: borrowing OpenFile, size: UInt64) throws -> ([JournalRecord], UInt64) {
        var records: [JournalRecord] = []
        var offset = UInt64(headerLength)
        while offset + UInt64(overhead) <= size {
            let head = try file.bytes(at: offset, length: 5)
            let length = Int(head.integer(at: 0, as: UInt32.self))
            guard offset + UInt64(overhead + length) <= size else { break }
            let body = try file.bytes(at: offset + 5, length: length + 8)
            let payload = Array(body[0..<length])
            guard Hasher.hash([head[4]] + payload)[0..<8] == body[length...],
                let record = JournalRecord(type: head[4], payload: payload, offset: offset + 5)
            else { break }
            records.append(record)
            offset += UInt64(overhead + length)
        }
        return (records, offset)
    }
}

/// Records as bytes, with the layouts that the index has.
extension JournalRecord {
    var type: UInt8 {
        switch self {
        case .frame: 1
        case .chunk: 2
        case .object: 3
        case .item: 4
        case .volume: 5
        case .plain: 6
        case .plainProgress: 7
        case .held: 8
        case .forget: 9
        }
    }

    var payload: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .frame(let frame): bytes.append(frame)
        case .chunk(let chunk, let parts):
            bytes.append(chunk)
            for part in parts { bytes.append(part) }
        case .object(let object, let segments):
            bytes.append(object)
            for segment in segments { bytes.append(segment) }
        case .item(let ordinal, let digest, let size):
            bytes.append(UInt32(ordinal))
            bytes += digest.bytes
            bytes.append(size)
        case .volume(let ordinal, let volume): bytes.append(volume, ordinal: ordinal)
        case .plain(let ordinal, let volume, let extents):
            bytes.append(volume, ordinal: ordinal)
            for extent in extents {
                bytes += extent.digest.bytes
                bytes.append(extent.offset)
                bytes.append(extent.length)
            }
        case .plainProgress(let ordinal, let length):
            bytes.append(UInt32(ordinal))
            bytes.append(length)
        case .forget(let number): bytes.append(UInt32(number))
        case .held: break
        }
        return bytes
    }

    init?(type: UInt8, payload: [UInt8], offset: UInt64) {
        switch (type, payload.count) {
        case (1, 24): self = .frame(payload.frame(at: 0))
        case (2, 48...) where (payload.count - 48) % 16 == 0:
            self = .chunk(payload.chunk(at: 0), stride(from: 48, to: payload.count, by: 16).map(payload.part))
        case (3, 48...) where (payload.count - 48) % 20 == 0:
            self = .object(payload.object(at: 0), stride(from: 48, to: payload.count, by: 20).map(payload.segment))
        case (4, 44):
            self = .item(
                ordinal: Int(payload.integer(at: 0, as: UInt32.self)), digest: payload.digest(at: 4),
                size: payload.integer(at: 36, as: UInt64.self))
        case (5, 48...), (6, 48...):
            let ordinal = Int(payload.integer(at: 0, as: UInt32.self))
            let end = 48 + 32 * Int(payload.integer(at: 44, as: UInt32.self))
            guard end <= payload.count, (payload.count - end) % 48 == 0 else { return nil }
            let volume = FinishedVolume(
                length: payload.integer(at: 36, as: UInt64.self), digest: payload.digest(at: 4),
                blocks: stride(from: 48, to: end, by: 32).map { Array(payload[$0..<$0 + 32]) })
            let extents = stride(from: end, to: payload.count, by: 48).map {
                KnownExtent(
                    digest: payload.digest(at: $0), offset: payload.integer(at: $0 + 32, as: UInt64.self),
                    length: payload.integer(at: $0 + 40, as: UInt64.self))
            }
            self = type == 5 ? .volume(ordinal: ordinal, volume) : .plain(ordinal: ordinal, volume, extents)
        case (7, 12):
            self = .plainProgress(
                ordinal: Int(payload.integer(at: 0, as: UInt32.self)), length: payload.integer(at: 4, as: UInt64.self))
        case (9, 4): self = .forget(frames: Int(payload.integer(at: 0, as: UInt32.self)))
        case (8, 32...): self = .held(payload.digest(at: 0), at: offset + 32, length: payload.count - 32)
        default: return nil
        }
    }
}

/// A blob that lies inside a plain file.
struct KnownExtent: Sendable, Equatable {
    let digest: Digest
    let offset: UInt64
    let length: UInt64
}

extension [UInt8] {
    fileprivate mutating func append(_ volume: FinishedVolume, ordinal: Int) {
        append(UInt32(ordinal))
        self += volume.digest.bytes
        append(volume.length)
        append(UInt32(volume.blocks.count))
        for block in volume.blocks { self += block }
    }
}
