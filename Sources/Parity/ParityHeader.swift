// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
package import OCI

/// What parity files belong to: the digests of the signed files that say what the volumes are.
package struct ParityBinding: Sendable, Equatable {
    /// SHA-256 of `release.json` and of `index`.
    package let release: Digest
    package let index: Digest

    package init(release: Digest, index: Digest) { (self.release, self.index) = (release, index) }
}

/// The first bytes of a parity file, and again its last (docs/format.md, "Parity files"). Nothing signs it: all in it is
/// compared with the verified index before it is used.
package struct ParityHeader: Sendable, Equatable {
    static let magic = Array("DRAYPAR1".utf8)
    /// Bytes before the lane table.
    static let fixedLength = 112
    /// Bytes at the header's end: its length again, and its SHA-256.
    static let endLength = 36
    private static let laneLength = 16
    private static let alignment = 4096

    package let shape: ParityShape
    package let binding: ParityBinding
    /// Which group, and how many there are.
    package let group: Int
    package let groups: Int
    /// Which of the parity lanes, from 0.
    package let lane: Int
    /// SHA-256 of each parity block.
    package let digests: [Digest]

    /// Bytes of the header for a group: a multiple of 4096.
    static func length(of group: ParityGroup) -> Int {
        let used = fixedLength + group.lanes.count * laneLength + group.stripes * Digest.byteCount + endLength
        return (used + alignment - 1) / alignment * alignment
    }

    /// Bytes of a whole parity file.
    package static func fileLength(of group: ParityGroup) -> UInt64 {
        UInt64(2 * length(of: group)) + UInt64(group.stripes) * UInt64(blockSize)
    }

    /// Where the digest of a parity block stands.
    static func digestOffset(_ stripe: Int, in group: ParityGroup) -> Int {
        fixedLength + group.lanes.count * laneLength + stripe * Digest.byteCount
    }

    /// Everything before the digests, which is known before anything is encoded.
    static func opening(
        _ layout: ParityLayout, _ binding: ParityBinding, group: ParityGroup, lane: Int
    ) -> [UInt8] {
        var bytes = magic
        for number in [
            length(of: group), layout.shape.parity, lane, group.number, layout.groups.count, layout.shape.laneSets,
        ] { bytes.append(UInt32(number)) }
        bytes.append(UInt64(layout.shape.runLength))
        bytes.append(UInt32(group.lanes.count))
        bytes.append(UInt32(group.stripes))
        bytes += binding.release.bytes + binding.index.bytes
        for lane in group.lanes {
            bytes.append(UInt32(lane.volume))
            bytes.append(UInt32(lane.blocks.count))
            bytes.append(UInt64(lane.blocks.lowerBound))
        }
        return bytes
    }

    /// The whole header.
    static func encoded(
        _ layout: ParityLayout, _ binding: ParityBinding, group: ParityGroup, lane: Int, digests: [Digest]
    ) -> [UInt8] {
        precondition(digests.count == group.stripes)
        let length = length(of: group)
        var bytes = opening(layout, binding, group: group, lane: lane)
        bytes.reserveCapacity(length)
        for digest in digests { bytes += digest.bytes }
        bytes += [UInt8](repeating: 0, count: length - endLength - bytes.count)
        bytes.append(UInt32(length))
        return bytes + Hasher.hash(bytes)
    }
}

/// The fixed part of a header, whose numbers are only claims.
struct ParityClaim {
    let headerLength: Int
    let shape: ParityShape
    let lane: Int
    let group: Int
    let groups: Int
    let binding: ParityBinding

    /// `nil` for bytes that begin no header.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= ParityHeader.fixedLength, Array(bytes[0..<8]) == ParityHeader.magic,
            let release = Digest(bytes: bytes[48..<80]), let index = Digest(bytes: bytes[80..<112])
        else { return nil }
        let number = { (offset: Int) in Int(bytes.integer(at: offset, as: UInt32.self)) }
        headerLength = number(8)
        shape = ParityShape(
            runLength: Int(clamping: bytes.integer(at: 32, as: UInt64.self)), laneSets: number(28), parity: number(12))
        (lane, group, groups) = (number(16), number(20), number(24))
        binding = ParityBinding(release: release, index: index)
    }
}

extension ParityHeader {
    /// Reads a header of the length that the layout gives; `nil` unless each byte is what it must be.
    init?(parsing bytes: [UInt8], _ layout: ParityLayout, _ binding: ParityBinding) {
        guard let claim = ParityClaim(bytes), claim.shape == layout.shape, claim.binding == binding,
            claim.groups == layout.groups.count, (0..<layout.groups.count).contains(claim.group),
            (0..<layout.shape.parity).contains(claim.lane)
        else { return nil }
        let group = layout.groups[claim.group]
        guard bytes.count == ParityHeader.length(of: group) else { return nil }
        let digests = (0..<group.stripes).compactMap { stripe in
            let start = ParityHeader.digestOffset(stripe, in: group)
            return Digest(bytes: bytes[start..<start + Digest.byteCount])
        }
        // Written again and compared: no field can be other than it would be written.
        guard
            ParityHeader.encoded(layout, binding, group: group, lane: claim.lane, digests: digests) == bytes
        else { return nil }
        (shape, self.binding, self.digests) = (layout.shape, binding, digests)
        (self.group, groups, lane) = (claim.group, claim.groups, claim.lane)
    }
}
