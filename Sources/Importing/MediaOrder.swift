// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat

/// In which order volumes that are still to come spool the least.
///
/// A block is spooled when its volume comes before another that one of its objects needs, so what a volume costs depends only on which
/// came before it: for up to `exactly` volumes the best order is found over all subsets, for more by taking the cheapest next.
struct MediaOrder: Sendable, Equatable {
    static let exactly = 12
    /// Numbers of volumes.
    private(set) var volumes: [Int] = []
    /// Bytes that coming in this order spools, and at most in another.
    private(set) var bytes: UInt64 = 0
    private(set) var worst: UInt64 = 0
    /// Whether no other order spools less.
    private(set) var isBest = true

    init() {}

    /// `needs`: what each object needs of volumes that aren't here. `kept`: what is kept as long as anything is wanted. `bytes`:
    /// how many blocks have.
    init(_ needs: [BlockSet], kept: BlockSet, bytes size: @escaping (BlockSet) -> UInt64) {
        let costs = Costs(needs, kept, size)
        guard costs.volumes.count <= MediaOrder.exactly else {
            self = MediaOrder(greedy: costs)
            return
        }
        let full = 1 << costs.volumes.count
        var best = [(bytes: UInt64, last: Int)](repeating: (.max, 0), count: full)
        var worst = [UInt64](repeating: 0, count: full)
        best[0] = (0, 0)
        for come in 0..<full {
            for next in costs.volumes.indices where come & 1 << next == 0 {
                let cost = costs.bytes(of: next, after: { come & 1 << $0 != 0 })
                let then = come | 1 << next
                if best[come].bytes + cost < best[then].bytes { best[then] = (best[come].bytes + cost, next) }
                worst[then] = max(worst[then], worst[come] + cost)
            }
        }
        var (order, come) = ([Int](), full - 1)
        while come != 0 {
            order.append(costs.volumes[best[come].last])
            come &= ~(1 << best[come].last)
        }
        (volumes, self.bytes, self.worst) = (order.reversed(), best[full - 1].bytes, worst[full - 1])
    }

    private init(greedy costs: Costs) {
        var come: Set<Int> = []
        while come.count < costs.volumes.count {
            let left = costs.volumes.indices.filter { !come.contains($0) }
            let all = left.map { (cost: costs.bytes(of: $0, after: come.contains), next: $0) }
            guard let cheapest = all.min(by: { $0 < $1 }) else { break }
            come.insert(cheapest.next)
            volumes.append(costs.volumes[cheapest.next])
            bytes += cheapest.cost
        }
        (worst, isBest) = (costs.all, false)
    }
}

/// What volumes cost that come before others.
private struct Costs {
    /// Blocks of one volume that the same other volumes are needed with.
    private struct Share {
        /// Places in `volumes`.
        let others: [Int]
        var blocks: BlockSet
    }

    let volumes: [Int]
    private let shares: [[Share]]
    private let size: (BlockSet) -> UInt64

    init(_ needs: [BlockSet], _ kept: BlockSet, _ size: @escaping (BlockSet) -> UInt64) {
        self.size = size
        let numbers = Set(needs.flatMap(\.volumes.keys)).sorted()
        let places = Dictionary(uniqueKeysWithValues: numbers.enumerated().map { ($1, $0) })
        var found: [[[Int]: BlockSet]] = Array(repeating: [:], count: numbers.count)
        let add = { (blocks: BlockSet, needed: [Int]) in
            for number in blocks.volumes.keys {
                guard let place = places[number] else { continue }
                let others = needed.filter { $0 != place }
                guard !others.isEmpty else { continue }
                found[place][others, default: BlockSet()].formUnion(blocks.only(number))
            }
        }
        for need in needs where need.volumes.count > 1 {
            add(need, need.volumes.keys.compactMap { places[$0] }.sorted())
        }
        add(kept, Array(numbers.indices))
        shares = found.map { $0.map { Share(others: $0.key, blocks: $0.value) } }
        volumes = numbers
    }

    /// Bytes that one volume leaves in the spool when it comes after those.
    func bytes(of place: Int, after come: (Int) -> Bool) -> UInt64 {
        var blocks = BlockSet()
        for share in shares[place] where !share.others.allSatisfy(come) { blocks.formUnion(share.blocks) }
        return size(blocks)
    }

    /// All that any order could spool.
    var all: UInt64 {
        shares.reduce(0) { sum, shares in
            var blocks = BlockSet()
            for share in shares { blocks.formUnion(share.blocks) }
            return sum + size(blocks)
        }
    }
}
