// SPDX-License-Identifier: Apache-2.0

/// A zstd frame of raw blocks: what content that does not shrink is stored as (RFC 8878, sections 3.1.1 and 3.1.1.2).
package enum RawFrame {
    /// Bytes of content in each block but the last: the format's limit.
    package static let blockSize = 128 << 10

    /// Bytes of a frame that holds `length` bytes, 1...2^32-1; no compressed frame that Dray writes is longer.
    package static func size(of length: Int) -> Int { 9 + length + 3 * ((length + blockSize - 1) / blockSize) }

    /// Where the content from `position` on lies in a frame of raw blocks that holds `length` bytes: a range of `frame`, to
    /// its block's end. `nil` when the frame, its header or that block is anything but what `write` makes.
    package static func range(of position: Int, in frame: RawSpan, length: Int) -> Range<Int>? {
        guard position >= 0, position < length, frame.byteCount == size(of: length) else { return nil }
        func integer(_ offset: Int, bytes: Int) -> UInt32 {
            (0..<bytes).reduce(0) {
                $0 | UInt32(unsafe frame.unsafeLoad(fromByteOffset: offset + $1, as: UInt8.self)) << (8 * UInt32($1))
            }
        }
        let start = position / blockSize * blockSize
        let count = min(blockSize, length - start)
        let header = 9 + start / blockSize * (blockSize + 3)
        guard integer(0, bytes: 4) == 0xFD2F_B528, integer(4, bytes: 1) == 0xA0, integer(5, bytes: 4) == UInt32(length),
            integer(header, bytes: 3) == UInt32(count) << 3 | (start + count == length ? 1 : 0)
        else { return nil }
        return header + 3 + position - start..<header + 3 + count
    }

    /// Writes the frame piece by piece: `content` goes out as it is, between headers. Throws what `sink` throws.
    package static func write(_ content: RawSpan, _ sink: (RawSpan) throws -> Void) rethrows {
        let length = content.byteCount
        let size = UInt32(length)
        let header: [UInt8] =
            [0x28, 0xB5, 0x2F, 0xFD, 0xA0] + (0..<4).map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) }
        try sink(unsafe header.span.bytes)
        var start = 0
        while start < length {
            let end = min(start + blockSize, length)
            let field = UInt32(end - start) << 3 | (end == length ? 1 : 0)
            let block = (0..<3).map { UInt8(truncatingIfNeeded: field >> ($0 * 8)) }
            try sink(unsafe block.span.bytes)
            try sink(content.extracting(start..<end))
            start = end
        }
    }
}
