// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
package import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

extension VerifiedBundle {
    /// Reads every block of every volume on every medium and compares its SHA-256; nothing is decoded.
    ///
    /// What is damaged or missing is in the report, not thrown. Throws `Interrupted`, and `FileError` when a medium goes
    /// away.
    /// `threads`: how many read and hash at a time, each with 256 KiB.
    package func checkVolumes(threads: Int, progress: Progress) throws -> VerifyReport {
        let work = VolumeWork(self)
        progress.begin(total: work.files.reduce(0) { $0 + $1.volume.length })
        let bad = Mutex([Int: [Int]]())
        let pool = BufferPool(count: max(1, threads), capacity: VerifiedBlocks.pieceSize)
        try concurrently(width: max(1, threads), count: work.units.count) { number in
            let unit = work.units[number]
            let buffer = pool.take()
            defer { pool.put(buffer) }
            let found = try work.badBlocks(of: unit, buffer, progress)
            if !found.isEmpty { bad.withLock { $0[unit.file, default: []] += found } }
        }
        return try VerifyReport(self, work.results(bad.withLock { $0 }))
    }
}

/// The blocks to check, in pieces of work for threads.
private struct VolumeWork: Sendable {
    /// Blocks that a thread reads in one go.
    static let unitBlocks = 16

    struct File {
        let number: Int
        let volume: Volume
        let medium: MediaFolder
    }

    struct Unit {
        let file: Int
        let blocks: Range<Int>
    }

    let bundle: VerifiedBundle
    private(set) var files: [File] = []
    private(set) var units: [Unit] = []

    init(_ bundle: VerifiedBundle) {
        self.bundle = bundle
        for (number, places) in bundle.volumes.enumerated() {
            for medium in places.media {
                let count = Volume.blockCount(of: places.volume.length)
                for first in stride(from: 0, to: count, by: VolumeWork.unitBlocks) {
                    units.append(Unit(file: files.count, blocks: first..<min(first + VolumeWork.unitBlocks, count)))
                }
                files.append(File(number: number, volume: places.volume, medium: medium))
            }
        }
    }

    /// The blocks of a unit whose bytes are not what was signed, or that the medium can't read.
    func badBlocks(of unit: Unit, _ buffer: Buffer, _ progress: Progress) throws -> [Int] {
        let entry = files[unit.file]
        progress.label = entry.volume.name
        let file = try entry.medium.open("volumes/\(entry.volume.name)")
        let hasher = Hasher()
        var bad: [Int] = []
        for block in unit.blocks {
            try Interruption.check()
            let range = entry.volume.bytes(ofBlock: block)
            let digest = bundle.index.blockDigest(volume: entry.number, block: block)
            if try file.sha256(of: range, buffer, hasher) != digest { bad.append(block) }
            progress.add(range.count)
        }
        return bad
    }

    /// What was found, for every volume on every medium, and those that are nowhere.
    func results(_ bad: [Int: [Int]]) -> [VolumeResult] {
        var results: [VolumeResult] = []
        for (number, places) in bundle.volumes.enumerated() {
            for (index, file) in files.enumerated() where file.number == number {
                let blocks = bad[index]?.sorted() ?? []
                let path = file.medium.path(of: places.name)
                results.append(
                    VolumeResult(number: number, volume: places.volume, path: path, badBlocks: blocks, fault: nil))
            }
            if places.media.isEmpty || places.unusable != nil {
                results.append(
                    VolumeResult(
                        number: number, volume: places.volume, path: nil, badBlocks: [],
                        fault: places.unusable ?? .volumeMissing(places.volume.name)))
            }
        }
        return results
    }
}

extension OpenFile {
    /// The digest of a range; `nil` where the file ends before or the medium can't read it.
    fileprivate func sha256(
        of range: Range<UInt64>, _ buffer: Buffer, _ hasher: Hasher
    ) throws(FileError) -> Digest? {
        var offset = range.lowerBound
        var isWhole = true
        while offset < range.upperBound, isWhole {
            let length = min(buffer.capacity, Int(range.upperBound - offset))
            do throws(FileError) {
                try read(into: buffer, at: offset, length: length)
            } catch {
                guard error.errno == .ioError else { throw error }
                buffer.count = 0
            }
            isWhole = buffer.count == length
            buffer.withBytes { hasher.update($0) }
            offset += UInt64(length)
        }
        let digest = Digest(hashed: hasher.finish())
        return isWhole ? digest : nil
    }
}
