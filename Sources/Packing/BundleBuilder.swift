// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// Collects chunks and objects, each once, and makes them durable in groups. One thread.
final class BundleBuilder {
    /// Data of this much is made durable and journaled together (docs/format.md says why).
    private static let groupLength: UInt64 = 64 << 20
    /// Marks a part that lies in a plain volume; the rest of the number is its ordinal. Replaced when the index is made.
    static let plainMark: UInt32 = 1 << 31

    private let journal: Journal
    let archive: ArchiveWriter
    private let pool: BufferPool
    private let lanes: VolumeLanes
    private let folder: FilePath
    /// What a delta leaves out.
    let known: KnownBytes?

    private(set) var chunks: [Chunk] = []
    private(set) var parts: [Part] = []
    private var chunkNumbers: [Digest: UInt32] = [:]
    private(set) var objects: [Object] = []
    private(set) var segments: [Segment] = []
    private var objectNumbers: [Digest: Int] = [:]
    private var lengths: Set<UInt64> = []
    /// Small blobs for volume 001, in the order they came.
    private(set) var held: [(digest: Digest, offset: UInt64, length: Int)] = []
    private var heldNumbers: [Digest: Int] = [:]
    /// Plain volumes by the ordinal their input gave them.
    private(set) var plains: [Int: PlainEntry] = [:]
    private var items: [Int: (digest: Digest, size: UInt64)] = [:]
    private var plainProgress: [Int: UInt64] = [:]
    private var unjournaledItems: [JournalRecord] = []
    private var journaled = (frames: 0, chunks: 0, objects: 0)
    private var committedAt: UInt64 = 0
    /// Called before anything is journaled: throws when a digest that was claimed has turned out wrong.
    var confirmDigests: (() throws -> Void)?

    struct PlainEntry {
        let name: String
        var finished: FinishedVolume?
    }

    init(journal: Journal, folder: FilePath, settings: ArchiveWriter.Settings, known: KnownBytes? = nil) throws {
        self.journal = journal
        self.folder = folder
        self.known = known
        pool = BufferPool(count: 6, capacity: VolumeFile.bufferSize)
        lanes = VolumeLanes()
        var state = JournalState()
        for record in journal.records { state.apply(record) }
        (chunks, parts, objects, segments) = (state.chunks, state.parts, state.objects, state.segments)
        for (number, chunk) in chunks.enumerated() { chunkNumbers[chunk.digest] = UInt32(number) }
        for (number, object) in objects.enumerated() { objectNumbers[object.digest] = number }
        lengths = Set(objects.map(\.size))
        (held, items, plainProgress) = (state.held, state.items, state.plainProgress)
        for (number, blob) in held.enumerated() { heldNumbers[blob.digest] = number }
        finishedPlains = state.plains
        archive = ArchiveWriter(
            settings, pool: pool, lanes: lanes, journaled: state.frames, chunkFrames: state.chunkFrames,
            finished: state.volumes)
        journaled = (state.frames.count, chunks.count, objects.count)
        try checkFinishedVolumes(state, settings)
        archive.onForget = { [unowned self] number in
            journaled.frames = number
            try journal.append([.forget(frames: number)])
        }
        archive.onFlush = { [unowned self] in try commitIfDue() }
        archive.onVolumeFinished = { [unowned self] ordinal, volume in try commit(finished: (ordinal, volume)) }
    }

    private var finishedPlains: [Int: (volume: FinishedVolume, extents: [KnownExtent])] = [:]

    /// What the journal calls whole must be there: someone may have cleaned up, or changed the stick.
    private func checkFinishedVolumes(_ state: JournalState, _ settings: ArchiveWriter.Settings) throws {
        for (ordinal, volume) in state.volumes {
            let path = folder.appending(ArchiveWriter.name(settings.prefix, ordinal + 2))
            guard try path.statusIfPresent()?.size == volume.length else {
                throw PackError.partialShorterThanJournal(path)
            }
        }
    }

    // MARK: What is known

    /// Whether an object of that digest has been taken in.
    func has(_ digest: Digest) -> Bool { objectNumbers[digest] != nil || heldNumbers[digest] != nil }

    /// Bytes of an object that has been taken in.
    func size(of digest: Digest) -> UInt64? {
        objectNumbers[digest].map { objects[$0].size } ?? heldNumbers[digest].map { UInt64(held[$0].length) }
    }

    /// The digest and size of an input that has been taken in whole by this or an interrupted run.
    func item(_ ordinal: Int) -> (digest: Digest, size: UInt64)? { items[ordinal] }

    /// Segments that give the bytes of a stored object or chunk.
    func segments(of digest: Digest) -> [Segment]? {
        if let number = chunkNumbers[digest] {
            let length = chunks[Int(number)].length
            return length == 0 ? [] : [Segment(chunk: number, offset: 0, length: length)]
        }
        guard let number = objectNumbers[digest] else { return nil }
        let object = objects[number]
        return Array(segments[Int(object.firstSegment)..<Int(object.firstSegment + object.segmentCount)])
    }

