// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import OCI
internal import Synchronization
package import SystemPackage

/// Making the parity files that a bundle lacks (docs/parity.md, "Encoding").
package struct ParityEncoding: Sendable {
    /// What was made.
    package struct Result: Sendable {
        package let layout: ParityLayout
        /// Files that were made now, and all that there are now.
        package let made: [FilePath]
        package let fileCount: Int
        /// Bytes of all parity files.
        package let bytes: UInt64
        /// Bytes of blocks that were read and compared with their signed digests.
        package let bytesRead: UInt64
    }

    private let volumes: ParityVolumes
    private let layout: ParityLayout
    private let folder: FilePath
    /// What is lacking, group by group.
    private let work: [Work]
    private let existing: Int

    private struct Work {
        let group: ParityGroup
        let lanes: [(lane: Int, path: FilePath)]
    }

    /// Finds what the media lack, for `folder`, the bundle's folder that gets it. `name`: what the files are called.
    ///
    /// `amount`: `nil` takes that of the files that are there, or 10 %. Throws `ParityError.otherAmount` where there is
    /// parity of another amount, `.nothingToProtect`.
    package init(
        _ amount: ParityAmount?, of volumes: ParityVolumes, named name: String, in folder: FilePath
    ) throws {
        let present = try ParitySet(volumes)
        let wanted = ParityShape(amount ?? .percent(10), blockCounts: volumes.blockCounts)
        guard let wanted else { throw ParityError.nothingToProtect(name) }
        if let present, amount != nil, present.layout.shape != wanted {
            throw ParityError.otherAmount(folder.appending("parity"), existing: present.layout.words)
        }
        let layout = present?.layout ?? ParityLayout(wanted, blockCounts: volumes.blockCounts)
        guard let layout else { throw ParityError.tooManyLanes(wanted.parity + ParityShape.usualLanes) }
        (self.volumes, self.layout, self.folder) = (volumes, layout, folder.appending("parity"))
        work = layout.groups.compactMap { group -> Work? in
            let lacking = (0..<layout.shape.parity).filter { present?.lanes[group.number][$0].isEmpty ?? true }
            let files = lacking.map { lane in
                (lane: lane, path: ParityEncoding.path(name, group: group.number, lane: lane, in: folder))
            }
            return files.isEmpty ? nil : Work(group: group, lanes: files)
        }
        existing = present?.files.count ?? 0
    }

    /// Where a parity file goes; groups and lanes count from 1 in its name.
    static func path(_ bundle: String, group: Int, lane: Int, in folder: FilePath) -> FilePath {
        let digits = { (number: Int, width: Int) in
            String(repeating: "0", count: max(0, width - "\(number)".count)) + "\(number)"
        }
        return folder.appending("parity/\(bundle).\(digits(group + 1, 3)).p\(digits(lane + 1, 2))")
    }

    /// Bytes that `run` will write, those of an interrupted run included.
    package var bytesToWrite: UInt64 {
        work.reduce(0) { $0 + UInt64($1.lanes.count) * ParityHeader.fileLength(of: $1.group) }
    }

    package var shape: ParityShape { layout.shape }

    /// Reads every block once, compares it with its signed digest and writes what is lacking. Interrupted or killed, the same
    /// again goes on.
    ///
    /// Throws `BundleError.blockDamaged`, `.volumeLength`, `.volumeMissing` for what must not be encoded; `FileError` with the
    /// missing bytes before the first byte where space is short.
    package func run(threads: Int, progress: Progress) throws -> Result {
        if !work.isEmpty {
            try folder.createDirectories()
            try folder.removingLastComponent().syncDirectory()
            try checkSpace()
        }
        progress.begin(total: work.reduce(0) { $0 + $1.group.bytes(of: volumes.index) })
        let read = Atomic<UInt64>(0)
        var made: [FilePath] = []
        for part in work {
            let (group, lanes) = (part.group, part.lanes)
            let outputs = try lanes.map { lane, path in
                try ParityOutput(path, layout, volumes.binding, group: group, lane: lane)
            }
            progress.label = lanes.first?.path.lastComponent?.string ?? "parity"
            let run = try GroupEncoding(volumes, layout, outputs, threads: threads, progress)
            try run.run(counting: read)
            for output in outputs { try output.commit(run.digests(of: output)) }
            try folder.syncDirectory()
            made += lanes.map(\.path)
        }
        return Result(
            layout: layout, made: made, fileCount: existing + made.count, bytes: layout.fileBytes,
            bytesRead: read.load(ordering: .relaxed))
    }

    private func checkSpace() throws {
        var present: UInt64 = 0
        for part in work {
            for (_, path) in part.lanes { present += try ParityOutput.staged(path).statusIfPresent()?.size ?? 0 }
        }
        let (needed, free) = (bytesToWrite - min(present, bytesToWrite), try folder.freeSpace())
        guard free >= needed else { throw FileError("write", folder, .noSpace, missingBytes: needed - free) }
    }
}

