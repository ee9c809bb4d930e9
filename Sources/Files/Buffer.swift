// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A fixed piece of memory, aligned for direct I/O, that passes from stage to stage without being copied.
@safe
package final class Buffer: @unchecked Sendable {
    // One stage writes it, then any number read it, then it returns to its pool: never both at once.
    private let memory: UnsafeMutableRawPointer
    /// Bytes; a multiple of 4096.
    package let capacity: Int
    /// How many bytes from the start hold data; set by the stage that fills it.
    package var count = 0

    /// What direct I/O needs of addresses, offsets and lengths on every file system in use.
    package static let alignment = 4096

    /// Reserves `capacity` bytes, rounded up to the alignment.
    package init(capacity: Int) {
        self.capacity = (capacity + Buffer.alignment - 1) / Buffer.alignment * Buffer.alignment
        unsafe memory = .allocate(byteCount: self.capacity, alignment: Buffer.alignment)
    }

    deinit { unsafe memory.deallocate() }

    /// The filled bytes, or a range of them, for reading.
    package func withBytes<Result>(
        _ range: Range<Int>? = nil, _ body: (RawSpan) throws -> Result
    ) rethrows -> Result {
        let range = range ?? 0..<count
        precondition(range.lowerBound >= 0 && range.upperBound <= capacity)
        return try unsafe body(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: memory + range.lowerBound, count: range.count)))
    }

    /// Copies `bytes` to `offset` and counts them as filled.
    package func write(_ bytes: RawSpan, at offset: Int) {
        precondition(offset >= 0 && offset + bytes.byteCount <= capacity)
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe memcpy(memory + offset, start, source.count)
        }
        count = max(count, offset + bytes.byteCount)
    }

    /// Appends `bytes` after the filled ones.
    package func append(_ bytes: RawSpan) { write(bytes, at: count) }

    /// Appends `bytes` after the filled ones.
    package func append(_ bytes: [UInt8]) { append(unsafe bytes.span.bytes) }

    /// Appends `length` zero bytes.
    package func appendZeros(_ length: Int) {
        precondition(length >= 0 && count + length <= capacity)
        unsafe memset(memory + count, 0, length)
        count += length
    }

    /// The whole memory, for calls that fill it; the caller sets `count`.
    @unsafe package func withMemory<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try unsafe body(UnsafeMutableRawBufferPointer(start: memory, count: capacity))
    }
}

extension Buffer {
    /// Whether its filled bytes, or a range of its memory, are these.
    package func hasSameBytes(_ range: Range<Int>? = nil, as other: RawSpan) -> Bool {
        withBytes(range) { mine in
            guard mine.byteCount == other.byteCount else { return false }
            return unsafe mine.withUnsafeBytes { left in
                unsafe other.withUnsafeBytes { right in
                    guard let left = left.baseAddress, let right = right.baseAddress else { return true }
                    return unsafe memcmp(left, right, mine.byteCount) == 0
                }
            }
        }
    }
}
