// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
package import Files
internal import OCI
internal import Synchronization
package import SystemPackage

/// One parity file on a medium, whose header is whole at one of its ends at least.
package struct ParityFile: Sendable {
    package let folder: MediaFolder
    /// Its name below the folder.
    package let name: String
    package let header: ParityHeader
    let headerLength: Int
    /// Whether the header is damaged at one end, or the length is wrong.
    package let isMarred: Bool
    /// Stripes whose block is known to be damaged.
    package internal(set) var badStripes: Set<Int> = []

    package var path: FilePath { folder.path(of: name) }

    /// Where a parity block stands.
    func offset(of stripe: Int) -> UInt64 { UInt64(headerLength) + UInt64(stripe) * UInt64(blockSize) }

    /// Whether that block may be right.
    func mayHave(_ stripe: Int) -> Bool { !badStripes.contains(stripe) }
}

/// The parity files of one bundle among its media.
package struct ParitySet: Sendable {
    package let layout: ParityLayout
    /// The usable files.
    package private(set) var files: [ParityFile]
    /// Files below `parity/` that can't be used, and why, in words.
    package let unusable: [(path: FilePath, why: String)]
    /// Of each group and parity lane the files that have it, as numbers in `files`.
    let lanes: [[[Int]]]

    /// Files with parity beside the volumes of a medium that are looked at; more are a hostile medium's.
    private static let fileLimit = 10_000

    /// Looks for the parity files of a bundle; `nil` where there is none that can be used. Where there are two kinds, as after
    /// another amount was chosen, the one with more files counts. Throws `FileError` for a medium that can't be listed.
    package init?(_ volumes: ParityVolumes) throws(FileError) {
        var search = ParitySearch(volumes)
        for folder in volumes.media {
            for name in try folder.parityNames().prefix(ParitySet.fileLimit) { try search.look(at: name, in: folder) }
        }
        guard let shape = search.commonShape, let layout = search.layouts[shape] ?? nil else { return nil }
        self.layout = layout
        files = search.found.filter { $0.header.shape == shape }
        let others = search.found.filter { $0.header.shape != shape }
        unusable = search.unusable + others.map { ($0.path, "it belongs to parity of another amount") }
        var lanes = layout.groups.map { _ in [[Int]](repeating: [], count: layout.shape.parity) }
        for (number, file) in files.enumerated() { lanes[file.header.group][file.header.lane].append(number) }
        self.lanes = lanes
    }

    /// The parity lanes of a group that have a good block in a stripe, as far as is known.
    package func goodLanes(group: Int, stripe: Int) -> [Int] {
        lanes[group].indices.filter { lane in lanes[group][lane].contains { files[$0].mayHave(stripe) } }
    }

    /// Of blocks that no medium has right (by volume), those that parity can't bring back: their stripe has more of them than
    /// good parity blocks. A missing volume counts with all its blocks.
    package func unrepairable(_ bad: [Int: Set<Int>]) -> [Int: Set<Int>] {
        var lost: [Int: Set<Int>] = [:]
        for (stripe, places) in stripes(of: bad) where places.count > goodLanes(stripe).count {
            for place in places { lost[place.volume, default: []].insert(place.block) }
        }
        return lost
    }

    private func goodLanes(_ stripe: StripeNumber) -> [Int] { goodLanes(group: stripe.group, stripe: stripe.stripe) }

    /// The stripes that such blocks are in.
    func stripes(of bad: [Int: Set<Int>]) -> [StripeNumber: [(volume: Int, block: Int, lane: Int)]] {
        var stripes: [StripeNumber: [(volume: Int, block: Int, lane: Int)]] = [:]
        for (volume, blocks) in bad {
            for block in blocks {
                let place = layout.place(of: block, volume: volume)
                stripes[StripeNumber(group: place.group, stripe: place.stripe), default: []].append(
                    (volume, block, place.lane))
            }
        }
        return stripes
    }

    /// The same set after every parity block was read and compared with the digest in its header.
    package func checked(threads: Int, progress: Progress) throws -> ParitySet {
        let stripesOfFiles = files.map { layout.groups[$0.header.group].stripes }
        let units = files.indices.flatMap { number in
            stride(from: 0, to: stripesOfFiles[number], by: 16).map { first in
                (file: number, stripes: first..<min(first + 16, stripesOfFiles[number]))
            }
        }
        let bad = Mutex([Int: Set<Int>]())
        let pool = BufferPool(count: threads, capacity: blockSize)
        let files = files
        try concurrently(width: threads, count: units.count) { number in
            let unit = units[number]
            let buffer = pool.take()
            defer { pool.put(buffer) }
            progress.label = files[unit.file].name
            for stripe in unit.stripes {
                try Interruption.check()
                let isGood = try files[unit.file].read(stripe, into: buffer)
                if !isGood { _ = bad.withLock { $0[unit.file, default: []].insert(stripe) } }
                progress.add(blockSize)
            }
        }
        var checked = self
        for (number, stripes) in bad.withLock({ $0 }) { checked.files[number].badStripes = stripes }
        return checked
    }

    /// Bytes of all parity blocks at hand.
    package var blockBytes: UInt64 {
        files.reduce(0) { $0 + UInt64(layout.groups[$1.header.group].stripes) * UInt64(blockSize) }
    }
}