extension ParityGroup {
    /// Bytes of all its lanes.
    func bytes(of index: BundleIndex) -> UInt64 {
        lanes.reduce(0) { sum, lane in
            let volume = index.volumes[lane.volume]
            guard let last = lane.blocks.last else { return sum }
            return sum + volume.bytes(ofBlock: last).upperBound
                - volume.bytes(ofBlock: lane.blocks.lowerBound).lowerBound
        }
    }
}

/// One group while its parity is made: windows of a few successive stripes, each by one thread.
private final class GroupEncoding: Sendable {
    /// Memory of all threads together.
    private static let memory = 128 << 20
    /// Bytes of parity, and of blocks read, after which what was written is made durable and recorded.
    private static let parityStep = 64 << 20
    private static let readStep = 256 << 20

    private let volumes: ParityVolumes
    private let group: ParityGroup
    private let outputs: [ParityOutput]
    private let product: ErasureProduct
    private let windows: [Range<Int>]
    private let windowSize: Int
    private let threads: Int
    private let progress: Progress
    private let state: Mutex<State>
    private let scratch = Mutex<[Scratch]>([])

    private struct State {
        /// Of each output the digests that are known.
        var digests: [[Digest?]]
        /// Written and not yet recorded.
        var pending: [(output: Int, stripe: Int)] = []
        var bytesRead = 0

        mutating func takePending() -> [(output: Int, stripe: Int, digest: Digest)] {
            defer { (pending, bytesRead) = ([], 0) }
            return pending.compactMap { entry in
                digests[entry.output][entry.stripe].map { (entry.output, entry.stripe, $0) }
            }
        }
    }

    /// What a thread works with.
    private final class Scratch: Sendable {
        let source = Buffer(capacity: blockSize)
        let targets: [Buffer]
        init(targets: Int, blocks: Int) {
            self.targets = (0..<targets).map { _ in Buffer(capacity: blocks * blockSize) }
        }
    }

    init(
        _ volumes: ParityVolumes, _ layout: ParityLayout, _ outputs: [ParityOutput], threads: Int, _ progress: Progress
    ) throws {
        let group = outputs[0].group
        (self.volumes, self.group, self.outputs, self.progress) = (volumes, group, outputs, progress)
        product = ErasureCode(data: group.lanes.count, parity: layout.shape.parity).encoding(outputs.map(\.lane))
        let blocks = GroupEncoding.memory / blockSize
        self.threads = max(1, min(threads, blocks / (outputs.count + 1)))
        windowSize = max(1, min(8, (blocks / self.threads - 1) / outputs.count))
        let digests = try outputs.map { try $0.finishedDigests(progress) }
        state = Mutex(State(digests: digests))
        windows = GroupEncoding.windows(of: digests, stripes: group.stripes, size: windowSize)
    }

    /// Runs of stripes that some output lacks.
    private static func windows(of digests: [[Digest?]], stripes: Int, size: Int) -> [Range<Int>] {
        var windows: [Range<Int>] = []
        for stripe in 0..<stripes where digests.contains(where: { $0[stripe] == nil }) {
            if let last = windows.last, last.upperBound == stripe, last.count < size {
                windows[windows.count - 1] = last.lowerBound..<stripe + 1
            } else {
                windows.append(stripe..<stripe + 1)
            }
        }
        return windows
    }

