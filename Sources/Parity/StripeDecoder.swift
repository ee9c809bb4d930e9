// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI

/// Computes lost blocks of stripes from what is left of them. One thread; memory is two blocks for each lost one of a stripe,
/// and two more.
final class StripeDecoder: @unchecked Sendable {  // one thread at a time has it: its owner keeps it in a locked list
    /// What came of a stripe.
    enum Result {
        /// The blocks of the lanes that were asked for, by lane: the first bytes of each buffer, valid until the next call.
        /// Each has its signed SHA-256.
        case rebuilt([Int: Buffer])
        /// More blocks are lost (of these lanes) than parity blocks are good.
        case beyond(lost: [Int], goodParity: Int)
        /// What came out has not the signed SHA-256: a parity file is wrong though its header says it is right.
        case wrong(lane: Int)
    }

    private let volumes: ParityVolumes
    private let set: ParitySet
    private let reader: VolumeReader
    private let source = Buffer(capacity: blockSize)
    private var remainders: [Buffer] = []
    private var results: [Buffer] = []
    private var codes: [Int: ErasureCode] = [:]
    private var encodings: [Selection: ErasureProduct] = [:]
    private var solutions: [Pattern: ErasureProduct] = [:]

    private struct Selection: Hashable {
        let dataCount: Int
        let rows: [Int]
    }

    private struct Pattern: Hashable {
        let selection: Selection
        let lost: [Int]
    }

    /// Products that are kept; a few patterns of loss are usual, random ones must not fill the memory.
    private static let cacheLimit = 64

    init(_ volumes: ParityVolumes, _ set: ParitySet) {
        (self.volumes, self.set, reader) = (volumes, set, VolumeReader(volumes))
    }

    /// Rebuilds the blocks of these lanes in a stripe. All other blocks of the stripe are read and compared with their signed
    /// digests; those that turn out to be lost too are rebuilt with them.
    func rebuild(group: Int, stripe: Int, lost: [Int]) throws -> Result {
        let first = try attempt(group, stripe, lost, badRows: [])
        guard case .wrong = first else { return first }
        // One parity file lies. Where there is one to spare, it is found by leaving out each in turn.
        for row in set.goodLanes(group: group, stripe: stripe) {
            let next = try attempt(group, stripe, lost, badRows: [row])
            if case .rebuilt = next { return next }
        }
        return first
    }

    private func attempt(
        _ number: Int, _ stripe: Int, _ known: [Int], badRows excluded: Set<Int>
    ) throws -> Result {
        let group = set.layout.groups[number]
        var (lost, badRows) = (Set(known), excluded)
        while true {
            let order = lost.sorted()
            let rows = set.goodLanes(group: number, stripe: stripe).filter { !badRows.contains($0) }
            guard order.count <= rows.count else { return .beyond(lost: order, goodParity: rows.count) }
            let chosen = Array(rows.prefix(order.count))
            guard try loadRemainders(group, stripe, chosen, &badRows) else { continue }
            guard try addOthers(group, stripe, chosen, &lost) else { continue }
            return try solve(group, stripe, order, chosen)
        }
    }

    /// Begins with the parity blocks themselves; `false` where one is damaged.
    private func loadRemainders(
        _ group: ParityGroup, _ stripe: Int, _ rows: [Int], _ bad: inout Set<Int>
    ) throws -> Bool {
        while remainders.count < rows.count { remainders.append(Buffer(capacity: blockSize)) }
        for (number, row) in rows.enumerated() {
            var isRead = false
            for place in set.lanes[group.number][row] where set.files[place].mayHave(stripe) && !isRead {
                isRead = try set.files[place].read(stripe, into: remainders[number])
            }
            guard isRead else {
                bad.insert(row)
                return false
            }
        }
        return true
    }

    /// Takes out of the remainders what the blocks that are there gave to them; `false` where more turn out to be lost, which
    /// are added to `lost`.
    private func addOthers(
        _ group: ParityGroup, _ stripe: Int, _ rows: [Int], _ lost: inout Set<Int>
    ) throws -> Bool {
        let encoding = encoding(group.lanes.count, rows)
        var isComplete = true
        for (lane, run) in group.lanes.enumerated() where !lost.contains(lane) {
            guard let block = group.block(ofLane: lane, stripe: stripe) else { continue }
            do {
                try reader.read(block, of: run.volume, into: source)
            } catch let error as BundleError where error.failure == .damaged || error.failure == .incomplete {
                lost.insert(lane)
                isComplete = false
            } catch let error as FileError where error.isMediumGone {
                lost.insert(lane)
                isComplete = false
            }
            if isComplete {
                encoding.add(lane, source, 0..<source.count, to: Array(remainders[..<rows.count]), at: 0)
            }
        }
        return isComplete
    }

    private func solve(_ group: ParityGroup, _ stripe: Int, _ lost: [Int], _ rows: [Int]) throws -> Result {
        guard let solution = solution(group.lanes.count, lost, rows) else { return .wrong(lane: lost[0]) }
        while results.count < lost.count { results.append(Buffer(capacity: blockSize)) }
        let targets = Array(results[..<lost.count])
        for target in targets {
            target.count = 0
            target.appendZeros(blockSize)
        }
        for number in lost.indices { solution.add(number, remainders[number], 0..<blockSize, to: targets, at: 0) }
        var rebuilt: [Int: Buffer] = [:]
        for (number, lane) in lost.enumerated() {
            guard let block = group.block(ofLane: lane, stripe: stripe) else { continue }
            let volume = group.lanes[lane].volume
            let target = targets[number]
            target.count = volumes.index.volumes[volume].bytes(ofBlock: block).count
            guard reader.hash(target) == volumes.index.blockDigest(volume: volume, block: block) else {
                return .wrong(lane: lane)
            }
            rebuilt[lane] = target
        }
        return .rebuilt(rebuilt)
    }

    // MARK: Products

    private func code(_ dataCount: Int) -> ErasureCode {
        if let code = codes[dataCount] { return code }
        let code = ErasureCode(data: dataCount, parity: set.layout.shape.parity)
        codes[dataCount] = code
        return code
    }

    private func encoding(_ dataCount: Int, _ rows: [Int]) -> ErasureProduct {
        let key = Selection(dataCount: dataCount, rows: rows)
        if let known = encodings[key] { return known }
        if encodings.count >= StripeDecoder.cacheLimit { encodings = [:] }
        let product = code(dataCount).encoding(rows)
        encodings[key] = product
        return product
    }

    private func solution(_ dataCount: Int, _ lost: [Int], _ rows: [Int]) -> ErasureProduct? {
        let key = Pattern(selection: Selection(dataCount: dataCount, rows: rows), lost: lost)
        if let known = solutions[key] { return known }
        if solutions.count >= StripeDecoder.cacheLimit { solutions = [:] }
        let product = code(dataCount).solution(lost: lost, parity: rows)
        solutions[key] = product
        return product
    }
}
