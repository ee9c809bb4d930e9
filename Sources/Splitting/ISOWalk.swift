// SPDX-License-Identifier: Apache-2.0

/// A walk through an image's directories, without recursion: their depth is the image's say.
struct ISOWalk {
    private struct Folder {
        let path: String
        let depth: Int
        let offset: UInt64
        let length: UInt64
    }

    let descriptor: ISODescriptor
    let size: UInt64
    private(set) var extents: [ISOExtent] = []
    private var waiting: [Folder] = []
    private var seen: Set<UInt64> = []
    private var entries = 0
    private var directoryBytes: UInt64 = 0
    private var rockRidge: RockRidge?

    init(descriptor: ISODescriptor, size: UInt64) { (self.descriptor, self.size) = (descriptor, size) }

    /// Visits every directory once.
    mutating func run(_ image: ISOBytes) throws {
        let root = descriptor.root
        rockRidge = try RockRidge(root: firstRecord(of: root, image), blockSize: descriptor.blockSize)
        try add(root, path: "", depth: 0)
        while let folder = waiting.popLast() { try visit(folder, image) }
    }

    private func firstRecord(of root: ISORecord, _ image: ISOBytes) throws -> ISORecord? {
        let sector = try image.bytes(at: root.block * descriptor.blockSize, length: 2048, what: "the root folder")
        return ISORecord(sector.prefix(Int(sector[0])))
    }

    private mutating func add(_ record: ISORecord, path: String, depth: Int) throws {
        let offset = record.block * descriptor.blockSize
        let name = path.isEmpty ? "/" : path
        guard depth <= ISOLimits.depth else { throw ISOError.tooMany("folders inside each other", at: name) }
        guard record.length <= ISOLimits.directory else { throw ISOError.tooMany("bytes in one folder", at: name) }
        guard seen.insert(offset).inserted else { throw ISOError.loop(name, offset: offset) }
        directoryBytes += record.length
        guard directoryBytes <= ISOLimits.directories else {
            throw ISOError.tooMany("bytes in its folders", at: name)
        }
        waiting.append(Folder(path: path, depth: depth, offset: offset, length: record.length))
    }

    private mutating func visit(_ folder: Folder, _ image: ISOBytes) throws {
        let bytes = try image.bytes(
            at: folder.offset, length: folder.length, what: "the folder \(folder.path.isEmpty ? "/" : folder.path)")
        var unfinished: (path: String, sections: [ISOExtent])?
        var at = 0
        while at < bytes.count {
            guard bytes[at] != 0 else {
                at = (at / 2048 + 1) * 2048  // a record never crosses a sector; zeros fill the rest (6.8.1.1)
                continue
            }
            let end = at + Int(bytes[at])
            guard end <= bytes.count, let record = ISORecord(bytes[at..<end]) else {
                throw ISOError.malformed("directory record", offset: folder.offset + UInt64(at))
            }
            at = end
            guard !record.isDotOrDotDot else { continue }
            entries += 1
            guard entries <= ISOLimits.entries else { throw ISOError.tooMany("entries", at: folder.path) }
            let fields = try rockRidge?.fields(of: record, image) ?? RockRidge.Fields()
            let path = folder.path + "/" + (fields.name ?? ISOWalk.plainName(record.identifier))
            if record.isDirectory {
                try add(record, path: path, depth: folder.depth + 1)
            } else if !fields.isRelocated {
                try take(record, path: path, after: &unfinished)
            }
        }
    }

    /// Adds a file section; the sections of one file become one extent where they touch.
    private mutating func take(
        _ record: ISORecord, path: String, after unfinished: inout (path: String, sections: [ISOExtent])?
    ) throws {
        var sections = unfinished.flatMap { $0.path == path ? $0.sections : nil } ?? []
        if let left = unfinished, left.path != path { extents += left.sections }
        unfinished = nil
        if record.length > 0 && !record.isInterleaved {
            let offset = record.block * descriptor.blockSize
            guard record.length <= size, offset <= size - record.length else {
                throw ISOError.outside(path, offset: offset, length: record.length, imageSize: size)
            }
            if let last = sections.last, last.end == offset {
                sections.removeLast()
                sections.append(ISOExtent(path: path, offset: last.offset, length: last.length + record.length))
            } else {
                sections.append(ISOExtent(path: path, offset: offset, length: record.length))
            }
        }
        if record.hasMore { unfinished = (path, sections) } else { extents += sections }
    }

    /// An identifier without its version number (7.5.1), every byte outside printable ASCII as `?`.
    private static func plainName(_ identifier: [UInt8]) -> String {
        let name = identifier.prefix { $0 != 0x3b }.map { (32..<127).contains($0) ? $0 : 0x3f }
        return String(decoding: name, as: UTF8.self)
    }
}
