// SPDX-License-Identifier: Apache-2.0

internal import CZstd

/// Opens zstd frames whose lengths are known beforehand from a signed index. One thread at a time.
@safe
package final class FrameDecoder: @unchecked Sendable {  // a decoder belongs to one lane
    private let context: OpaquePointer

    package init() {
        guard let context = unsafe ZSTD_createDCtx() else { preconditionFailure("libzstd: out of memory") }
        unsafe self.context = context
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    /// Decodes exactly one frame into `target`, whose count is exactly the length that the frame must give.
    ///
    /// No more than that is ever written. Throws `FrameError` when the frame states another length, is followed or cut
    /// short by anything, needs a dictionary, or is damaged.
    @unsafe package func decode(_ frame: RawSpan, into target: UnsafeMutableRawBufferPointer) throws(FrameError) {
        let failure: FrameError? = unsafe frame.withUnsafeBytes { source in
            let stated = unsafe ZSTD_getFrameContentSize(source.baseAddress, source.count)
            guard stated == UInt64(target.count) else { return .wrongLength(expected: target.count) }
            guard unsafe ZSTD_findFrameCompressedSize(source.baseAddress, source.count) == source.count else {
                return .notOneFrame
            }
            let result = unsafe ZSTD_decompressDCtx(
                context, target.baseAddress, target.count, source.baseAddress, source.count)
            guard ZSTD_isError(result) == 0 else { return .damaged(UInt32(truncatingIfNeeded: 0 &- result)) }
            return result == target.count ? nil : .wrongLength(expected: target.count)
        }
        if let failure { throw failure }
    }
}

/// Why a frame can't be made or opened.
package enum FrameError: Error, Equatable {
    /// The frame does not decode to as many bytes as the index says.
    case wrongLength(expected: Int)
    /// The range holds something beside one whole frame.
    case notOneFrame
    /// libzstd's number for it.
    case damaged(UInt32)
    /// What was just encoded decodes to something else.
    case notReproduced
}

extension FrameError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .wrongLength(let expected): "a frame does not decode to the \(expected) bytes that the index says"
        case .notOneFrame: "a frame's range holds something beside one zstd frame"
        case .damaged(let code):
            "a frame can't be decoded: \(unsafe String(cString: ZSTD_getErrorName(0 &- Int(code))))"
        case .notReproduced:
            "a frame does not decode to what was put in; check this machine's memory before packing again"
        }
    }
}
