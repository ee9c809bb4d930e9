// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Splitting
internal import SystemPackage

/// Reads a stretch of a file and cuts it into chunks, which are hashed on lanes.
struct PieceStream {
    let reader: InputReader

    /// Gives each piece once its chunks are being hashed, in order; `body` must end with `store`, `hashedChunks` or `abandon`.
    /// `whole` hashes the bytes that are read. `isCounted`: whether they count as progress.
    func cut(
        _ file: borrowing OpenFile, _ range: Range<UInt64>, borders: [UInt64], name: String, whole: LaneHash,
        isCounted: Bool, _ body: (CutPiece) throws -> Void
    ) throws {
        var cutter = PieceCutter(borders: borders, start: range.lowerBound, end: range.upperBound)
        var previous: CutPiece?
        defer { previous?.abandon() }
        var tail: [UInt8] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            try Interruption.check()
            let buffer = reader.pool.take()
            let uses = Countdown(2) { [pool = reader.pool] in pool.put(buffer) }
            buffer.append(tail)
            let length = Int(min(UInt64(InputReader.pieceLength), range.upperBound - offset))
            do {
                try file.read(into: buffer, from: tail.count, at: offset, length: length)
                guard buffer.count == tail.count + length else { throw PackError.inputChanged(name) }
            } catch {
                uses.end()
                uses.end()
                throw error
            }
            whole.add(buffer, tail.count..<buffer.count, on: reader.identity, ending: uses)
            if isCounted { reader.progress.add(length) }
            offset += UInt64(length)
            let (cuts, rest) = cutter.cut(buffer, isLast: offset == range.upperBound)
            tail = buffer.withBytes(rest) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
            let piece = CutPiece(buffer, cuts, uses: uses)
            piece.startHashing(on: reader.chunks)
            // One piece is hashed while the one before it is taken.
            let ready = previous
            previous = piece
            if let ready { try body(ready) }
        }
        let last = previous
        previous = nil
        if let last { try body(last) }
    }
}

extension KnownBytes {
    /// Cuts the plain volumes of a base that are here: its index knows them as wholes alone.
    mutating func cutPlainVolumes(of base: BaseBundle, _ reader: InputReader, warn: (String) -> Void) throws {
        let present = Set(base.presentVolumes)
        let delivered = Set(base.release.files.map(\.digest))
        let media = MediaFolder(base.folder)
        for volume in base.index.volumes where volume.kind == .plain && delivered.contains(volume.digest) {
            guard volume.length >= FileIntake.leastExtent else { continue }
            guard present.contains(volume.name) else {
                warn(
                    "\(volume.name) of \(base.facts.name.version) is not in \(base.folder)/volumes: of that file only the whole "
                        + "and known blobs inside can be left out")
                continue
            }
            reader.progress.label = "\(volume.name) of \(base.facts.name.version)"
            let file = try media.open("volumes/\(volume.name)")
            let extents = FileIntake.extents(of: file, size: volume.length)
            let borders = extents.filter { $0.length >= FileIntake.leastExtent }.flatMap { [$0.offset, $0.end] }
            let whole = LaneHash()
            var offset: UInt64 = 0
            try PieceStream(reader: reader).cut(
                file, 0..<volume.length, borders: borders, name: file.path.string, whole: whole, isCounted: false
            ) { piece in
                for (digest, length) in piece.hashedChunks() {
                    add(digest, length: length, in: volume.digest, nil, at: offset)
                    offset += length
                }
            }
            try reader.identity.wait()
            guard whole.finish() == volume.digest else { throw DeltaError.volumeDamaged(file.path) }
        }
    }
}
