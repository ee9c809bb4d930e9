// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
package import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

extension VerifiedBundle {
    /// Reads every block of every volume on every medium and compares its SHA-256; nothing is decoded. Blocks that no medium has
    /// right are looked for in `blockSources`.
    ///
    /// `records`: what was found good in the same files before is not read again, and what is found good now is written there.
    /// What is damaged, missing or went away meanwhile is in the report, not thrown. Throws `Interrupted`.
    /// `threads`: how many read and hash at a time, each with 256 KiB.
    package func checkVolumes(
        threads: Int, records: VerifyRecords? = nil, progress: Progress
    ) throws -> VerifyReport {
        let work = VolumeWork(self, records)
        progress.begin(total: work.files.reduce(0) { $0 + $1.volume.length })
        let pool = BufferPool(count: max(1, threads), capacity: VerifiedBlocks.pieceSize)
        defer { records?.flush() }
        try concurrently(width: max(1, threads), count: work.units.count) { number in
            let buffer = pool.take()
            defer { pool.put(buffer) }
            try work.check(work.units[number], buffer, progress)
        }
        let found = FoundBlocks(self, work.files, work.states, records)
        return try VerifyReport(self, found, blocksElsewhere(found.needed))
    }

    /// Which of these blocks the sources have right, with the source's name.
    private func blocksElsewhere(_ needed: [Int: RangeSet<Int>]) throws -> [SourcedBlocks] {
        guard !blockSources.isEmpty else { return [] }
        let buffer = Buffer(capacity: blockSize)
        let hasher = Hasher()
        var found: [SourcedBlocks] = []
        for (volume, blocks) in needed.sorted(by: { $0.key < $1.key }) {
            for block in blocks.ranges.joined() {
                try Interruption.check()
                let length = index.volumes[volume].bytes(ofBlock: block).count
                let digest = index.blockDigest(volume: volume, block: block)
                for (number, source) in blockSources.enumerated() where source.has(block, of: volume) {
                    guard try source.read(block, of: volume, into: buffer, at: 0) else { continue }
                    buffer.withBytes(0..<length) { hasher.update($0) }
                    guard Digest(hashed: hasher.finish()) == digest else { continue }
                    let place = found.firstIndex { $0.volume == volume && $0.source == number }
                    if place == nil { found.append(SourcedBlocks(volume: volume, source: number, name: source.name)) }
                    found[place ?? found.count - 1].blocks.insert(contentsOf: block..<block + 1)
                    break
                }
            }
        }
        return found
    }
}

/// Blocks of a volume that a source has right.
struct SourcedBlocks {
    let volume: Int
    /// Its place among `blockSources`.
    let source: Int
    let name: String
    var blocks = RangeSet<Int>()
}

/// A volume's file on a medium.
struct VolumeFile {
    let number: Int
    let volume: Volume
    let medium: MediaFolder
    /// Blocks that its length reaches; all of them unless it has another length than signed.
    let reach: Int
    /// What was found good before in the same file, and when.
    let known: VerifyRecords.Known?

    var path: FilePath { medium.path(of: "volumes/\(volume.name)") }
    var blocks: Range<Int> { 0..<Volume.blockCount(of: volume.length) }
}

/// What was found in a volume's file; blocks that are neither good nor bad were not read.
struct VolumeFileState {
    var good = RangeSet<Int>()
    var bad = RangeSet<Int>()
    /// Why reading it ended early.
    var gone: FileError?
}

/// The blocks to check, in pieces of work for threads.
private final class VolumeWork: Sendable {
    /// Blocks that a thread reads in one go.
    static let unitBlocks = 16

    struct Unit {
        let file: Int
        let blocks: Range<Int>
    }

    private let index: BundleIndex
    private let records: VerifyRecords?
    let files: [VolumeFile]
    let units: [Unit]
    private let found: Mutex<[VolumeFileState]>

    init(_ bundle: VerifiedBundle, _ records: VerifyRecords?) {
        (index, self.records) = (bundle.index, records)
        files = bundle.volumes.enumerated().flatMap { number, places in
            places.all.enumerated().map { place, medium in
                let blocks = 0..<Volume.blockCount(of: places.volume.length)
                let reach = blocks.prefix { places.reaches($0, on: place) }.count
                let path = medium.path(of: places.name)
                let known = records?.known(number, path: path, on: medium, blocks: blocks)
                return VolumeFile(number: number, volume: places.volume, medium: medium, reach: reach, known: known)
            }
        }
        units = files.enumerated().flatMap { number, file in
            stride(from: 0, to: file.blocks.count, by: VolumeWork.unitBlocks).map { first in
                Unit(file: number, blocks: first..<min(first + VolumeWork.unitBlocks, file.blocks.count))
            }
        }
        found = Mutex(files.map { _ in VolumeFileState() })
    }

    var states: [VolumeFileState] { found.withLock { $0 } }

    /// Reads the blocks of a unit that aren't known yet. Throws `Interrupted`.
    func check(_ unit: Unit, _ buffer: Buffer, _ progress: Progress) throws {
        let file = files[unit.file]
        progress.label = file.volume.name
        var state = VolumeFileState()
        var blocks = unit.blocks
        if let known = file.known?.good {
            state.good = known.intersection(RangeSet(unit.blocks))
            if state.good == RangeSet(unit.blocks) { blocks = 0..<0 }
        }
        if file.reach < blocks.upperBound {
            state.bad.insert(contentsOf: max(file.reach, blocks.lowerBound)..<blocks.upperBound)
            blocks = blocks.lowerBound..<max(file.reach, blocks.lowerBound)
        }
        let isGone = found.withLock { $0[unit.file].gone != nil }
        if !blocks.isEmpty, !isGone { try read(blocks, of: file, &state, buffer) }
        progress.add(unit.blocks.reduce(0) { $0 + file.volume.bytes(ofBlock: $1).count })
        found.withLock { states in
            states[unit.file].good.formUnion(state.good)
            states[unit.file].bad.formUnion(state.bad)
            states[unit.file].gone = states[unit.file].gone ?? state.gone
        }
    }

    /// Reads blocks; a block that the medium can't read is a bad one, anything else ends the file.
    private func read(_ blocks: Range<Int>, of file: VolumeFile, _ state: inout VolumeFileState, _ buffer: Buffer)
        throws
    {
        let hasher = Hasher()
        do throws(FileError) {
            let open = try file.medium.open("volumes/\(file.volume.name)")
            let status = try open.status()
            for block in blocks where !state.good.contains(block) {
                if Interruption.isRequested { break }
                let digest = index.blockDigest(volume: file.number, block: block)
                do throws(FileError) {
                    let found = try open.sha256(of: file.volume.bytes(ofBlock: block), buffer, hasher)
                    let isGood = found == digest
                    if isGood { state.good.insert(contentsOf: block..<block + 1) }
                    if !isGood { state.bad.insert(contentsOf: block..<block + 1) }
                } catch {
                    guard error.errno == .ioError, !status.isDeviceGone else { throw error }
                    state.bad.insert(contentsOf: block..<block + 1)
                }
            }
            // a file that changes while it is read says nothing about what stands there afterwards
            if let records, try open.status() == status {
                records.add(state.good.intersection(RangeSet(blocks)), of: file, status)
            }
        } catch {
            state.gone = error
        }
        try Interruption.check()
    }
}
