// SPDX-License-Identifier: Apache-2.0

/// A file's place on a disc image.
package struct ISOExtent: Sendable, Equatable {
    /// Where the file stands in the image's tree, its parts separated by `/`; for messages only.
    package let path: String
    /// Bytes from the start of the image.
    package let offset: UInt64
    /// Bytes; never 0.
    package let length: UInt64

    package init(path: String, offset: UInt64, length: UInt64) {
        (self.path, self.offset, self.length) = (path, offset, length)
    }

    /// The first byte after it.
    package var end: UInt64 { offset + length }
}

/// Where the files of an ISO 9660 image lie (ECMA-119, 4th edition; names by Rock Ridge where it has them).
///
/// The extents are proposals for cutting: each lies inside the image, none overlaps another, but nothing says that the
/// image was made honestly. Interleaved and empty files, links and devices have none.
package struct ISOImage: Sendable, Equatable {
    /// As the primary volume descriptor gives it, without the spaces at its end.
    package let volumeID: String
    /// Bytes that the descriptor says the volume has; the image may be longer.
    package let volumeSize: UInt64
    /// By offset.
    package let extents: [ISOExtent]

    /// The number of bytes at the start of an image that `isISO` needs.
    package static let headerLength = ISODescriptor.offset + ISODescriptor.length

    /// Whether `header`, an image's first `headerLength` bytes, is of an ISO 9660 image.
    package static func isISO(_ header: [UInt8]) -> Bool {
        header.count >= headerLength && ISODescriptor.isDescriptor(header[ISODescriptor.offset...])
    }

    /// Reads the directories of an image of `size` bytes; `read` gives `length` bytes from `offset` and is never asked
    /// for bytes past `size`.
    ///
    /// Throws what `read` throws, and `ISOError` for an image that breaks the standard or `ISOLimits`; the caller then
    /// does without the extents.
    package init(size: UInt64, read: (_ offset: UInt64, _ length: Int) throws -> [UInt8]) throws {
        // Nothing keeps the closure after this call, though a value holds it meanwhile.
        let walk = try withoutActuallyEscaping(read) { read in
            let image = ISOBytes(size: size, read: read)
            var walk = ISOWalk(descriptor: try ISODescriptor.primary(image), size: size)
            try walk.run(image)
            return walk
        }
        volumeID = walk.descriptor.volumeID
        volumeSize = walk.descriptor.volumeSize
        extents = ISOImage.disjoint(walk.extents)
    }

    /// By offset, one of those that are equal (hard links, boot images), and of those that overlap the first.
    static func disjoint(_ extents: [ISOExtent]) -> [ISOExtent] {
        let sorted = extents.sorted {
            ($0.offset, $1.length, $0.path) < ($1.offset, $0.length, $1.path)
        }
        var kept: [ISOExtent] = []
        for extent in sorted where extent.offset >= kept.last?.end ?? 0 { kept.append(extent) }
        return kept
    }
}

/// What an image may cost to read, whatever it says.
package enum ISOLimits {
    /// Folders one inside another; ECMA-119 allows 8, Rock Ridge makers write more.
    package static let depth = 64
    /// Files and folders.
    package static let entries = 2_000_000
    /// Bytes of one directory.
    package static let directory: UInt64 = 64 << 20
    /// Bytes of all directories: 2,000,000 entries with long names, and a guard against directories that overlap.
    package static let directories: UInt64 = 1 << 30
    /// Continuation areas of one entry's Rock Ridge fields.
    package static let continuations = 8
}

/// Why an image's directories can't be used.
package enum ISOError: Error, Equatable {
    /// No primary volume descriptor where the standard wants it.
    case noDescriptor
    /// A field has a value that the standard excludes.
    case malformed(String, offset: UInt64)
    /// Something lies past the end of the image.
    case outside(String, offset: UInt64, length: UInt64, imageSize: UInt64)
    /// The directory at this offset has been seen already: the tree has a loop.
    case loop(String, offset: UInt64)
    /// More than `ISOLimits` allows of what the text names.
    case tooMany(String, at: String)
}

extension ISOError: CustomStringConvertible {
    package var description: String {
        let advice = "; check the download, or pack it as it is: it is then cut by content alone"
        switch self {
        case .noDescriptor:
            return "there is no ISO 9660 volume descriptor at byte \(ISODescriptor.offset)\(advice)"
        case .malformed(let what, let offset):
            return "the ISO image's \(what) at byte \(offset) is malformed\(advice)"
        case .outside(let what, let offset, let length, let size):
            return "\(what) has \(length) bytes at byte \(offset) of an ISO image of \(size) bytes\(advice)"
        case .loop(let path, let offset):
            return "the folder \(path) of the ISO image, at byte \(offset), contains itself\(advice)"
        case .tooMany(let what, let path):
            return "the ISO image has too many \(what) (at \(path))\(advice)"
        }
    }
}
