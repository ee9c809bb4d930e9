// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// The blocks of volumes that are to be written, and where.
struct RepairWork: Sendable {
    /// What came of it.
    struct Outcome: Sendable {
        var repaired: [(path: FilePath, blocks: Int)] = []
        var rebuilt: [FilePath] = []
        var notWritten: [NotWritten] = []
        /// Blocks that could not be had, by volume.
        var lost: [Int: Set<Int>] = [:]
        var notes: [String] = []
    }

    /// A file that gets blocks: one of a wrong length or with damaged blocks, or the new one of a missing volume.
    struct Target: Sendable {
        let volume: Int
        let medium: Int
        /// The name that is written to; a missing volume's is a staged one.
        let name: String
        let isStaged: Bool
        /// Its length before.
        let size: UInt64
        let bad: Set<Int>
    }

    let volumes: ParityVolumes
    let set: ParitySet?
    private(set) var targets: [Target] = []
    private let isDryRun: Bool
    /// Stopped repairs' files of volumes that are there.
    private var leftovers: [VolumeCopy] = []

    init(_ volumes: ParityVolumes, _ copies: [VolumeCopy], _ set: ParitySet?, dryRun: Bool) throws {
        (self.volumes, self.set, isDryRun) = (volumes, set, dryRun)
        let named = copies.filter { !$0.isStaged }
        for copy in named where !copy.bad.isEmpty || copy.size != volumes.index.volumes[copy.volume].length {
            targets.append(Target(copy))
        }
        let present = Set(named.map(\.volume))
        for number in volumes.index.volumes.indices where !present.contains(number) {
            if let target = missing(number, copies.filter { $0.volume == number && $0.isStaged }) {
                targets.append(target)
            }
        }
        leftovers = copies.filter { $0.isStaged && present.contains($0.volume) }
    }

    /// Where a missing volume goes: on with what a stopped repair has left, else to the first medium that is a plain folder.
    private func missing(_ number: Int, _ staged: [VolumeCopy]) -> Target? {
        if let copy = staged.min(by: { $0.bad.count < $1.bad.count }) { return Target(copy) }
        guard let medium = volumes.media.firstIndex(where: \.hasOwnNames) else { return nil }
        let volume = volumes.index.volumes[number]
        return Target(
            volume: number, medium: medium, name: VolumeCopy.stagedName(volume.name), isStaged: true, size: 0,
            bad: Set(0..<Volume.blockCount(of: volume.length)))
    }

    /// Bytes of the blocks to write.
    var bytesToWrite: UInt64 { targets.reduce(0) { $0 + UInt64($1.bad.count) * UInt64(blockSize) } }

    /// Of the blocks that are wanted, those whose stripe can't give them.
    private func outOfReach(_ wanted: [Int: Set<Int>]) -> [Int: Set<Int>] {
        guard let set else { return wanted }
        return set.unrepairable(wanted)
    }

    /// Blocks that are good on no medium. Volumes that are there at all are looked at only where they are damaged.
    private func lostBlocks(_ copies: [Int: [Target]]) -> [Int: Set<Int>] {
        var lost: [Int: Set<Int>] = [:]
        for (volume, targets) in copies {
            let goodElsewhere = volumes.media.indices.contains { medium in
                !targets.contains { $0.medium == medium } && isWhole(volume, on: medium)
            }
            guard !goodElsewhere, var common = targets.first?.bad else { continue }
            for target in targets.dropFirst() { common.formIntersection(target.bad) }
            common = common.filter { block in !volumes.sources.contains { $0.has(block, of: volume) } }
            if !common.isEmpty { lost[volume] = common }
        }
        return lost
    }

    private func isWhole(_ volume: Int, on medium: Int) -> Bool {
        let wanted = volumes.index.volumes[volume]
        do throws(FileError) {
            let status = try volumes.media[medium].status(of: "volumes/\(wanted.name)")
            return status.map { $0.isRegular && $0.size == wanted.length } ?? false
        } catch {
            return false  // unreadable there: not a place to count on
        }
    }

    /// Refuses, with the missing bytes, before anything is written.
    func checkSpace() throws {
        guard !isDryRun else { return }
        let beyond = outOfReach(lostBlocks(Dictionary(grouping: targets, by: \.volume)))
        for (medium, folder) in volumes.media.enumerated() {
            var needed: UInt64 = 0
            for target in targets where target.medium == medium && beyond[target.volume]?.isEmpty ?? true {
                let length = volumes.index.volumes[target.volume].length
                needed += length - min(target.size, length)
            }
            guard needed > 0 else { continue }
            let free = try folder.path.freeSpace()
            guard free >= needed else { throw FileError("write", folder.path, .noSpace, missingBytes: needed - free) }
        }
    }

