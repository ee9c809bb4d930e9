// SPDX-License-Identifier: Apache-2.0

internal import CZstd

/// A block whose content stands in a zstd stream as it is (RFC 8878 section 3.1.1.2, `Raw_Block`).
package struct RawBlock: Sendable, Equatable {
    /// Where its content begins in the decoded bytes.
    package var decoded: UInt64
    /// Where its content begins in the stream.
    package var stored: UInt64
    /// Bytes; at most `BlockDecoder.maximumBlock` in a zstd stream.
    package var length: Int

    package init(decoded: UInt64, stored: UInt64, length: Int) {
        (self.decoded, self.stored, self.length) = (decoded, stored, length)
    }
}

/// Decodes a zstd stream of any number of frames (RFC 8878) block by block, and tells which decoded bytes stand in it
/// unchanged. Windows of up to 128 MiB. One thread at a time.
@safe
package final class BlockDecoder: @unchecked Sendable {  // a decoder belongs to one lane
    /// The most bytes that a block decodes to (RFC 8878 section 3.1.1.2.4).
    package static let maximumBlock = 128 << 10
    private static let maximumWindowLog: Int32 = 27

    private let context: OpaquePointer
    private var step = Step.magic
    /// The bytes of the step under way that say what follows.
    private var header: [UInt8] = []
    /// Bytes of the step that are still to come.
    private var left = 4
    private var hasChecksum = false
    /// Bytes of the stream taken so far.
    package private(set) var stored: UInt64 = 0
    /// Bytes decoded so far.
    package private(set) var decoded: UInt64 = 0
    /// Where the block under way begins in the decoded bytes.
    private var blockStart: UInt64 = 0

    private enum Step: Equatable {
        case magic, skippableSize, skipped, descriptor, frameHeader, blockHeader, checksum
        case block(raw: Bool, size: Int, isLast: Bool)
    }

    package init() {
        guard let context = unsafe ZSTD_createDCtx() else { preconditionFailure("libzstd: out of memory") }
        unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, BlockDecoder.maximumWindowLog)
        unsafe self.context = context
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Whether bytes begin as a zstd stream does.
    package static func isStream(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount >= 4 else { return false }
        return unsafe bytes.unsafeLoadUnaligned(as: UInt32.self).littleEndian == UInt32(ZSTD_MAGICNUMBER)
    }

    /// Whether the stream may end here: after a whole frame.
    package var isBetweenFrames: Bool { step == .magic && header.isEmpty && stored > 0 }

    /// Decodes `input` to `target` from `filled` on, and calls `found` for each raw block once it has begun; how many bytes of
    /// `input` were taken. It stops early where `target` may not hold another block; the caller then hands in other memory and the rest.
    ///
    /// Throws `BlockError`; the decoder is of no use then.
    @unsafe package func decode(
        _ input: RawSpan, into target: UnsafeMutableRawBufferPointer, filled: inout Int, found: (RawBlock) -> Void
    ) throws(BlockError) -> Int {
        var taken = 0
        while taken < input.byteCount, isInsideBlock || target.count - filled >= BlockDecoder.maximumBlock {
            let count = min(left, input.byteCount - taken)
            let piece = input.extracting(taken..<taken + count)
            if keepsHeader { unsafe piece.withUnsafeBytes { unsafe header.append(contentsOf: $0) } }
            let room = unsafe UnsafeMutableRawBufferPointer(rebasing: target[filled...])
            filled += try unsafe feed(piece, into: room)
            taken += count
            left -= count
            if left == 0 { try advance(found) }
        }
        return taken
    }

    // Once a block has begun there is room for all of it.
    private var isInsideBlock: Bool { if case .block = step { true } else { false } }

    private var keepsHeader: Bool {
        switch step {
        case .magic, .skippableSize, .descriptor, .blockHeader: true
        case .skipped, .frameHeader, .checksum, .block: false
        }
    }

    /// Hands bytes of one step to libzstd; how many it has decoded to.
    private func feed(_ piece: RawSpan, into room: UnsafeMutableRawBufferPointer) throws(BlockError) -> Int {
        var output = unsafe ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        let code: Int = unsafe piece.withUnsafeBytes { source in
            var input = unsafe ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
            while unsafe input.pos < input.size {
                let before = unsafe (input.pos, output.pos)
                let code = unsafe ZSTD_decompressStream(context, &output, &input)
                if ZSTD_isError(code) != 0 { return code }
                if unsafe before == (input.pos, output.pos) { return -1 }
            }
            return 0
        }
        guard code == 0 else { throw .damaged(at: stored, code == -1 ? 0 : UInt32(truncatingIfNeeded: 0 &- code)) }
        stored += UInt64(piece.byteCount)
        let count = unsafe Int(output.pos)
        decoded += UInt64(count)
        return count
    }

    /// Goes to the next step once the one under way is whole.
    private func advance(_ found: (RawBlock) -> Void) throws(BlockError) {
        let bytes = header
        header = []
        switch step {
        case .magic:
            let magic = UInt32(littleEndian: bytes)
            if magic == UInt32(ZSTD_MAGICNUMBER) {
                go(to: .descriptor, 1)
            } else {
                go(to: .skippableSize, 4)
            }
        case .skippableSize: go(to: .skipped, Int(UInt32(littleEndian: bytes)))
        case .skipped, .checksum: go(to: .magic, 4)
        case .descriptor:
            hasChecksum = bytes[0] & 4 != 0
            go(to: .frameHeader, BlockDecoder.headerLength(descriptor: bytes[0]))
        case .frameHeader: go(to: .blockHeader, 3)
        case .blockHeader: begin(blockHeader: Int(UInt32(littleEndian: bytes)), found)
        case .block(let raw, let size, let isLast):
            guard !raw || decoded - blockStart == UInt64(size) else { throw .damaged(at: stored, 0) }
            if isLast { go(to: hasChecksum ? .checksum : .magic, 4) } else { go(to: .blockHeader, 3) }
        }
        if left == 0 { try advance(found) }
    }

    private func go(to next: Step, _ length: Int) { (step, left) = (next, length) }

    /// Three bytes: whether it is the last, its type, its size (RFC 8878 section 3.1.1.2).
    private func begin(blockHeader: Int, _ found: (RawBlock) -> Void) {
        let (isLast, type, size) = (blockHeader & 1 == 1, blockHeader >> 1 & 3, blockHeader >> 3)
        blockStart = decoded
        go(to: .block(raw: type == 0, size: size, isLast: isLast), type == 1 ? 1 : size)
        if type == 0, size > 0 { found(RawBlock(decoded: decoded, stored: stored, length: size)) }
    }

    /// Bytes of a frame's header after its descriptor (RFC 8878 section 3.1.1.1).
    private static func headerLength(descriptor: UInt8) -> Int {
        let isSingleSegment = descriptor & 0x20 != 0
        let dictionary = [0, 1, 2, 4][Int(descriptor & 3)]
        let contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
        return (isSingleSegment ? 0 : 1) + dictionary + contentSize
    }
}

extension UInt32 {
    /// Up to four bytes, the lowest first.
    fileprivate init(littleEndian bytes: [UInt8]) {
        self = bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Why a zstd stream can't be decoded.
package enum BlockError: Error, Equatable {
    /// The byte of the stream at which libzstd gave up, and its number for the reason; 0 where it took or gave too little.
    case damaged(at: UInt64, UInt32)
}

extension BlockError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .damaged(let place, let code):
            "zstd data is damaged at byte \(place): "
                + (code == 0 ? "a block's length is wrong" : unsafe String(cString: ZSTD_getErrorName(0 &- Int(code))))
                + "; get the file again"
        }
    }
}
