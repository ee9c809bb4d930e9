// SPDX-License-Identifier: Apache-2.0

internal import CZstd
internal import Glibc

/// Makes compressed zstd frames where a probe says that it pays. Whatever it makes it decodes again and compares (restic
/// learnt this: a library's bug must not reach the medium). One thread at a time; the same content, level and library version give the same bytes.
@safe
package final class FrameEncoder: @unchecked Sendable {  // an encoder belongs to one lane
    private let context: OpaquePointer
    private let decoder = FrameDecoder()
    private var scratch: [UInt8] = []
    private var compressed: [UInt8] = []
    private let level: Int32

    /// Bytes of content that the probe compresses before a whole frame is tried.
    private static let probeLength = 64 << 10

    /// `level` is zstd's, 1...19.
    package init(level: Int = 3) {
        guard let context = unsafe ZSTD_createCCtx() else { preconditionFailure("libzstd: out of memory") }
        unsafe self.context = context
        self.level = Int32(level)
    }

    deinit { unsafe ZSTD_freeCCtx(context) }

    /// Gives `body` one compressed frame of `content` (1 byte to 4 MiB) where compression pays, and says so; the caller
    /// stores a `RawFrame` where it does not.
    ///
    /// Throws `FrameError.notReproduced` when decoding does not give the content back: bad memory or a library's bug.
    package func compress(_ content: RawSpan, _ body: (RawSpan) -> Void) throws(FrameError) -> Bool {
        guard let length = compressedLength(content) else { return false }
        let compressed = compressed
        let frame = unsafe compressed.span.bytes.extracting(0..<length)
        try check(frame, holds: content)
        body(frame)
        return true
    }

    /// The length of the compressed frame in `compressed`, or `nil` when compression does not pay.
    private func compressedLength(_ content: RawSpan) -> Int? {
        let length = content.byteCount
        if length > 2 * FrameEncoder.probeLength {
            let sample = sample(of: content)
            guard let size = compress(unsafe sample.span.bytes, level: 1), size < sample.count / 100 * 97 else {
                return nil
            }
        }
        guard let size = compress(content, level: level), size < RawFrame.size(of: length) else { return nil }
        return size
    }

    /// Pieces from all over the content: a frame may hold small files of many kinds.
    private func sample(of content: RawSpan) -> [UInt8] {
        let (pieces, length) = (4, FrameEncoder.probeLength / 4)
        return (0..<pieces).flatMap { piece in
            let start = (content.byteCount - length) * (2 * piece + 1) / (2 * pieces)
            return unsafe content.extracting(start..<start + length).withUnsafeBytes { unsafe Array($0) }
        }
    }

    private func compress(_ content: RawSpan, level: Int32) -> Int? {
        let bound = ZSTD_compressBound(content.byteCount)
        if compressed.count < bound { compressed = [UInt8](repeating: 0, count: bound) }
        let result = unsafe content.withUnsafeBytes { source in
            unsafe compressed.withUnsafeMutableBytes { target in
                unsafe ZSTD_compressCCtx(
                    context, target.baseAddress, target.count, source.baseAddress, source.count, level)
            }
        }
        return ZSTD_isError(result) == 0 ? result : nil
    }

    private func check(_ frame: RawSpan, holds content: RawSpan) throws(FrameError) {
        let length = content.byteCount
        if scratch.count < length { scratch = [UInt8](repeating: 0, count: length) }
        let failure: FrameError? = unsafe scratch.withUnsafeMutableBytes { memory in
            let target = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[0..<length])
            do throws(FrameError) {
                try unsafe decoder.decode(frame, into: target)
            } catch {
                return error
            }
            let same = unsafe content.withUnsafeBytes { source in
                guard let source = source.baseAddress, let copy = target.baseAddress else { return length == 0 }
                return unsafe memcmp(source, copy, length) == 0
            }
            return same ? nil : .notReproduced
        }
        if let failure { throw failure }
    }
}
