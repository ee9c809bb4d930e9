// SPDX-License-Identifier: Apache-2.0

/// Reads an image's bytes within its bounds.
struct ISOBytes {
    let size: UInt64
    let read: (_ offset: UInt64, _ length: Int) throws -> [UInt8]

    /// `length` bytes from `offset`; throws `ISOError.outside`, naming `what`, when the image ends before.
    func bytes(at offset: UInt64, length: UInt64, what: @autoclosure () -> String) throws -> [UInt8] {
        guard length <= size, offset <= size - length else {
            throw ISOError.outside(what(), offset: offset, length: length, imageSize: size)
        }
        let bytes = try read(offset, Int(length))
        guard bytes.count == Int(length) else {
            throw ISOError.outside(what(), offset: offset, length: length, imageSize: offset + UInt64(bytes.count))
        }
        return bytes
    }
}

/// What is used of the primary volume descriptor (ECMA-119, 8.4).
struct ISODescriptor: Equatable {
    static let offset = 32768
    static let length = 2048

    let volumeID: String
    let volumeSize: UInt64
    let blockSize: UInt64
    let root: ISORecord

    /// Whether a descriptor of some kind begins at the start of `bytes` (8.1: "CD001", version 1).
    static func isDescriptor(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.dropFirst().prefix(6).elementsEqual([0x43, 0x44, 0x30, 0x30, 0x31, 1])
    }

    /// Finds the primary descriptor among at most 64, which end with a terminator (8.3).
    static func primary(_ image: ISOBytes) throws -> ISODescriptor {
        for index in 0..<64 {
            let offset = UInt64(offset + index * length)
            guard offset + UInt64(length) <= image.size else { break }
            let bytes = try image.bytes(at: offset, length: UInt64(length), what: "a volume descriptor")
            guard isDescriptor(bytes[...]), bytes[0] != 255 else { break }
            if bytes[0] == 1 { return try ISODescriptor(bytes, offset: offset) }
        }
        throw ISOError.noDescriptor
    }

    private init(_ bytes: [UInt8], offset: UInt64) throws {
        blockSize = UInt64(bytes[128]) | UInt64(bytes[129]) << 8
        guard [512, 1024, 2048].contains(blockSize) else {
            throw ISOError.malformed("block size of \(blockSize)", offset: offset + 128)
        }
        guard let root = ISORecord(bytes[156..<190]), root.isDirectory else {
            throw ISOError.malformed("root folder", offset: offset + 156)
        }
        self.root = root
        volumeSize = UInt64(ISORecord.word(bytes, 80)) * blockSize
        let name = bytes[40..<72].prefix { $0 != 0 }.map { (32..<127).contains($0) ? $0 : 0x3f }
        volumeID = String(decoding: name[...(name.lastIndex { $0 != 32 } ?? -1)], as: UTF8.self)
    }
}

/// A directory record (ECMA-119, 9.1).
struct ISORecord: Equatable {
    /// In logical blocks; the extended attribute record, if any, is left out.
    let block: UInt64
    /// Bytes.
    let length: UInt64
    let flags: UInt8
    /// Whether the file is laid out in interleaved units, so that its bytes are no range.
    let isInterleaved: Bool
    /// As recorded: without Rock Ridge's name.
    let identifier: [UInt8]
    /// The system use field, where Rock Ridge keeps its fields.
    let systemUse: [UInt8]

    var isDirectory: Bool { flags & 2 != 0 }
    /// Whether another record goes on with the same file.
    var hasMore: Bool { flags & 0x80 != 0 }
    /// Whether the record is the folder itself or the one above it.
    var isDotOrDotDot: Bool { identifier == [0] || identifier == [1] }

    /// Reads the whole of a record; `nil` when its lengths don't fit each other.
    init?(_ slice: ArraySlice<UInt8>) {
        let bytes = Array(slice)
        guard bytes.count >= 34, Int(bytes[0]) == bytes.count, bytes[32] > 0, 33 + Int(bytes[32]) <= bytes.count
        else { return nil }
        block = UInt64(ISORecord.word(bytes, 2)) + UInt64(bytes[1])
        length = UInt64(ISORecord.word(bytes, 10))
        flags = bytes[25]
        isInterleaved = bytes[26] != 0 || bytes[27] != 0
        let end = 33 + Int(bytes[32])
        identifier = Array(bytes[33..<end])
        // A padding byte follows a name of even length (9.1.12).
        systemUse = Array(bytes.dropFirst(end + (end & 1)))
    }

    /// A 32-bit number recorded in both byte orders (7.3.3); the first, little-endian, counts.
    static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }
}
