// SPDX-License-Identifier: Apache-2.0

package import OCI

/// Blocks of a bundle's volumes, by the volume's number in the index.
package struct BlockSet: Sendable, Equatable {
    /// Never an empty set of a volume.
    package private(set) var volumes: [Int: RangeSet<Int>] = [:]

    package init() {}

    package var isEmpty: Bool { volumes.isEmpty }
    package var count: Int { volumes.values.reduce(0) { $0 + $1.count } }

    /// The blocks in order: volume by volume, ascending.
    package var runs: [(volume: Int, blocks: Range<Int>)] {
        volumes.sorted { $0.key < $1.key }.flatMap { volume, blocks in blocks.ranges.map { (volume, $0) } }
    }

    package mutating func insert(_ blocks: Range<Int>, of volume: Int) {
        guard !blocks.isEmpty else { return }
        volumes[volume, default: RangeSet()].insert(contentsOf: blocks)
    }

    package mutating func formUnion(_ other: BlockSet) {
        volumes.merge(other.volumes) { $0.union($1) }
    }

    package func union(_ other: BlockSet) -> BlockSet {
        var both = self
        both.formUnion(other)
        return both
    }

    package func subtracting(_ other: BlockSet) -> BlockSet {
        var rest = self
        rest.subtract(other)
        return rest
    }

    package mutating func subtract(_ other: BlockSet) {
        for (volume, blocks) in other.volumes {
            guard let left = volumes[volume]?.subtracting(blocks) else { continue }
            volumes[volume] = left.isEmpty ? nil : left
        }
    }

    package func intersection(_ other: BlockSet) -> BlockSet {
        var common = BlockSet()
        for (volume, blocks) in volumes {
            let both = other.volumes[volume].map(blocks.intersection) ?? RangeSet()
            if !both.isEmpty { common.volumes[volume] = both }
        }
        return common
    }

    /// What of one volume is in it.
    package func only(_ volume: Int) -> BlockSet {
        var one = BlockSet()
        one.volumes[volume] = volumes[volume]
        return one
    }

    /// Bytes of the blocks: a volume's last one may be short.
    package func bytes(_ index: BundleIndex) -> UInt64 {
        runs.reduce(0) { sum, run in
            let end = min(UInt64(run.blocks.upperBound) * UInt64(blockSize), index.volumes[run.volume].length)
            return sum + (end - UInt64(run.blocks.lowerBound) * UInt64(blockSize))
        }
    }
}

extension VerifiedBundle {
    /// The blocks that are read for an object. Throws `BundleError.objectUnknown`.
    package func blocks(of digest: Digest) throws(BundleError) -> BlockSet {
        var found = BlockSet()
        for need in try neededBlocks(for: digest) { found.insert(need.blocks, of: need.volume) }
        return found
    }

    /// Those of these blocks that nothing at hand has.
    package func missing(of blocks: BlockSet) -> BlockSet {
        var missing = BlockSet()
        for (volume, run) in blocks.runs where !has(blocks: run, of: volume) {
            for block in run where !has(blocks: block..<block + 1, of: volume) {
                missing.insert(block..<block + 1, of: volume)
            }
        }
        return missing
    }
}