    /// Whether something stored has that length, so that an extent as long may be equal to it.
    func storesLength(_ length: UInt64) -> Bool { lengths.contains(length) || isKnownLength(length) }

    /// The bytes of a held blob.
    func heldBytes(_ digest: Digest) throws -> [UInt8]? {
        guard let number = heldNumbers[digest] else { return nil }
        return try journal.heldBytes(at: held[number].offset, length: held[number].length)
    }

    // MARK: Taking in

    /// Holds a small blob back for volume 001.
    func hold(_ digest: Digest, _ bytes: [UInt8]) throws {
        guard heldNumbers[digest] == nil else { return }
        let offset = try journal.hold(digest, bytes)
        heldNumbers[digest] = held.count
        held.append((digest, offset, bytes.count))
    }

    /// Stores a chunk unless its bytes are there; its number.
    func store(_ digest: Digest, as folder: MemberFolder, _ bytes: RawSpan) throws -> UInt32 {
        if let number = chunkNumbers[digest] ?? adopt(digest, size: UInt64(bytes.byteCount)) { return number }
        try begin(digest, as: folder, size: UInt64(bytes.byteCount))
        try archive.append(bytes)
        return try end(digest, size: UInt64(bytes.byteCount))
    }

    /// Begins a chunk of a known digest that is not stored yet.
    func begin(_ digest: Digest, as folder: MemberFolder, size: UInt64) throws {
        precondition(chunkNumbers[digest] == nil)
        try archive.begin("\(folder.rawValue)/sha256/\(digest.hex)", size: size)
    }

    /// Appends to the chunk that was begun.
    func append(_ bytes: RawSpan) throws {
        try Interruption.check()
        try archive.append(bytes)
    }

    /// Ends the chunk that was begun; its number.
    func end(_ digest: Digest, size: UInt64) throws -> UInt32 { register(digest, size, try archive.end()) }

    /// Makes what the sites have already a chunk without parts, unless it is held back: volume 001 has it then. Its number.
    private func adopt(_ digest: Digest, size: UInt64) -> UInt32? {
        guard size > 0, heldNumbers[digest] == nil, known?.length(of: digest) == size else { return nil }
        return register(digest, size, [])
    }

    /// The same as segments, of anything that is stored or left out.
    func found(_ digest: Digest, size: UInt64) -> [Segment]? {
        if let stored = segments(of: digest) { return stored }
        return adopt(digest, size: size).map { [Segment(chunk: $0, offset: 0, length: size)] }
    }

    /// Whether a chunk is left out because the sites have it.
    func isLeftOut(_ digest: Digest) -> Bool {
        chunkNumbers[digest].map { chunks[Int($0)].partCount == 0 && chunks[Int($0)].length > 0 } ?? false
    }

    /// Gives a chunk that was left out the parts where it stands after all.
    func place(_ digest: Digest, in added: [Part]) {
        guard let number = chunkNumbers[digest].map(Int.init) else { return }
        chunks[number].firstPart = UInt32(parts.count)
        chunks[number].partCount = UInt32(added.count)
        parts += added
    }

    /// Whether what the sites have as a whole has that length.
    func isKnownLength(_ length: UInt64) -> Bool { known?.lengths.contains(length) ?? false }

    private func register(_ digest: Digest, _ length: UInt64, _ added: [Part]) -> UInt32 {
        let number = UInt32(chunks.count)
        chunks.append(
            Chunk(digest: digest, length: length, firstPart: UInt32(parts.count), partCount: UInt32(added.count)))
        parts += added
        chunkNumbers[digest] = number
        return number
    }

    /// Makes `digest` an object of the bundle.
    func register(object digest: Digest, size: UInt64, _ added: [Segment]) {
        guard objectNumbers[digest] == nil else { return }
        objectNumbers[digest] = objects.count
        lengths.insert(size)
        objects.append(
            Object(
                digest: digest, size: size, firstSegment: UInt32(segments.count), segmentCount: UInt32(added.count)))
        segments += added
    }

    /// Notes that an input has been taken in whole.
    func finish(item ordinal: Int, digest: Digest, size: UInt64) {
        guard items[ordinal] == nil else { return }
        items[ordinal] = (digest, size)
        unjournaledItems.append(.item(ordinal: ordinal, digest: digest, size: size))
    }

    // MARK: Plain volumes

