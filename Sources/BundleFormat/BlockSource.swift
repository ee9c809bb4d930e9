// SPDX-License-Identifier: Apache-2.0

package import Files
internal import SystemPackage

/// One more place where blocks of volumes may be found: blocks that were carried on their own, a spool, parity.
///
/// Nothing it gives is believed: `VerifiedBlocks` compares each block with its signed SHA-256. It may be asked by several threads at
/// a time.
package protocol BlockSource: Sendable {
    /// What it is, for messages.
    var name: String { get }

    /// Whether it may be asked for a block; reads nothing of the block itself.
    func has(_ block: Int, of volume: Int) -> Bool

    /// Writes the bytes of a block, as many as the volume has there, into `buffer` from `start` on: at most 1 MiB, for which the
    /// buffer has room. `false` where it can't after all.
    ///
    /// Throws `Interrupted`, and what must stop the reader: damage of its own is `false`.
    func read(_ block: Int, of volume: Int, into buffer: Buffer, at start: Int) throws -> Bool
}

/// Reads single blocks of volumes, each compared with its signed SHA-256, from whatever place has it. One thread; 1 MiB.
package final class BlockReader {
    private let blocks: VerifiedBlocks

    package init(_ bundle: VerifiedBundle) {
        blocks = VerifiedBlocks(bundle, VolumeFiles(bundle), capacity: blockSize)
    }

    /// Lends the verified bytes of block `block` of volume `volume`, both counted from 0 as in the index.
    ///
    /// Throws `BundleError.blockDamaged`, `.volumeLength`, `.fileUnusable` or `.volumeMissing` where no place has it right, `FileError`
    /// for a medium that goes away, and what `body` throws.
    package func withBlock<Value>(
        _ block: Int, of volume: Int, _ body: (RawSpan) throws -> Value
    ) throws -> Value {
        let (buffer, range) = try blocks.block(block, of: volume)
        return try buffer.withBytes(range) { try body($0) }
    }
}