/// One stripe of a layout.
package struct StripeNumber: Sendable, Hashable {
    package let group: Int
    package let stripe: Int
}

extension ParityFile {
    /// Reads a parity block and compares it with the digest in the header; `false` where it is damaged.
    func read(_ stripe: Int, into buffer: Buffer) throws(FileError) -> Bool {
        do throws(FileError) {
            let file = try folder.open(name)
            try file.read(into: buffer, at: offset(of: stripe), length: blockSize)
        } catch {
            guard error.isAboutContent || error.isMissing else { throw error }
            return false
        }
        return buffer.count == blockSize && buffer.withBytes { Digest(of: $0) } == header.digests[stripe]
    }
}

extension MediaFolder {
    /// The names below `parity/`, those of unfinished work left out.
    func parityNames() throws(FileError) -> [String] {
        try names(below: "parity").filter { !$0.hasPrefix("parity/.") }
    }
}

/// Sorts what stands below `parity/`.
private struct ParitySearch {
    /// Different shapes that a layout is computed for; a hostile medium may claim any number.
    private static let shapeLimit = 4

    private let volumes: ParityVolumes
    private let blockCounts: [Int]
    private(set) var layouts: [ParityShape: ParityLayout?] = [:]
    private(set) var found: [ParityFile] = []
    private(set) var unusable: [(path: FilePath, why: String)] = []

    init(_ volumes: ParityVolumes) { (self.volumes, blockCounts) = (volumes, volumes.blockCounts) }

    /// The shape that most files have; of equal ones the first that was found.
    var commonShape: ParityShape? {
        var counts: [(shape: ParityShape, count: Int)] = []
        for file in found {
            if let known = counts.firstIndex(where: { $0.shape == file.header.shape }) {
                counts[known].count += 1
            } else {
                counts.append((file.header.shape, 1))
            }
        }
        let most = counts.map(\.count).max()
        return counts.first { $0.count == most }?.shape
    }

    mutating func look(at name: String, in folder: MediaFolder) throws(FileError) {
        let path = folder.path(of: name)
        do throws(FileError) {
            let file = try folder.open(name)
            let size = try file.status().size
            let headers = try [header(of: file, size, atEnd: false), header(of: file, size, atEnd: true)]
            guard let header = headers.compactMap(\.self).first, let layout = layouts[header.shape] ?? nil else {
                unusable.append((path, "it is no parity of this bundle, or its header is damaged at both ends"))
                return
            }
            let group = layout.groups[header.group]
            let isMarred = headers[0] != headers[1] || size != ParityHeader.fileLength(of: group)
            found.append(
                ParityFile(
                    folder: folder, name: name, header: header, headerLength: ParityHeader.length(of: group),
                    isMarred: isMarred))
        } catch {
            guard error.isAboutContent || error.isMissing || error.errno == .permissionDenied else { throw error }
            unusable.append((path, "\(error.errno)"))
        }
    }

    /// The header at one end of a file, if it is whole and of this bundle. Its length comes from the index, not from the file.
    private mutating func header(
        of file: borrowing OpenFile, _ size: UInt64, atEnd: Bool
    ) throws(FileError) -> ParityHeader? {
        let fixed = UInt64(ParityHeader.fixedLength + ParityHeader.endLength)
        guard size >= fixed else { return nil }
        var start: UInt64 = 0
        if atEnd {
            let end = try readable(file, at: size - UInt64(ParityHeader.endLength), length: 4)
            guard let length = end.map({ UInt64($0.integer(at: 0, as: UInt32.self)) }), (fixed...size).contains(length)
            else { return nil }
            start = size - length
        }
        guard let opening = try readable(file, at: start, length: ParityHeader.fixedLength),
            let claim = ParityClaim(opening), claim.binding == volumes.binding, let layout = layout(claim.shape),
            layout.groups.indices.contains(claim.group)
        else { return nil }
        let length = ParityHeader.length(of: layout.groups[claim.group])
        guard claim.headerLength == length, size - start >= UInt64(length),
            let bytes = try readable(file, at: start, length: length)
        else { return nil }
        return ParityHeader(parsing: bytes, layout, volumes.binding)
    }

    /// Bytes of a file; `nil` where the medium can't read them.
    private func readable(
        _ file: borrowing OpenFile, at offset: UInt64, length: Int
    ) throws(FileError) -> [UInt8]? {
        do throws(FileError) {
            return try file.bytes(at: offset, length: length)
        } catch {
            guard error.errno == .ioError else { throw error }
            return nil
        }
    }

    private mutating func layout(_ shape: ParityShape) -> ParityLayout? {
        if let known = layouts[shape] { return known }
        guard layouts.count < ParitySearch.shapeLimit else { return nil }
        let layout = ParityLayout(shape, blockCounts: blockCounts)
        layouts[shape] = .some(layout)
        return layout
    }
}
