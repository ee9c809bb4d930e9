// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat

/// The three numbers that, with the lengths of the volumes, decide which blocks make a stripe (docs/parity.md, "Layout").
package struct ParityShape: Sendable, Hashable {
    /// Lanes of a group that a writer makes at most; a reader takes what `ErasureCode.laneLimit` allows.
    static let usualLanes = 128

    /// Blocks of the longest lane; a volume that has more is cut into runs of so many.
    package let runLength: Int
    /// The sets that the lanes are dealt to.
    package let laneSets: Int
    /// Parity lanes of each group.
    package let parity: Int

    package init(runLength: Int, laneSets: Int, parity: Int) {
        (self.runLength, self.laneSets, self.parity) = (runLength, laneSets, parity)
    }
}

/// An unbroken run of blocks of one volume.
package struct ParityLane: Sendable, Equatable {
    package let volume: Int
    package let blocks: Range<Int>
}

/// Lanes that are protected together: stripe i is the i-th block of each lane that has so many.
package struct ParityGroup: Sendable, Equatable {
    /// From 0, over all groups of the layout.
    package let number: Int
    package let lanes: [ParityLane]
    /// Stripes, which is the blocks of the longest lane and of each parity lane.
    package let stripes: Int

    /// The block of a lane in a stripe; `nil` where the lane has ended, which counts as zeros.
    package func block(ofLane lane: Int, stripe: Int) -> Int? {
        let blocks = lanes[lane].blocks
        return stripe < blocks.count ? blocks.lowerBound + stripe : nil
    }
}

/// Where a block of a volume is in the stripes.
package struct StripePlace: Sendable, Hashable {
    package let group: Int
    package let lane: Int
    package let stripe: Int
}

/// All groups of a bundle: each block of each volume is in one stripe.
package struct ParityLayout: Sendable, Equatable {
    /// Stripes of a group at most, so that a parity file fits on every file system (FAT32: below 4 GiB).
    package static let bandLimit = 2048

    package let shape: ParityShape
    package let groups: [ParityGroup]
    /// Of each volume the lanes, by their first block: their first blocks, and where they are.
    private let places: [[(first: Int, group: Int, lane: Int)]]

    /// Cuts volumes of so many blocks; `nil` where the shape doesn't fit them, as that of a hostile header may not.
    package init?(_ shape: ParityShape, blockCounts: [Int], bandLimit: Int = ParityLayout.bandLimit) {
        guard let longest = blockCounts.max(), (1...max(longest, 1)).contains(shape.runLength),
            (1...ParityAmount.laneLimit).contains(shape.parity)
        else { return nil }
        let lanes = ParityLayout.lanes(blockCounts, shape.runLength)
        guard !lanes.isEmpty, (1...lanes.count).contains(shape.laneSets) else { return nil }
        let width = (lanes.count + shape.laneSets - 1) / shape.laneSets
        guard width + shape.parity <= ErasureCode.laneLimit else { return nil }
        var groups: [ParityGroup] = []
        for first in stride(from: 0, to: lanes.count, by: width) {
            let set = Array(lanes[first..<min(first + width, lanes.count)])
            ParityLayout.append(set, to: &groups, bandLimit)
        }
        self.shape = shape
        self.groups = groups
        places = ParityLayout.places(groups, volumes: blockCounts.count)
    }

    /// The runs of all volumes, longest first, so that those which are dealt together waste little.
    private static func lanes(_ blockCounts: [Int], _ runLength: Int) -> [ParityLane] {
        var lanes: [ParityLane] = []
        for (volume, count) in blockCounts.enumerated() {
            for first in stride(from: 0, to: count, by: runLength) {
                lanes.append(ParityLane(volume: volume, blocks: first..<min(first + runLength, count)))
            }
        }
        return lanes.sorted { one, other in
            (-one.blocks.count, one.volume, one.blocks.lowerBound)
                < (-other.blocks.count, other.volume, other.blocks.lowerBound)
        }
    }

    /// Cuts a set of lanes across into equal bands of at most `limit` stripes; each is a group.
    private static func append(_ set: [ParityLane], to groups: inout [ParityGroup], _ limit: Int) {
        let stripes = set[0].blocks.count
        let bands = (stripes + limit - 1) / limit
        let height = (stripes + bands - 1) / bands
        for first in stride(from: 0, to: stripes, by: height) {
            let lanes = set.filter { $0.blocks.count > first }.map { lane in
                let start = lane.blocks.lowerBound + first
                return ParityLane(volume: lane.volume, blocks: start..<min(start + height, lane.blocks.upperBound))
            }
            groups.append(
                ParityGroup(number: groups.count, lanes: lanes, stripes: min(height, stripes - first)))
        }
    }

    private static func places(_ groups: [ParityGroup], volumes: Int) -> [[(first: Int, group: Int, lane: Int)]] {
        var places = [[(first: Int, group: Int, lane: Int)]](repeating: [], count: volumes)
        for group in groups {
            for (number, lane) in group.lanes.enumerated() {
                places[lane.volume].append((lane.blocks.lowerBound, group.number, number))
            }
        }
        return places.map { $0.sorted { $0.first < $1.first } }
    }

    /// Where a block is.
    package func place(of block: Int, volume: Int) -> StripePlace {
        let lanes = places[volume]
        var range = 0..<lanes.count
        while range.count > 1 {
            let middle = range.lowerBound + range.count / 2
            range = lanes[middle].first <= block ? middle..<range.upperBound : range.lowerBound..<middle
        }
        let lane = lanes[range.lowerBound]
        return StripePlace(group: lane.group, lane: lane.lane, stripe: block - lane.first)
    }

    package static func == (left: ParityLayout, right: ParityLayout) -> Bool {
        left.shape == right.shape && left.groups == right.groups
    }

    /// Bytes of all parity files.
    package var fileBytes: UInt64 {
        groups.reduce(0) { $0 + UInt64(shape.parity) * ParityHeader.fileLength(of: $1) }
    }

    /// Whether each lane is a whole volume, or the part of one that a band has: then a lost volume costs one block of a stripe.
    package var lanesAreVolumes: Bool {
        groups.allSatisfy { group in Set(group.lanes.map(\.volume)).count == group.lanes.count }
    }
}
