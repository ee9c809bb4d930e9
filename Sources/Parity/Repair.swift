// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
package import OCI
internal import Synchronization
package import SystemPackage
internal import Trust

/// Writing back what is damaged or missing on the media of one bundle, and nothing else (docs/parity.md, "Repair").
///
/// A block is written only with bytes that have its signed SHA-256, so that it may be stopped anywhere: the same again goes on.
package struct Repair: Sendable {
    /// What came of it.
    package struct Result: Sendable {
        package let isOriginChecked: Bool
        /// Nothing was written: what follows would be.
        package let isDryRun: Bool
        package internal(set) var smallFiles: [FilePath] = []
        /// Volume files in which blocks were replaced, with their number.
        package internal(set) var volumes: [(path: FilePath, blocks: Int)] = []
        /// Volumes that were missing and are there again.
        package internal(set) var rebuilt: [FilePath] = []
        /// Parity files in which something was replaced, or that were made again.
        package internal(set) var parity: [FilePath] = []
        package internal(set) var notWritten: [NotWritten] = []
        /// What parity the media have, in words; `nil` without any.
        package internal(set) var protection: String?
        /// Blocks that no medium has right and parity can't bring back, by volume, ascending.
        package internal(set) var lost: [(volume: Volume, blocks: [Int])] = []
        /// What needs them: objects, and names of references and files; `nil` where the media are in no state to tell.
        package internal(set) var lostObjects: [Digest] = []
        package internal(set) var lostNames: [String]?
        /// Signed small files that are right nowhere.
        package internal(set) var lostFiles: [FilePath] = []
        /// What should be known beside.
        package internal(set) var notes: [String] = []
    }

    private let basis: RepairBasis
    private let volumes: ParityVolumes
    private let threads: Int
    private let isDryRun: Bool
    private let progress: Progress

    package init(_ basis: RepairBasis, threads: Int, dryRun: Bool, progress: Progress) {
        (self.basis, self.progress) = (basis, progress)
        var volumes = basis.volumes
        volumes.usesStaged = true
        self.volumes = volumes
        (self.threads, isDryRun) = (max(1, threads), dryRun)
    }

    /// Scans the media and repairs what can be.
    ///
    /// Throws `Interrupted`, `FileError` for a medium that goes away or is full (with the missing bytes before the first byte),
    /// `ParityError.alreadyRunning`. What can't be repaired is in the result.
    package func run() throws -> Result {
        var result = Result(isOriginChecked: basis.isOriginChecked, isDryRun: isDryRun)
        try repairSmallFiles(&result)
        let scan = try VolumeScan(volumes)
        result.notes += scan.strange.map {
            "\($0.printable) is no regular file; the volume takes its place where it can be rebuilt"
        }
        let found = try ParitySet(volumes)
        progress.begin(total: scan.bytes + (found?.blockBytes ?? 0))
        let copies = try scan.run(threads: threads, progress: progress)
        let set = try found?.checked(threads: threads, progress: progress)
        result.protection = set?.layout.words
        result.notes += set?.unusable.map { "\($0.path.printable) can't be used: \($0.why)" } ?? []
        let work = try RepairWork(volumes, copies, set, dryRun: isDryRun)
        try work.checkSpace()
        progress.begin(total: progress.total.load(ordering: .relaxed) + work.bytesToWrite)
        let outcome = try work.run(threads: threads, progress: progress)
        result.take(outcome, of: volumes)
        if let set { try repairParity(set, hasLost: !outcome.lost.isEmpty, &result) }
        if !outcome.lost.isEmpty, let lost = try basis.lost(with: outcome.lost) {
            (result.lostObjects, result.lostNames) = (lost.objects, lost.names)
        }
        return result
    }

    private func repairSmallFiles(_ result: inout Result) throws {
        progress.label = "small files"
        let files = try SmallFileRepair(basis).run(dryRun: isDryRun)
        (result.smallFiles, result.lostFiles, result.notWritten) = (files.restored, files.lost, files.notWritten)
    }

    /// Parity is computed anew only out of volumes that are whole again.
    private func repairParity(_ set: ParitySet, hasLost: Bool, _ result: inout Result) throws {
        let parity = ParityRepair(set, volumes)
        let lacking = parity.lackingFiles
        guard parity.hasDamage || lacking > 0 else { return }
        let isWhole = try !hasLost && volumes.missing().isEmpty
        guard isDryRun || isWhole else {
            result.notes.append("parity itself is damaged too; it is made again once the volumes are whole")
            return
        }
        guard !isDryRun else {
            result.parity = parity.damagedFiles
            if lacking > 0 { result.notes.append("\(lacking) parity files are missing and would be made again") }
            return
        }
        let repaired = try parity.run(threads: threads, progress)
        result.parity = repaired.written
        result.notWritten += repaired.notWritten
        guard lacking > 0, let folder = volumes.media.first(where: \.hasOwnNames)?.path else { return }
        do {
            let encoding = try ParityEncoding(nil, of: volumes, named: basis.name, in: folder)
            result.parity += try encoding.run(threads: threads, progress: progress).made
        } catch let error as FileError where error.isAboutWritability {
            result.notWritten.append(NotWritten(path: error.path, reason: "\(error.errno)"))
        }
    }
}

extension Repair.Result {
    /// Whether anything was in need of repair.
    package var isClean: Bool {
        smallFiles.isEmpty && volumes.isEmpty && rebuilt.isEmpty && parity.isEmpty && notWritten.isEmpty && isWhole
    }

    /// Whether nothing is lost.
    package var isWhole: Bool { lost.isEmpty && lostFiles.isEmpty }

    /// 13 where something is lost, or stays damaged because it can't be written; 3 where only volumes are missing and there is
    /// no parity.
    package var failure: Failure? {
        if lostFiles.isEmpty, !lost.isEmpty, protection == nil, notWritten.isEmpty,
            lost.allSatisfy({ $0.blocks.count == Volume.blockCount(of: $0.volume.length) })
        {
            return .incomplete
        }
        return isWhole && notWritten.isEmpty ? nil : .damaged
    }

    fileprivate mutating func take(_ outcome: RepairWork.Outcome, of volumes: ParityVolumes) {
        (self.volumes, rebuilt) = (outcome.repaired, outcome.rebuilt)
        notWritten += outcome.notWritten
        lost = outcome.lost.sorted { $0.key < $1.key }.map { (volumes.index.volumes[$0.key], $0.value.sorted()) }
        notes += outcome.notes
    }
}
