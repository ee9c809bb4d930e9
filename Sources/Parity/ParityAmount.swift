// SPDX-License-Identifier: Apache-2.0

/// How much parity a bundle gets: `2`, that many lost volumes or bad blocks of a stripe, or `10%` of the volumes' bytes.
package enum ParityAmount: Sendable, Equatable {
    /// So many volumes of a group may be lost, where that costs at most half of what the volumes have; else so many of about
    /// twenty equal runs.
    case lanes(Int)
    /// So many bytes of parity for a hundred of volumes, about.
    case percent(Int)

    /// The most parity lanes of a group: each costs a buffer of 1 MiB in each thread that repairs.
    package static let laneLimit = 32

    /// Reads `1` to `32`, or `1%` to `100%`; `nil` for anything else.
    package init?(parsing text: String) {
        let isPercent = text.hasSuffix("%")
        let digits = isPercent ? text.dropLast() : text[...]
        guard (1...3).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = Int(digits), (1...(isPercent ? 100 : ParityAmount.laneLimit)).contains(number)
        else { return nil }
        self = isPercent ? .percent(number) : .lanes(number)
    }
}

extension ParityAmount: CustomStringConvertible {
    package var description: String {
        switch self {
        case .lanes(let count): "\(count)"
        case .percent(let percent): "\(percent)%"
        }
    }
}

extension ParityShape {
    /// Lanes that a volume or two are cut into for `ParityAmount.lanes`.
    private static let fewLanes = 20
    /// Lanes that volumes are cut into for `ParityAmount.percent`: more of them stand more holes for the same bytes.
    private static let manyLanes = 100

    /// The shape for volumes of so many blocks; `nil` where they have none at all.
    ///
    /// Lanes are whole volumes where that amount allows it: then a lost volume costs one block of each stripe.
    package init?(_ amount: ParityAmount, blockCounts: [Int]) {
        let total = blockCounts.reduce(0, +)
        guard let longest = blockCounts.max(), longest > 0 else { return nil }
        switch amount {
        case .lanes(let parity):
            let areWhole = parity * longest * 2 <= total
            let run = areWhole ? longest : min(longest, ParityShape.share(total, ParityShape.fewLanes))
            self.init(runLength: run, laneSets: ParityShape.sets(blockCounts, run), parity: parity)
        case .percent(let percent):
            let wanted = total * percent
            let whole = wanted / 100 / (longest * ParityShape.sets(blockCounts, longest))
            let lanes = min(ParityShape.manyLanes, ParityAmount.laneLimit * 100 / percent, total)
            let run = whole > 0 ? longest : min(longest, ParityShape.share(total, lanes))
            let sets = ParityShape.sets(blockCounts, run)
            let parity = whole > 0 ? whole : (wanted + 50 * run * sets) / (100 * run * sets)
            self.init(runLength: run, laneSets: sets, parity: min(max(1, parity), ParityAmount.laneLimit))
        }
    }

    /// Blocks of each of so many parts, rounded up.
    private static func share(_ blocks: Int, _ parts: Int) -> Int { (blocks + parts - 1) / parts }

    /// The sets that runs of such a length are dealt to.
    private static func sets(_ blockCounts: [Int], _ run: Int) -> Int {
        share(blockCounts.reduce(0) { $0 + share($1, run) }, usualLanes)
    }
}
