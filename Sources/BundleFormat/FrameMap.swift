// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// Where each frame begins in the decoded bytes of its volume: finds the frame of any byte by binary search.
struct FrameMap: Sendable {
    private let starts: [UInt64]
    private let ranges: [Range<Int>]

    init(_ index: BundleIndex) {
        var starts: [UInt64] = []
        for range in index.frameRanges {
            var position: UInt64 = 0
            for number in range {
                starts.append(position)
                position += index.rawLength(of: index.frame(number))
            }
        }
        self.starts = starts
        ranges = index.frameRanges
    }

    /// Decoded bytes of its volume before a frame.
    func start(of frame: Int) -> UInt64 { starts[frame] }

    /// The frame of a volume that holds the decoded byte at `position`, which must be inside the volume.
    func frame(of volume: Int, at position: UInt64) -> Int {
        var range = ranges[volume]
        while range.count > 1 {
            let middle = range.lowerBound + range.count / 2
            range = starts[middle] <= position ? middle..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }

    /// The bytes of the volume file that a run is decoded from.
    func stored(_ run: Run, in index: BundleIndex) -> Range<UInt64> {
        let end = run.position + run.length
        guard index.volumes[run.volume].kind == .archive else { return run.position..<end }
        let first = index.frame(frame(of: run.volume, at: run.position))
        let last = index.frame(frame(of: run.volume, at: end - 1))
        return first.offset..<last.offset + UInt64(last.storedLength)
    }
}

/// A run of decoded bytes of one volume.
struct Run: Equatable {
    let volume: Int
    /// In the decoded bytes of the volume; for a plain volume that is the offset in the file.
    let position: UInt64
    let length: UInt64
}

/// A run of bytes of a chunk that the bundle leaves out.
struct ExternalRun: Equatable {
    /// The chunk's number.
    let chunk: Int
    /// In the chunk.
    let offset: UInt64
    let length: UInt64
}

/// A run of an object's bytes: in the bundle or left out of it.
enum ObjectRun: Equatable {
    case stored(Run)
    case external(ExternalRun)
}

extension Run {
    func dropping(_ count: UInt64) -> Run {
        Run(volume: volume, position: position + count, length: length - count)
    }
}

extension ExternalRun {
    func dropping(_ count: UInt64) -> ExternalRun {
        ExternalRun(chunk: chunk, offset: offset + count, length: length - count)
    }
}

/// Walks the runs that an object is made of, in order.
struct RunCursor {
    private let index: BundleIndex
    private let frames: FrameMap
    private var segments: Range<Int>
    private var parts = 0..<0
    private var skip: UInt64 = 0
    private var left: UInt64 = 0

    init(_ object: Object, _ index: BundleIndex, _ frames: FrameMap) {
        (self.index, self.frames) = (index, frames)
        segments = Int(object.firstSegment)..<Int(object.firstSegment) + Int(object.segmentCount)
    }

    /// The runs of one chunk.
    init(chunk number: Int, _ index: BundleIndex, _ frames: FrameMap) {
        (self.index, self.frames) = (index, frames)
        segments = 0..<0
        let chunk = index.chunk(number)
        parts = Int(chunk.firstPart)..<Int(chunk.firstPart) + Int(chunk.partCount)
        left = chunk.length
    }

    /// The next run, or `nil` after the last.
    mutating func next() -> ObjectRun? {
        while true {
            while left > 0, let number = parts.popFirst() {
                let part = index.part(number)
                guard skip < part.length else {
                    skip -= part.length
                    continue
                }
                let length = min(part.length - skip, left)
                let position = frames.start(of: Int(part.frame)) + UInt64(part.offset) + skip
                (skip, left) = (0, left - length)
                return .stored(
                    Run(volume: Int(index.frame(Int(part.frame)).volume), position: position, length: length))
            }
            guard let number = segments.popFirst() else { return nil }
            let segment = index.segment(number)
            let chunk = index.chunk(Int(segment.chunk))
            if chunk.isExternal {
                return .external(
                    ExternalRun(chunk: Int(segment.chunk), offset: segment.offset, length: segment.length))
            }
            parts = Int(chunk.firstPart)..<Int(chunk.firstPart) + Int(chunk.partCount)
            (skip, left) = (segment.offset, segment.length)
        }
    }
}
