// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Synchronization

/// Gets the blocks that files lack, from another medium or out of parity, and writes them: several stripes at a time.
final class BlockWriting: Sendable {
    /// Bytes after which what was written is made durable.
    private static let syncStep = 64 << 20
    /// Memory of all decoders together, which decides how many threads there are.
    private static let memory = 128 << 20

    private let volumes: ParityVolumes
    private let set: ParitySet?
    private let files: [RepairFile]
    private let workers = Mutex<[Worker]>([])
    private let state = Mutex(State())

    private struct State {
        var lost: [Int: Set<Int>] = [:]
        var written: [ObjectIdentifier: Int] = [:]
        var unsynced: Set<Int> = []
        var bytes = 0
    }

    /// What a thread works with.
    private final class Worker: @unchecked Sendable {  // taken out of the locked list while it works
        let reader: VolumeReader
        let decoder: StripeDecoder?
        let buffer = Buffer(capacity: blockSize)

        init(_ volumes: ParityVolumes, _ set: ParitySet?) {
            reader = VolumeReader(volumes)
            decoder = set.map { StripeDecoder(volumes, $0) }
        }
    }

    /// Blocks that are wanted together: those of one stripe.
    private struct Unit {
        var stripe: StripeNumber?
        var wanted: [(volume: Int, block: Int, lane: Int)]
    }

    init(_ volumes: ParityVolumes, _ set: ParitySet?, _ files: [RepairFile]) {
        (self.volumes, self.set, self.files) = (volumes, set, files)
    }

    /// Blocks that were found to be out of reach only now.
    var lostBlocks: [Int: Set<Int>] { state.withLock { $0.lost } }

    /// Blocks that a file got.
    func written(_ file: RepairFile) -> Int { state.withLock { $0.written[ObjectIdentifier(file)] ?? 0 } }

    /// Writes all that is wanted but for the blocks `beyond` reach.
    func run(beyond: [Int: Set<Int>], threads: Int, progress: Progress) throws {
        let units = units(without: beyond)
        let block = (2 * (set?.layout.shape.parity ?? 0) + 3) * blockSize
        let width = max(1, min(threads, BlockWriting.memory / block))
        do {
            try concurrently(width: width, count: units.count) { [self] number in
                let worker = workers.withLock { $0.popLast() } ?? Worker(volumes, set)
                defer { workers.withLock { $0.append(worker) } }
                try Interruption.check()
                try carryOut(units[number], worker, progress)
            }
        } catch {
            try sync()
            throw error
        }
        try sync()
    }

    private func units(without beyond: [Int: Set<Int>]) -> [Unit] {
        var wanted: [Int: Set<Int>] = [:]
        for file in files { wanted[file.target.volume, default: []].formUnion(file.target.bad) }
        for (volume, blocks) in beyond { wanted[volume]?.subtract(blocks) }
        guard let set else {
            return wanted.sorted { $0.key < $1.key }.flatMap { volume, blocks in
                blocks.sorted().map { Unit(stripe: nil, wanted: [(volume, $0, 0)]) }
            }
        }
        return set.stripes(of: wanted).sorted {
            ($0.key.group, $0.key.stripe) < ($1.key.group, $1.key.stripe)
        }.map { Unit(stripe: $0.key, wanted: $0.value) }
    }

    private func carryOut(_ unit: Unit, _ worker: Worker, _ progress: Progress) throws {
        var lost: [(volume: Int, block: Int, lane: Int)] = []
        for wanted in unit.wanted {
            do {
                let length = try worker.reader.read(wanted.block, of: wanted.volume, into: worker.buffer)
                try write(worker.buffer, length, wanted.volume, wanted.block)
            } catch let error as BundleError where [.damaged, .incomplete].contains(error.failure) {
                lost.append(wanted)
            }
        }
        guard !lost.isEmpty else { return progress.add(unit.wanted.count * blockSize) }
        var rebuilt: [Int: Buffer] = [:]
        if let stripe = unit.stripe, let decoder = worker.decoder,
            case .rebuilt(let blocks) = try decoder.rebuild(
                group: stripe.group, stripe: stripe.stripe, lost: lost.map(\.lane))
        {
            rebuilt = blocks
        }
        for wanted in lost {
            if let bytes = rebuilt[wanted.lane] {
                try write(bytes, bytes.count, wanted.volume, wanted.block)
            } else {
                _ = state.withLock { $0.lost[wanted.volume, default: []].insert(wanted.block) }
            }
        }
        progress.add(unit.wanted.count * blockSize)
    }

    /// Writes a verified block to each file that lacks it.
    private func write(_ buffer: Buffer, _ length: Int, _ volume: Int, _ block: Int) throws {
        let offset = volumes.index.volumes[volume].bytes(ofBlock: block).lowerBound
        for (number, file) in files.enumerated()
        where file.target.volume == volume && file.target.bad.contains(block) {
            let failure: FileError? = buffer.withBytes(0..<length) { bytes in
                do throws(FileError) {
                    try file.write(bytes, at: offset)
                    return nil
                } catch {
                    return error
                }
            }
            if let failure { throw failure }
            let isDue = state.withLock { state in
                state.written[ObjectIdentifier(file), default: 0] += 1
                state.unsynced.insert(number)
                state.bytes += length
                return state.bytes >= BlockWriting.syncStep
            }
            if isDue { try sync() }
        }
    }

    private func sync() throws {
        let due = state.withLock { state in
            defer { (state.unsynced, state.bytes) = ([], 0) }
            return state.unsynced
        }
        for number in due.sorted() { try files[number].sync() }
    }
}
