// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// Damaged parity blocks and headers, computed anew out of whole volumes.
struct ParityRepair: Sendable {
    private let set: ParitySet
    private let volumes: ParityVolumes

    init(_ set: ParitySet, _ volumes: ParityVolumes) { (self.set, self.volumes) = (set, volumes) }

    private var damaged: [ParityFile] { self.set.files.filter { $0.isMarred || !$0.badStripes.isEmpty } }
    var damagedFiles: [FilePath] { damaged.map(\.path) }
    var hasDamage: Bool { !damaged.isEmpty }

    /// Parity files that no medium has.
    var lackingFiles: Int { self.set.lanes.reduce(0) { $0 + $1.filter(\.isEmpty).count } }

    /// Writes the damaged blocks and headers of files that are there. A block whose digest is not that of the header is not written.
    func run(threads: Int, _ progress: Progress) throws -> (written: [FilePath], notWritten: [NotWritten]) {
        var (written, notWritten): ([FilePath], [NotWritten]) = ([], [])
        for file in damaged {
            progress.label = file.name
            do {
                try repair(file)
                written.append(file.path)
            } catch let error as FileError where error.isAboutWritability {
                notWritten.append(NotWritten(path: file.path, reason: "\(error.errno)"))
            }
        }
        return (written, notWritten)
    }

    private func repair(_ file: ParityFile) throws {
        let group = set.layout.groups[file.header.group]
        let output = try file.folder.openForWriting(file.name)
        let product = ErasureCode(data: group.lanes.count, parity: set.layout.shape.parity).encoding([file.header.lane])
        let (reader, source, target) = (
            VolumeReader(volumes), Buffer(capacity: blockSize), Buffer(capacity: blockSize)
        )
        var unsynced = 0
        for stripe in file.badStripes.sorted() {
            try Interruption.check()
            target.count = 0
            target.appendZeros(blockSize)
            for (number, lane) in group.lanes.enumerated() {
                guard let block = group.block(ofLane: number, stripe: stripe) else { continue }
                try reader.read(block, of: lane.volume, into: source)
                product.add(number, source, 0..<source.count, to: [target], at: 0)
            }
            guard reader.hash(target, 0..<blockSize) == file.header.digests[stripe] else {
                throw ParityError.wrongFile(file.path)
            }
            try target.withBytes(0..<blockSize) { try output.write($0, at: file.offset(of: stripe)) }
            unsynced += 1
            if unsynced % 64 == 0 { try output.syncData() }
        }
        let header = ParityHeader.encoded(
            set.layout, volumes.binding, group: group, lane: file.header.lane, digests: file.header.digests)
        // One end is whole at any time.
        try output.write(header, at: 0)
        try output.syncData()
        try output.truncate(to: ParityHeader.fileLength(of: group))
        try output.write(header, at: file.offset(of: group.stripes))
        try output.syncData()
    }
}
