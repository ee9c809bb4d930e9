// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// Takes in the file of a vendor archive that doesn't stand on the medium as it is, after its blobs: where a blob's bytes
/// stand in it unchanged, it is a range of that blob; only the rest is stored, cut by content.
struct ArchiveFileIntake {
    let builder: BundleBuilder
    let reader: InputReader

    /// Takes the file in as an object; its digest. Bytes that are no archive at all are cut by content alone.
    func take(_ path: FilePath, size: UInt64) throws -> Digest {
        let source = try RawSource(path, size: size, reader: reader)
        defer { source.release() }
        let map = ArchiveMap { try source.next() }
        let pieces = FilePieces(builder: builder, map: map)
        map.beforePull = { [unowned pieces] in try pieces.makeRoom() }
        var members: [Member] = []
        do {
            try walk(ArchiveReader { try map.next() }, map, pieces, &members)
        } catch is ArchiveError {
            // A splitter only proposes: what can't be read as an archive is still a file.
        }
        try map.drain()
        try pieces.finish(size)
        let digest = source.finish()
        try reader.identity.wait()
        guard members.allSatisfy({ $0.computed.value == $0.claimed }) else {
            // A member has another's name: nothing that was found equal to it counts.
            return try FileIntake(builder: builder, reader: reader).take(path, size: size)
        }
        builder.register(object: digest, size: size, pieces.segments)
        return digest
    }

    /// A member that has the name and size of a known blob; what its bytes are is known later.
    private typealias Member = (claimed: Digest, computed: LaneDigest)

    private func walk(
        _ archive: ArchiveReader, _ map: ArchiveMap, _ pieces: FilePieces, _ members: inout [Member]
    ) throws {
        while let entry = try archive.next() {
            let start = archive.position
            guard let digest = ArchiveIntake.blob(of: entry), builder.size(of: digest) ?? entry.size == entry.size,
                let known = builder.found(digest, size: entry.size)
            else {
                try pieces.settle(before: map.settled(before: start))
                continue
            }
            let hash = LaneHash()
            var position = start
            while try take(
                { try archive.read(into: $0) }, hash,
                { bytes in
                    for run in map.runs(at: position, bytes) {
                        pieces.add(run, known.part(from: run.position - start, UInt64(run.length)))
                    }
                    position += UInt64(bytes.byteCount)
                })
            { try pieces.settle(before: map.settled(before: position)) }
            let computed = LaneDigest()
            reader.identity.add { computed.set(hash.finish()) }
            members.append((digest, computed))
        }
    }

    /// One piece of a member to the hash and to `body`; `false` after the last.
    private func take(
        _ read: (Buffer) throws -> Int, _ hash: LaneHash, _ body: (RawSpan) throws -> Void
    ) throws -> Bool {
        try Interruption.check()
        let buffer = reader.pool.take()
        let uses = Countdown(2) { [pool = reader.pool] in pool.put(buffer) }
        defer { uses.end() }
        do {
            guard try read(buffer) > 0 else {
                uses.end()
                return false
            }
        } catch {
            uses.end()
            throw error
        }
        hash.add(buffer, on: reader.identity, ending: uses)
        try buffer.withBytes { try body($0) }
        return true
    }
}

/// The segments of a file that passes front to back: ranges of known blobs, and what lies between, which is stored.
private final class FilePieces {
    /// Bytes of a file's own that are cut together.
    private static let literalLength = 4 << 20

    let builder: BundleBuilder
    let map: ArchiveMap
    private(set) var segments: [Segment] = []
    private var known: [(run: StoredRun, segments: [Segment])] = []
    private let literal = Buffer(capacity: FilePieces.literalLength)
    /// Bytes of the file that have become segments or stand in `literal`.
    private var done: UInt64 = 0

    init(builder: BundleBuilder, map: ArchiveMap) { (self.builder, self.map) = (builder, map) }

    /// Notes a range that has the bytes of these segments, after all that were noted before.
    func add(_ run: StoredRun, _ segments: [Segment]) {
        guard run.stored >= done, known.last.map({ $0.run.stored + UInt64($0.run.length) <= run.stored }) ?? true
        else { return }
        known.append((run, segments))
    }

    /// Deals with everything before a byte of the file that no later run begins before.
    func settle(before end: UInt64) throws {
        for (run, segments) in known {
            guard run.stored + UInt64(run.length) <= end else { break }
            try take(upTo: run.stored)
            try cutLiteral(isEnd: true)
            self.segments += segments
            done = run.stored + UInt64(run.length)
            known.removeFirst()
        }
        try take(upTo: min(end, known.first?.run.stored ?? end))
    }

    /// Deals with what the window is about to let go of.
    func makeRoom() throws {
        if map.window.startAfterNext > done { try settle(before: map.window.startAfterNext) }
    }

    func finish(_ size: UInt64) throws {
        try settle(before: size)
        try cutLiteral(isEnd: true)
    }

    private func take(upTo end: UInt64) throws {
        while done < end {
            let count = min(end - done, UInt64(literal.capacity - literal.count))
            map.window.withBytes(done..<done + count) { literal.append($0) }
            done += count
            if literal.count == literal.capacity { try cutLiteral(isEnd: false) }
        }
    }

    private func cutLiteral(isEnd: Bool) throws {
        let (chunks, taken) = try literal.withBytes { try builder.cut($0, isEnd: isEnd) }
        segments += chunks.map { Segment(chunk: $0.number, offset: 0, length: $0.length) }
        let rest = literal.withBytes(taken..<literal.count) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        literal.count = 0
        literal.append(rest)
    }
}

extension [Segment] {
    /// The segments of a stretch of the bytes that these give.
    fileprivate func part(from offset: UInt64, _ length: UInt64) -> [Segment] {
        var (skip, left) = (offset, length)
        var found: [Segment] = []
        for segment in self where left > 0 {
            guard skip < segment.length else {
                skip -= segment.length
                continue
            }
            let count = Swift.min(segment.length - skip, left)
            found.append(Segment(chunk: segment.chunk, offset: segment.offset + skip, length: count))
            (skip, left) = (0, left - count)
        }
        return found
    }
}
