// SPDX-License-Identifier: Apache-2.0

package import OCI

/// The unit of verification and damage: 1 MiB of a volume file (docs/format.md).
package let blockSize = 1 << 20

/// The most bytes that a frame of an archive volume decodes to.
package let maximumFrameLength = 4 << 20

/// One file below `volumes/`.
package struct Volume: Sendable, Equatable {
    package enum Kind: UInt8, Sendable {
        /// zstd frames that decode to a tar.
        case archive = 0
        /// A vendor's own file.
        case plain = 1
    }

    /// The file's name below `volumes/`.
    package var name: String
    package var kind: Kind
    /// Bytes.
    package var length: UInt64
    package var digest: Digest

    package init(name: String, kind: Kind, length: UInt64, digest: Digest) {
        (self.name, self.kind, self.length, self.digest) = (name, kind, length, digest)
    }

    /// How many blocks a file of `length` bytes has.
    package static func blockCount(of length: UInt64) -> Int {
        Int((length + UInt64(blockSize) - 1) / UInt64(blockSize))
    }
}

/// A stored range of a volume that decodes alone.
package struct Frame: Sendable, Equatable {
    package enum Encoding: UInt32, Sendable {
        case zstd = 0
        case raw = 1
    }

    package var volume: UInt32
    package var encoding: Encoding
    /// Where it starts in the volume file.
    package var offset: UInt64
    /// Bytes in the volume; 0 in the one frame of a plain volume, which covers the file.
    package var storedLength: UInt32
    /// Decoded bytes; 0 as above.
    package var rawLength: UInt32

    package init(volume: UInt32, encoding: Encoding, offset: UInt64, storedLength: UInt32, rawLength: UInt32) {
        (self.volume, self.encoding, self.offset) = (volume, encoding, offset)
        (self.storedLength, self.rawLength) = (storedLength, rawLength)
    }
}

/// A run of a chunk's bytes: from `offset` in the decoded bytes of `frame`, going on through the frames that follow.
package struct Part: Sendable, Equatable {
    package var frame: UInt32
    package var offset: UInt32
    package var length: UInt64

    package init(frame: UInt32, offset: UInt32, length: UInt64) {
        (self.frame, self.offset, self.length) = (frame, offset, length)
    }
}

/// Bytes stored once.
package struct Chunk: Sendable, Equatable {
    package var digest: Digest
    package var length: UInt64
    package var firstPart: UInt32
    package var partCount: UInt32

    package init(digest: Digest, length: UInt64, firstPart: UInt32, partCount: UInt32) {
        (self.digest, self.length, self.firstPart, self.partCount) = (digest, length, firstPart, partCount)
    }
}

/// A range of a chunk, as a piece of an object.
package struct Segment: Sendable, Equatable {
    package var chunk: UInt32
    package var offset: UInt64
    package var length: UInt64

    package init(chunk: UInt32, offset: UInt64, length: UInt64) {
        (self.chunk, self.offset, self.length) = (chunk, offset, length)
    }
}

/// A place where a site may already have the bytes of a chunk that a delta leaves out.
package struct External: Sendable, Equatable {
    /// The `place` of a file: an ISO image or a vendor archive of an earlier release.
    package static let file = UInt32.max

    package var chunk: UInt32
    /// `External.file`, or the number of the repository in `Release.Base.repositories` where `object` is a blob.
    package var place: UInt32
    /// The blob or the file that holds the chunk.
    package var object: Digest
    /// Where the chunk begins in it, bytes.
    package var offset: UInt64

    package init(chunk: UInt32, place: UInt32, object: Digest, offset: UInt64) {
        (self.chunk, self.place, self.object, self.offset) = (chunk, place, object, offset)
    }
}

/// What the bundle delivers under a digest.
package struct Object: Sendable, Equatable {
    package var digest: Digest
    package var size: UInt64
    package var firstSegment: UInt32
    package var segmentCount: UInt32

    package init(digest: Digest, size: UInt64, firstSegment: UInt32, segmentCount: UInt32) {
        (self.digest, self.size) = (digest, size)
        (self.firstSegment, self.segmentCount) = (firstSegment, segmentCount)
    }
}
