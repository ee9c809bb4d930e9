// SPDX-License-Identifier: Apache-2.0

/// Writes gzip of stored blocks alone (RFC 1951, 3.2.4; RFC 1952): every byte as it is, and the same bytes for the same
/// blocks whatever compressor the machine has.
struct StoredGzip {
    /// Bytes that one stored block can hold.
    static let maximumBlock = 65535
    /// Bytes of a block's header.
    static let blockHeader = 5
    /// Bytes of the stream's header and trailer together.
    static let frame = 18

    private var checksum = CRC32()
    private var count: UInt64 = 0

    /// How many bytes `length` bytes take, cut into full blocks from their start.
    static func storedSize(of length: UInt64) -> UInt64 {
        length + (length + UInt64(maximumBlock) - 1) / UInt64(maximumBlock) * UInt64(blockHeader)
    }

    /// The stream's first bytes: no name, time 0, no flags, system unknown.
    static let header: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]

    /// One block of 1...`maximumBlock` bytes; the last must be marked.
    mutating func write(_ bytes: RawSpan, isLast: Bool = false, to sink: (RawSpan) throws -> Void) rethrows {
        precondition((1...StoredGzip.maximumBlock).contains(bytes.byteCount))
        let (low, high) = (UInt8(bytes.byteCount & 0xff), UInt8(bytes.byteCount >> 8))
        let header: [UInt8] = [isLast ? 1 : 0, low, high, ~low, ~high]
        try sink(unsafe header.span.bytes)
        try sink(bytes)
        checksum.update(bytes)
        count += UInt64(bytes.byteCount)
    }

    /// The stream's last bytes: checksum and length.
    func trailer() -> [UInt8] {
        let words = UInt64(checksum.value) | UInt64(UInt32(truncatingIfNeeded: count)) << 32
        return (0..<8).map { UInt8(truncatingIfNeeded: words >> (8 * $0)) }
    }
}
