// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// What a journal's records add up to.
struct JournalState {
    var frames: [Frame] = []
    var chunks: [Chunk] = []
    var parts: [Part] = []
    var objects: [Object] = []
    var segments: [Segment] = []
    var items: [Int: (digest: Digest, size: UInt64)] = [:]
    var volumes: [Int: FinishedVolume] = [:]
    var plains: [Int: (volume: FinishedVolume, extents: [KnownExtent])] = [:]
    var plainProgress: [Int: UInt64] = [:]
    private var heldDigests: Set<Digest> = []
    var held: [(digest: Digest, offset: UInt64, length: Int)] = []

    /// Frames up to the last one that a whole chunk lies in; a chunk that was under way may have more.
    var chunkFrames: Int {
        chunks.lazy.reversed().compactMap { parts[$0.partRange].last }
            .first { $0.frame & BundleBuilder.plainMark == 0 }
            .map { BundleBuilder.frameEnd(of: $0, frames) } ?? 0
    }

    mutating func apply(_ record: JournalRecord) {
        switch record {
        case .frame(let frame): frames.append(frame)
        case .chunk(var chunk, let added):
            chunk.firstPart = UInt32(parts.count)
            chunks.append(chunk)
            parts += added
        case .object(var object, let added):
            object.firstSegment = UInt32(segments.count)
            objects.append(object)
            segments += added
        case .item(let ordinal, let digest, let size): items[ordinal] = (digest, size)
        case .volume(let ordinal, let volume): volumes[ordinal] = volume
        case .plain(let ordinal, let volume, let extents): plains[ordinal] = (volume, extents)
        case .plainProgress(let ordinal, let length): plainProgress[ordinal] = length
        case .forget(let number):
            guard number < frames.count else { return }
            let volume = Int(frames[number].volume)
            frames.removeLast(frames.count - number)
            volumes = volumes.filter { $0.key < volume }
        case .held(let digest, let offset, let length):
            if heldDigests.insert(digest).inserted { held.append((digest, offset, length)) }
        }
    }
}
