// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
package import BundleFormat
internal import Cage
internal import Cryptography
package import Files
package import OCI
package import SystemPackage
internal import Trust

/// Writing one delivered file out of a bundle, bit for bit, with the vendor's signature beside it.
package struct Extraction: Sendable {
    /// What is written.
    package struct Wanted: Sendable, Equatable {
        package let name: String
        /// `iso`, `bundle` or `file`; empty for an object that is named by its digest alone.
        package let kind: String
        package let digest: Digest
        /// Bytes.
        package let size: UInt64
        package let signature: Release.SignatureFile?
    }

    package let wanted: Wanted
    /// Where the file goes.
    package let destination: FilePath
    /// Where its signature goes, if it has one.
    package let signatureDestination: FilePath?
    let bundle: VerifiedBundle
    let sources: SiteSources?
    /// Beside the destination: what is written before it is whole.
    private var staged: FilePath {
        destination.removingLastComponent().appending(".\(destination.lastComponent?.string ?? "file").partial")
    }
    private var folder: FilePath {
        let folder = destination.removingLastComponent()
        return folder.isEmpty ? "." : folder
    }

    /// Finds what `name` means: a delivered file's name, or any object's `sha256:` digest. With `intoFolder`, and
    /// where `path` is a folder, the file goes below it under its own name.
    ///
    /// `own`: the file's name where several have one digest. `sources`: where a delta's left-out bytes are found.
    /// Of the volumes that it needs some may be missing. Throws `LoadError.noSuchFile`, `ExtractError`, and `LoadError.elsewhere`,
    /// before anything is written.
    package init(
        _ name: String, named own: String? = nil, from bundle: VerifiedBundle, to path: FilePath,
        intoFolder: Bool = false, sources: SiteSources? = nil
    ) throws {
        let wanted = try Extraction.find(name, named: own, in: bundle)
        let objects = [wanted.digest] + [wanted.signature?.digest].compactMap(\.self)
        let names = Dictionary(objects.map { ($0, wanted.name) }) { one, _ in one }
        if let lack = try sources?.needs(of: names).lack { throw lack }
        if try intoFolder || path.statusIfPresent()?.isDirectory == true {
            destination = path.appending(try Extraction.safe(wanted.name))
        } else {
            destination = path
        }
        let folder = destination.removingLastComponent()
        let file = destination.lastComponent?.string ?? wanted.name
        let isOwnName = file == wanted.name  // then the signature keeps the vendor's name too
        signatureDestination = try wanted.signature.map { signature in
            folder.appending(isOwnName ? try Extraction.safe(signature.name) : Extraction.signatureName(for: file))
        }
        (self.wanted, self.bundle, self.sources) = (wanted, bundle, sources)
    }

    /// The vendor's rule: `.sig.bin` after the name, a final `.zst` left out.
    static func signatureName(for name: String) -> String {
        (name.hasSuffix(".tar.zst") ? String(name.dropLast(4)) : name) + ".sig.bin"
    }

    static func find(_ name: String, named own: String?, in bundle: VerifiedBundle) throws -> Wanted {
        let files = bundle.release.files
        let digest = try? Digest(parsing: name)
        let isMeant = { (file: Release.DeliveredFile) in
            own.map { $0 == file.name && file.digest == digest } ?? (file.name == name || file.digest == digest)
        }
        if let file = files.first(where: isMeant) {
            return Wanted(
                name: file.name, kind: file.kind, digest: file.digest, size: file.size, signature: file.signature)
        }
        guard let digest, let object = bundle.index.object(digest) else {
            throw LoadError.noSuchFile(name, known: files.map(\.name))
        }
        return Wanted(name: digest.hex, kind: "", digest: digest, size: object.size, signature: nil)
    }

    // Names come from a signed file, and still may not lead out of the folder that the user chose.
    private static func safe(_ name: String) throws -> String {
        guard !name.isEmpty, !name.hasPrefix("."), name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x2F && $0 != 0x7F })
        else { throw ExtractError.unusableName(name) }
        return name
    }

    /// Writes the file, or as much of it as the volumes at hand have; the same again, with these or others, goes on. What an
    /// interrupted run has written is compared and kept.
    ///
    /// Throws `ExtractError.differs` for another file at the destination; `LoadError.missingVolumes` where nothing that it needs is at
    /// hand and nothing was begun; before the first byte what `PlannedWrites.check` throws, and `CageError`; and what reading the
    /// media can throw.
    package func run(_ progress: Progress) throws -> Result {
        progress.total.store(wanted.size, ordering: .relaxed)
        progress.label = wanted.name
        _ = try bundle.decoders.status()
        let reader = bundle.reader(externals: sources?.source())
        if try destination.exists() {
            guard try isSame(progress) else { throw ExtractError.differs(destination) }
            return try writeSignature(reader).map(Result.partial) ?? .present
        }
        try checkBefore()
        try folder.createDirectories()
        let lock = try FileLock(staged, saysWho: false)
        let lack = try write(reader, progress)
        let signatureLack = try writeSignature(reader)
        if let lack { return .partial(lack.joined(with: signatureLack)) }
        if let signatureLack { return .partial(signatureLack) }
        try staged.rename(to: destination)
        try folder.syncDirectory()
        var journal = try ExtractJournal(beside: staged, wanted)
        try journal.remove()
        withExtendedLifetime(lock) {}
        return .written
    }

    /// Permission, room and the longest file, of the folder that it goes into.
    private func checkBefore() throws {
        var missing = try bundle.missingVolumes(for: [wanted.digest])
        let isBegun = try staged.exists()
        if try missing.count == bundle.volumeNumbers(for: [wanted.digest]).count, !isBegun, !missing.isEmpty {
            missing += try wanted.signature.map { try bundle.missingVolumes(for: [$0.digest]) } ?? []
            throw LoadError.missingVolumes(Set(missing.map(\.name)).sorted())
        }
        let present = try staged.statusIfPresent()?.allocated ?? 0
        var writes = PlannedWrites()
        writes.add(folder, bytes: wanted.size - min(present, wanted.size), largestFile: wanted.size)
        try writes.check()
    }

    /// Writes what is at hand; what is missing then, `nil` once the file is whole, durable, and compared with its digest.
    private func write(_ reader: ObjectReader, _ progress: Progress) throws -> ExtractLack? {
        let file = try OpenFile.writing(staged)
        // after a failed fsync the page cache holds what the medium hasn't got: compare with the medium
        file.dropCache()
        let present = min(try file.status().size, wanted.size)
        let part = PartialFile(file, present: present)
        var journal = try ExtractJournal(beside: staged, wanted)
        journal.ranges.cut(at: part.present)
        part.reserve(wanted.size)
        let isWhole = try bundle.missingVolumes(for: [wanted.digest]).isEmpty
        if !isWhole || !journal.ranges.ranges.isEmpty {
            if let lack = try writePieces(reader, to: part, &journal, progress) { return lack }
            if try part.digest(of: wanted.size, progress) == wanted.digest { return nil }
            try journal.remove()
            guard isWhole else { throw ExtractError.partsDiffer(staged) }
        }
        try retryingOtherPlaces {
            progress.done.store(0, ordering: .relaxed)
            try copy(reader.stream(wanted.digest), to: part, progress)
        }
        try part.finish(size: wanted.size)
        return nil
    }

    private func copy(_ stream: ObjectStream, to part: PartialFile, _ progress: Progress) throws {
        var offset: UInt64 = 0
        while let count = try stream.withNext({ piece in
            try part.put(piece, at: offset)
            return piece.byteCount
        }) {
            try Interruption.check()
            if part.unsynced >= ExtractJournal.interval { try part.sync() }
            offset += UInt64(count)
            progress.add(count)
        }
    }

    private func writePieces(
        _ reader: ObjectReader, to part: PartialFile, _ journal: inout ExtractJournal, _ progress: Progress
    ) throws -> ExtractLack? {
        let missing = try retryingOtherPlaces {
            progress.done.store(journal.ranges.count, ordering: .relaxed)
            let pieces = try reader.pieces(wanted.digest, except: journal.ranges)
            var fresh = journal.ranges
            while let written = try pieces.withNext({ offset, piece in
                try part.put(piece, at: offset)
                return offset..<offset + UInt64(piece.byteCount)
            }) {
                fresh.insert(written)
                progress.add(Int(written.upperBound - written.lowerBound))
                if part.unsynced >= ExtractJournal.interval { try journal.save(fresh) { try part.sync() } }
                try Interruption.check()
            }
            try journal.save(fresh) { try part.sync() }
            return pieces.missing
        }
        guard !missing.isEmpty else {
            try part.finish(size: wanted.size)
            return nil
        }
        return ExtractLack(missing, of: wanted.size, bundle)
    }

    /// Writes the signature; what is missing where its volume is, and the right one isn't there yet.
    private func writeSignature(_ reader: ObjectReader) throws -> ExtractLack? {
        guard let signature = wanted.signature, let path = signatureDestination else { return nil }
        let missing = try bundle.missingVolumes(for: [signature.digest])
        if missing.isEmpty {
            try path.replaceContents(with: try reader.bytes(of: signature.digest, limit: 1 << 20))
            return nil
        }
        if try path.exists(), Digest(of: try path.contents(limit: 1 << 20)) == signature.digest { return nil }
        return ExtractLack(
            done: wanted.size, size: wanted.size, volumes: missing.map { ($0.name, signature.size) })
    }

    private func isSame(_ progress: Progress) throws -> Bool {
        let file = try OpenFile.reading(destination)
        let status = try file.status()
        guard status.isRegular, status.size == wanted.size else { return false }
        return try Digest(of: file, size: status.size, progress) == wanted.digest
    }
}

