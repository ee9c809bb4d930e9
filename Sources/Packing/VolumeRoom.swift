// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Compression

/// What still fits into a volume of limited size, however badly it compresses. Room for the trailer is always kept.
struct VolumeRoom {
    /// Bytes; 0 for no limit.
    let limit: UInt64

    private static let trailer = UInt64(RawFrame.size(of: TarHeader.trailerLength))

    /// Whether a frame of `raw` bytes fits at `position`.
    func fits(frame raw: UInt64, at position: UInt64) -> Bool {
        limit == 0 || position + UInt64(RawFrame.size(of: Int(raw))) + VolumeRoom.trailer <= limit
    }

    /// Whether a member of `size` bytes, in frames of its own, fits at `position`.
    func fits(member size: UInt64, at position: UInt64) -> Bool {
        limit == 0 || position + VolumeRoom.storedBound(member: size) + VolumeRoom.trailer <= limit
    }

    /// The bytes of the largest member that fits at `position`; 0 when none does.
    func largestMember(at position: UInt64) -> UInt64 {
        let taken = position + VolumeRoom.trailer
        guard limit > taken else { return 0 }
        let (whole, rest) = (limit - taken).quotientAndRemainder(
            dividingBy: UInt64(RawFrame.size(of: maximumFrameLength)))
        let overhead = 9 + 3 * (rest / UInt64(RawFrame.blockSize) + 1)
        let raw = (whole * UInt64(maximumFrameLength) + (rest > overhead ? rest - overhead : 0)) / 512 * 512
        let header: UInt64 = raw >= 1 << 33 ? 1536 : 512
        return raw > header ? raw - header : 0
    }

    /// The most bytes that a member of `size` can take.
    private static func storedBound(member size: UInt64) -> UInt64 {
        let (whole, rest) = TarHeader.memberLength(size: size)
            .quotientAndRemainder(dividingBy: UInt64(maximumFrameLength))
        return whole * UInt64(RawFrame.size(of: maximumFrameLength))
            + (rest > 0 ? UInt64(RawFrame.size(of: Int(rest))) : 0)
    }
}
