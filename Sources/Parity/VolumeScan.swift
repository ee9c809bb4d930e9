// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// The file of a volume on one medium, or what a stopped repair has left of one.
struct VolumeCopy: Sendable {
    let volume: Int
    let medium: Int
    /// Its name below the medium.
    let name: String
    let isStaged: Bool
    /// Bytes that it has.
    let size: UInt64
    /// Blocks that are not what was signed, or that the medium can't read.
    var bad: Set<Int> = []

    static func stagedName(_ volume: String) -> String { "volumes/.\(volume).partial" }
}

/// Reads every volume on every medium and finds the blocks that are damaged.
struct VolumeScan: Sendable {
    private static let unitBlocks = 16

    private let volumes: ParityVolumes
    private(set) var copies: [VolumeCopy] = []
    /// Names that should be volumes and are links or folders; they are left alone.
    private(set) var strange: [FilePath] = []

    init(_ volumes: ParityVolumes) throws(FileError) {
        self.volumes = volumes
        for (number, volume) in volumes.index.volumes.enumerated() {
            for (medium, folder) in volumes.media.enumerated() {
                let staged = VolumeCopy.stagedName(volume.name)
                for (name, isStaged) in [("volumes/\(volume.name)", false), (staged, true)] {
                    guard let status = try folder.status(of: name) else { continue }
                    guard status.isRegular else {
                        strange.append(folder.path(of: name))
                        continue
                    }
                    copies.append(
                        VolumeCopy(volume: number, medium: medium, name: name, isStaged: isStaged, size: status.size))
                }
            }
        }
    }

    /// Bytes that `run` reads.
    var bytes: UInt64 { copies.reduce(0) { $0 + min($1.size, volumes.index.volumes[$1.volume].length) } }

    /// The copies with their damaged blocks.
    func run(threads: Int, progress: Progress) throws -> [VolumeCopy] {
        let counts = volumes.blockCounts
        let units = self.copies.indices.flatMap { copy in
            let count = counts[self.copies[copy].volume]
            return stride(from: 0, to: count, by: VolumeScan.unitBlocks).map { first in
                (copy: copy, blocks: first..<min(first + VolumeScan.unitBlocks, count))
            }
        }
        let bad = Mutex([Int: Set<Int>]())
        let pool = BufferPool(count: threads, capacity: blockSize)
        let (copies, volumes) = (self.copies, self.volumes)
        try concurrently(width: threads, count: units.count) { number in
            let unit = units[number]
            let buffer = pool.take()
            defer { pool.put(buffer) }
            let copy = copies[unit.copy]
            progress.label = volumes.index.volumes[copy.volume].name
            let found = try volumes.badBlocks(unit.blocks, of: copy, buffer, progress)
            if !found.isEmpty { bad.withLock { $0[unit.copy, default: []].formUnion(found) } }
        }
        let found = bad.withLock { $0 }
        return copies.enumerated().map { number, copy in
            var copy = copy
            copy.bad = found[number] ?? []
            return copy
        }
    }
}

extension ParityVolumes {
    fileprivate func badBlocks(
        _ blocks: Range<Int>, of copy: VolumeCopy, _ buffer: Buffer, _ progress: Progress
    ) throws -> [Int] {
        let volume = index.volumes[copy.volume]
        var bad: [Int] = []
        for block in blocks {
            try Interruption.check()
            let range = volume.bytes(ofBlock: block)
            guard range.upperBound <= copy.size else {
                bad.append(block)
                continue
            }
            do throws(FileError) {
                let file = try media[copy.medium].open(copy.name)
                try file.read(into: buffer, at: range.lowerBound, length: range.count)
            } catch {
                guard error.isAboutContent || error.isMissing else { throw error }
                buffer.count = 0
            }
            let digest = buffer.withBytes { Digest(of: $0) }
            if buffer.count != range.count || digest != index.blockDigest(volume: copy.volume, block: block) {
                bad.append(block)
            }
            progress.add(range.count)
        }
        return bad
    }
}