extension Digest {
    /// The digest of a file's first `size` bytes.
    init(of file: borrowing OpenFile, size: UInt64, _ progress: Progress? = nil) throws {
        let (hasher, buffer) = (Hasher(), Buffer(capacity: 1 << 20))
        var offset: UInt64 = 0
        while offset < size {
            try Interruption.check()
            try file.read(into: buffer, at: offset, length: Int(min(size - offset, UInt64(buffer.capacity))))
            guard buffer.count > 0 else { break }
            buffer.withBytes { hasher.update($0) }
            offset += UInt64(buffer.count)
            progress?.add(buffer.count)
        }
        self.init(hashed: hasher.finish())
    }
}

/// Why a file isn't written.
package enum ExtractError: Error, Equatable {
    /// Another file is at the destination.
    case differs(FilePath)
    /// A name in the release that can't be a file's.
    case unusableName(String)
    /// Two files of the release, or a file and a signature, have this name.
    case clash(String)
    /// What was put together of several media is not the file after all.
    case partsDiffer(FilePath)
    /// A device gives back other bytes than were written.
    case deviceDiffers(FilePath)
}

extension ExtractError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .partsDiffer, .deviceDiffers: .damaged
        default: .refused
        }
    }

    package var description: String {
        switch self {
        case .partsDiffer(let path):
            "what was put together in \(path) is not the file that was signed: something else wrote to it. What it holds counts for "
                + "nothing now; the same command with each medium again compares it and writes what differs"
        case .deviceDiffers(let path):
            "\(path) gives back other bytes than were written: it is worn out, or smaller than it says. Its first MiB was left empty, so "
                + "that nothing boots from it. Run the same command once more, which writes what differs; if that ends like this "
                + "too, take another device"
        case .differs(let path): "\(path) exists and is another file; it was not touched. Choose another --to"
        case .unusableName(let name): "\"\(name.printable)\" can't be a file's name; give a file in --to"
        case .clash(let name):
            "the release has \(name.printable) twice; extract each by its digest, with its own --to"
        }
    }
}