    /// The volume of a plain file, or `nil` when an interrupted run has finished it.
    func plainVolume(_ ordinal: Int, name: String) throws -> VolumeFile? {
        plains[ordinal] = PlainEntry(name: name)
        if let done = finishedPlains[ordinal] {
            guard try folder.appending(name).statusIfPresent()?.size == done.volume.length else {
                throw PackError.partialShorterThanJournal(folder.appending(name))
            }
            register(plain: ordinal, done.volume, done.extents)
            return nil
        }
        let path = folder.appending(name)
        return try VolumeFile(at: path, resumingAt: plainProgress[ordinal] ?? 0, pool: pool, lanes: lanes)
    }

    /// Makes what was flushed of a plain volume durable when there is enough of it since `last`; the new last.
    func commitPlain(_ ordinal: Int, _ file: VolumeFile, since last: UInt64) -> UInt64 {
        let length = file.flushed
        guard length >= last + BundleBuilder.groupLength else { return last }
        file.sync { [journal] in try journal.append([.plainProgress(ordinal: ordinal, length: length)]) }
        return length
    }

    /// Ends a plain volume: its file becomes one chunk, the blobs that lie in it objects.
    func finishPlain(_ ordinal: Int, _ file: VolumeFile, extents: [KnownExtent]) throws {
        let finished = try file.finish()
        register(plain: ordinal, finished, extents)
        try journal.append([.plain(ordinal: ordinal, finished, extents)])
        try commit()
    }

    private func register(plain ordinal: Int, _ finished: FinishedVolume, _ extents: [KnownExtent]) {
        plains[ordinal]?.finished = finished
        let number: UInt32
        if let known = chunkNumbers[finished.digest] {
            number = known
        } else {
            let part = Part(frame: BundleBuilder.plainMark | UInt32(ordinal), offset: 0, length: finished.length)
            number = register(finished.digest, finished.length, finished.length == 0 ? [] : [part])
        }
        let whole = Segment(chunk: number, offset: 0, length: finished.length)
        register(object: finished.digest, size: finished.length, finished.length == 0 ? [] : [whole])
        for extent in extents where !has(extent.digest) {
            let segment = Segment(chunk: number, offset: extent.offset, length: extent.length)
            register(object: extent.digest, size: extent.length, [segment])
        }
    }

    // MARK: Durability

    private func commitIfDue() throws {
        guard let file = archive.file, file.flushed >= committedAt + BundleBuilder.groupLength else { return }
        committedAt = file.flushed
        try commit()
    }

    /// Journals everything that rests on data which the disk lane has by now, once that lane has synced it.
    private func commit(finished: (ordinal: Int, volume: FinishedVolume)? = nil) throws {
        try confirmDigests?()
        let records = dueRecords() + (finished.map { [.volume(ordinal: $0.ordinal, $0.volume)] } ?? [])
        if let file = archive.file, finished == nil {
            file.sync { [journal] in try journal.append(records) }
        } else {
            try journal.append(records)
            committedAt = 0
        }
    }

    private func dueRecords() -> [JournalRecord] {
        let frames = archive.flushedFrames
        var records: [JournalRecord] = []
        while journaled.frames < frames {
            records.append(.frame(archive.frames[journaled.frames]))
            journaled.frames += 1
        }
        while journaled.chunks < chunks.count, isFlushed(chunks[journaled.chunks], frames: frames) {
            let chunk = chunks[journaled.chunks]
            records.append(.chunk(chunk, Array(parts[chunk.partRange])))
            journaled.chunks += 1
        }
        while journaled.objects < objects.count, case let object = objects[journaled.objects],
            segments[object.segmentRange].allSatisfy({ $0.chunk < journaled.chunks })
        {
            records.append(.object(object, Array(segments[object.segmentRange])))
            journaled.objects += 1
        }
        // An item is an object, or a folder whose objects came before it.
        if journaled.objects == objects.count {
            records += unjournaledItems
            unjournaledItems = []
        }
        return records
    }

    /// Whether all frames of a chunk are below `frames`. Its last frame is found by walking on from its last part.
    private func isFlushed(_ chunk: Chunk, frames: Int) -> Bool {
        guard let last = parts[chunk.partRange].last, last.frame & BundleBuilder.plainMark == 0 else { return true }
        return BundleBuilder.frameEnd(of: last, archive.frames) <= frames
    }

    /// The number after the last frame that holds a byte of `part`.
    static func frameEnd(of part: Part, _ frames: [Frame]) -> Int {
        var left = UInt64(part.offset) + part.length
        var number = Int(part.frame)
        while number < frames.count {
            let raw = UInt64(frames[number].rawLength)
            number += 1
            if left <= raw { return number }
            left -= raw
        }
        return number + 1
    }
}

/// The two folders of an archive volume's tar.
enum MemberFolder: String {
    case blobs, chunks
}

extension Chunk {
    var partRange: Range<Int> { Int(firstPart)..<Int(firstPart + partCount) }
}

extension Object {
    var segmentRange: Range<Int> { Int(firstSegment)..<Int(firstSegment + segmentCount) }
}