    // MARK: Carrying out

    /// Writes what can be had. A missing volume of which some blocks can't is not begun.
    func run(threads: Int, progress: Progress) throws -> Outcome {
        let lost = outOfReach(lostBlocks(Dictionary(grouping: targets, by: \.volume)))
        let feasible = targets.filter { !$0.isStaged || (lost[$0.volume]?.isEmpty ?? true) }
        var outcome = Outcome()
        outcome.lost = lost
        guard !isDryRun else {
            describe(feasible, lost, &outcome)
            return outcome
        }
        let (files, notWritten) = try open(feasible)
        outcome.notWritten = notWritten
        let writing = BlockWriting(volumes, set, files)
        try writing.run(beyond: lost, threads: threads, progress: progress)
        for (volume, blocks) in writing.lostBlocks { outcome.lost[volume, default: []].formUnion(blocks) }
        for file in files { try file.finish(volumes, written: writing.written(file), &outcome) }
        for copy in leftovers { try volumes.media[copy.medium].path(of: copy.name).removeFile() }
        return outcome
    }

    private func describe(_ feasible: [Target], _ lost: [Int: Set<Int>], _ outcome: inout Outcome) {
        for target in feasible {
            let medium = volumes.media[target.medium]
            if target.isStaged {
                outcome.rebuilt.append(medium.path(of: "volumes/\(volumes.index.volumes[target.volume].name)"))
            } else {
                let count = target.bad.subtracting(lost[target.volume] ?? []).count
                if count > 0 || target.bad.isEmpty { outcome.repaired.append((medium.path(of: target.name), count)) }
            }
        }
    }

    private func open(_ targets: [Target]) throws -> (files: [RepairFile], notWritten: [NotWritten]) {
        var (files, notWritten): ([RepairFile], [NotWritten]) = ([], [])
        for target in targets {
            let medium = volumes.media[target.medium]
            do {
                files.append(try RepairFile(target, on: medium))
            } catch let error as FileError where error.isAboutWritability {
                notWritten.append(NotWritten(path: medium.path(of: target.name), reason: "\(error.errno)"))
            }
        }
        return (files, notWritten)
    }
}

extension RepairWork.Target {
    fileprivate init(_ copy: VolumeCopy) {
        self.init(
            volume: copy.volume, medium: copy.medium, name: copy.name, isStaged: copy.isStaged, size: copy.size,
            bad: copy.bad)
    }
}

/// A volume file that is written to. It is opened for each group of writes: a set may have more than a process may open.
final class RepairFile: Sendable {
    let target: RepairWork.Target
    private let medium: MediaFolder

    /// Makes a missing volume's staged file, and tries that the file may be written.
    init(_ target: RepairWork.Target, on medium: MediaFolder) throws {
        (self.target, self.medium) = (target, medium)
        if target.isStaged { try medium.path.appending("volumes").createDirectories() }
        let file = try medium.openForWriting(target.name, creating: target.isStaged)
        guard try file.lock() else { throw ParityError.alreadyRunning(file.path) }
        if target.isStaged { try medium.path.appending("volumes").syncDirectory() }
    }

    func write(_ bytes: RawSpan, at offset: UInt64) throws(FileError) {
        try medium.openForWriting(target.name).write(bytes, at: offset)
    }

    func sync() throws(FileError) { try medium.openForWriting(target.name).syncData() }

    /// Sets the length and makes all durable; a missing volume gets its name when it is whole.
    func finish(_ volumes: ParityVolumes, written: Int, _ outcome: inout RepairWork.Outcome) throws {
        let volume = volumes.index.volumes[target.volume]
        let isWhole = outcome.lost[target.volume]?.isDisjoint(with: target.bad) ?? true
        let file = try medium.openForWriting(target.name)
        if isWhole, try file.status().size != volume.length { try file.truncate(to: volume.length) }
        try file.syncData()
        guard target.isStaged else {
            if written > 0 || target.bad.isEmpty { outcome.repaired.append((file.path, written)) }
            return
        }
        guard isWhole else { return }
        let (path, folder) = (medium.path(of: "volumes/\(volume.name)"), medium.path.appending("volumes"))
        try file.path.rename(to: path)
        try folder.syncDirectory()
        outcome.rebuilt.append(path)
    }
}
