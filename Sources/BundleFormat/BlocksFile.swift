// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI
internal import SystemPackage

/// A file of blocks that were carried on their own: what `dray copy --blocks` writes below `blocks/` (docs/format.md, "Blocks file").
///
/// It is not signed and need not be: each block is compared with its signed digest when it is used.
package struct BlocksFile: BlockSource {
    static let magic = Array("DRAYBLK1".utf8)
    /// Bytes before the table.
    static let headerLength = 80
    /// The most blocks of one file: it stays below 4 GiB.
    static let blockLimit = 4095
    /// The most such files of one medium that are read: 1 TiB.
    static let fileLimit = 256

    /// A block, as the table names it.
    package struct Entry: Sendable, Hashable, Comparable {
        package let volume: Int
        package let block: Int

        package static func < (left: Entry, right: Entry) -> Bool {
            (left.volume, left.block) < (right.volume, right.block)
        }
    }

    private let folder: MediaFolder
    private let file: String
    /// Where the first slot is.
    private let start: UInt64
    /// Bytes of each block of the table.
    private let lengths: [Int]
    /// Ascending, each once.
    package let entries: [Entry]

    package var name: String { folder.path(of: file).string }

    /// Reads the table of `file`, a name in `blocks/` on a medium. Throws `BlocksFileError`, and `FileError`.
    package init(_ file: String, on folder: MediaFolder, of index: BundleIndex, release: Digest, index digest: Digest)
        throws
    {
        (self.folder, self.file) = (folder, file)
        let open = try folder.open(file)
        let size = try open.status().size
        guard size >= UInt64(BlocksFile.headerLength) else { throw BlocksFileError.malformed("it is too short") }
        let header = try open.bytes(at: 0, length: BlocksFile.headerLength)
        guard header.starts(with: BlocksFile.magic) else {
            throw BlocksFileError.malformed("it begins with other bytes")
        }
        guard header[8..<40].elementsEqual(release.bytes), header[40..<72].elementsEqual(digest.bytes) else {
            throw BlocksFileError.otherRelease
        }
        let count = Int(header.integer(at: 72, as: UInt32.self))
        guard (1...BlocksFile.blockLimit).contains(count), header.integer(at: 76, as: UInt32.self) == 0 else {
            throw BlocksFileError.malformed("its count is \(count)")
        }
        let end = BlocksFile.headerLength + count * 8
        guard size >= UInt64(end) else { throw BlocksFileError.malformed("its table is cut off") }
        let table = try open.bytes(at: UInt64(BlocksFile.headerLength), length: count * 8)
        entries = try BlocksFile.entries(table, index)
        lengths = entries.map { index.volumes[$0.volume].bytes(ofBlock: $0.block).count }
        start = UInt64((end + Buffer.alignment - 1) / Buffer.alignment * Buffer.alignment)
    }

    private static func entries(_ table: [UInt8], _ index: BundleIndex) throws(BlocksFileError) -> [Entry] {
        var entries: [Entry] = []
        for place in stride(from: 0, to: table.count, by: 8) {
            let entry = Entry(
                volume: Int(table.integer(at: place, as: UInt32.self)),
                block: Int(table.integer(at: place + 4, as: UInt32.self)))
            guard index.volumes.indices.contains(entry.volume),
                entry.block < Volume.blockCount(of: index.volumes[entry.volume].length)
            else {
                throw .malformed("it names block \(entry.block) of volume \(entry.volume + 1), which doesn't exist")
            }
            guard entries.last.map({ $0 < entry }) ?? true else { throw .malformed("its table is not in order") }
            entries.append(entry)
        }
        return entries
    }

    /// The place of a block in the table, by binary search.
    private func slot(_ block: Int, of volume: Int) -> Int? {
        let wanted = Entry(volume: volume, block: block)
        var range = entries.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if entries[middle] == wanted { return middle }
            range = entries[middle] < wanted ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    package func has(_ block: Int, of volume: Int) -> Bool { slot(block, of: volume) != nil }

    package func read(_ block: Int, of volume: Int, into buffer: Buffer, at start: Int) throws -> Bool {
        guard let slot = slot(block, of: volume) else { return false }
        do throws(FileError) {
            let length = lengths[slot]
            try folder.open(file).read(
                into: buffer, from: start, at: self.start + UInt64(slot) * UInt64(blockSize), length: length)
            return buffer.count == start + length
        } catch {
            return false  // whoever needs the block says that no place has it
        }
    }
}

/// Why a file of blocks is of no use.
package enum BlocksFileError: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    /// It was made for another release, or another writing of this one.
    case otherRelease

    package var description: String {
        switch self {
        case .malformed(let why): "it is no file of blocks, or a damaged one: \(why)"
        case .otherRelease: "its blocks are of another release"
        }
    }
}