    func digests(of output: ParityOutput) -> [Digest] {
        let number = outputs.firstIndex { $0 === output } ?? 0
        return state.withLock { $0.digests[number].compactMap(\.self) }
    }

    func run(counting read: borrowing Atomic<UInt64>) throws {
        let skipped = group.bytes(of: volumes.index)
        let counted = Atomic<UInt64>(0)
        defer { _ = read.add(counted.load(ordering: .relaxed), ordering: .relaxed) }
        do {
            try concurrently(width: threads, count: windows.count) { [self] number in
                let bytes = try encode(windows[number])
                _ = counted.add(UInt64(bytes), ordering: .relaxed)
            }
        } catch {
            try record(state.withLock { $0.takePending() })
            throw error
        }
        try record(state.withLock { $0.takePending() })
        progress.add(Int(skipped - min(skipped, counted.load(ordering: .relaxed))))
    }

    /// Encodes the stripes of a window. Gives the bytes that were read.
    private func encode(_ stripes: Range<Int>) throws -> Int {
        let scratch = scratch.withLock { $0.popLast() } ?? Scratch(targets: outputs.count, blocks: windowSize)
        defer { self.scratch.withLock { $0.append(scratch) } }
        for target in scratch.targets {
            target.count = 0
            target.appendZeros(stripes.count * blockSize)
        }
        let reader = VolumeReader(volumes)
        var bytes = 0
        for (number, lane) in group.lanes.enumerated() {
            try Interruption.check()
            for stripe in stripes {
                guard let block = group.block(ofLane: number, stripe: stripe) else { break }
                let length = try reader.read(block, of: lane.volume, into: scratch.source)
                product.add(
                    number, scratch.source, 0..<scratch.source.count, to: scratch.targets,
                    at: (stripe - stripes.lowerBound) * blockSize)
                bytes += length
                progress.add(length)
            }
        }
        try write(scratch, stripes, reader, bytes)
        return bytes
    }

    private func write(_ scratch: Scratch, _ stripes: Range<Int>, _ reader: VolumeReader, _ bytes: Int) throws {
        for (output, target) in zip(outputs, scratch.targets) { try output.write(target, stripes: stripes) }
        let digests = scratch.targets.map { target in
            stripes.indices.map { stripe in
                let start = (stripe - stripes.lowerBound) * blockSize
                return reader.hash(target, start..<start + blockSize)
            }
        }
        let due = state.withLock { state in
            for output in outputs.indices {
                for stripe in stripes {
                    state.digests[output][stripe] = digests[output][stripe - stripes.lowerBound]
                    state.pending.append((output, stripe))
                }
            }
            state.bytesRead += bytes
            let isDue =
                state.pending.count * blockSize >= GroupEncoding.parityStep
                || state.bytesRead >= GroupEncoding.readStep
            return isDue ? state.takePending() : nil
        }
        if let due { try record(due) }
    }

    /// Makes what was written durable, then says so in the files.
    private func record(_ pending: [(output: Int, stripe: Int, digest: Digest)]) throws {
        guard !pending.isEmpty else { return }
        for output in outputs { try output.sync() }
        for entry in pending { try outputs[entry.output].record(entry.digest, of: entry.stripe) }
    }
}

extension ParityLayout {
    /// What it stands, for people.
    package var words: String {
        let parity = shape.parity
        guard lanesAreVolumes else {
            return "any \(parity) damaged blocks of each stripe, of up to \(widest) blocks; no whole volume"
        }
        return "any \(parity == 1 ? "one volume" : "\(parity) volumes") of a group of up to \(widest), "
            + "or \(parity == 1 ? "one damaged block" : "\(parity) damaged blocks") of each stripe"
    }

    private var widest: Int { groups.map(\.lanes.count).max() ?? 0 }
}
