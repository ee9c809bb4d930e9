// SPDX-License-Identifier: Apache-2.0

internal import CGear

/// Content-defined chunking: cut points that move with the content, so that equal runs of two inputs become equal
/// chunks (FastCDC, Xia et al., USENIX ATC '16, normalised level 2, over a fixed public table).
package struct FastCDC: Sendable, Equatable {
    /// What the index calls this chunker with these parameters; other cut points need another name.
    package static let name = "fastcdc-nc2-16k-64k-256k-v1"
    /// 16, 64 and 256 KiB, the only parameters in use (reference/dedupe.md, section 1).
    package static let standard = FastCDC()

    /// Bytes; only the last chunk of an input may be shorter.
    package let minimum = 16 << 10
    /// Bytes; below it a cut is four times rarer than the mean, above it four times more frequent.
    package let average = 64 << 10
    /// Bytes; no chunk is longer.
    package let maximum = 256 << 10

    // Normalised level 2: log2(average) + 2 bits below the average. They lie evenly over the upper 48 bits, where a
    // gear hash depends on the most bytes: bits 63 - floor(k * 48 / 18) for k in 0..<18.
    static let smallMask: UInt64 = 0xa4a4_a4a4_a4a4_0000
    // Level 2 above the average: the same bits without k = 3, 7, 11, 15. A subset, so that two inputs that fall into
    // step with each other at different distances from their last cut still agree on the next.
    static let largeMask: UInt64 = 0xa424_84a0_a424_0000

    /// The length of the first chunk of `bytes`, 1...`maximum`; `nil` when more bytes are needed to decide (fewer than
    /// `maximum`, and not the end of the input) or when there are none.
    package func cut(_ bytes: RawSpan, isEnd: Bool) -> Int? {
        guard !bytes.isEmpty, isEnd || bytes.byteCount >= maximum else { return nil }
        return unsafe bytes.withUnsafeBytes { memory in
            unsafe dray_gear_cut(
                memory.baseAddress, memory.count, minimum, average, maximum, FastCDC.smallMask, FastCDC.largeMask)
        }
    }
}
