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
    private let bundle: VerifiedBundle
    private let sources: SiteSources?

    /// Finds what `name` means: a delivered file's name, or any object's `sha256:` digest. With `intoFolder`, and
    /// where `path` is a folder, the file goes below it under its own name.
    ///
    /// `own`: the file's name where several have one digest. `sources`: where a delta's left-out bytes are found.
    /// Throws `LoadError.noSuchFile`, `ExtractError`, `LoadError.missingVolumes`, and `.elsewhere`, before anything is written.
    package init(
        _ name: String, named own: String? = nil, from bundle: VerifiedBundle, to path: FilePath,
        intoFolder: Bool = false, sources: SiteSources? = nil
    ) throws {
        let wanted = try Extraction.find(name, named: own, in: bundle)
        let objects = [wanted.digest] + [wanted.signature?.digest].compactMap(\.self)
        let missing = try bundle.missingVolumes(for: objects)
        guard missing.isEmpty else { throw LoadError.missingVolumes(missing.map(\.name)) }
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

    private static func find(_ name: String, named own: String?, in bundle: VerifiedBundle) throws -> Wanted {
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

    /// Writes the file; `false` when it was there already. What an interrupted run has written is compared and kept.
    ///
    /// Throws `ExtractError.differs` for another file at the destination, `FileError` with the missing bytes before the
    /// first byte where space is short, `CageError` before it, and what reading the media can throw.
    package func run(_ progress: Progress) throws -> Bool {
        progress.total.store(wanted.size, ordering: .relaxed)
        progress.label = wanted.name
        _ = try bundle.decoders.status()
        let reader = bundle.reader(externals: sources?.source())
        if try destination.exists() {
            guard try isSame(progress) else { throw ExtractError.differs(destination) }
            try writeSignature(reader)
            return false
        }
        let folder = destination.removingLastComponent()
        let place = folder.isEmpty ? FilePath(".") : folder
        try place.createDirectories()
        let staged = place.appending(".\(destination.lastComponent?.string ?? "file").partial")
        let lock = try write(reader, to: staged, in: place, progress)
        try writeSignature(reader)
        try staged.rename(to: destination)
        try place.syncDirectory()
        withExtendedLifetime(lock) {}
        return true
    }

    private func write(
        _ reader: ObjectReader, to staged: FilePath, in place: FilePath, _ progress: Progress
    ) throws -> FileLock {
        let lock = try FileLock(staged, saysWho: false)
        let file = try OpenFile.writing(staged)
        var present = min(try file.status().size, wanted.size)
        let free = try place.freeSpace()
        guard free >= wanted.size - present else {
            throw FileError("write", destination, .noSpace, missingBytes: wanted.size - present - free)
        }
        file.reserve(from: 0, length: wanted.size)
        try retryingOtherPlaces {
            progress.done.store(0, ordering: .relaxed)
            try copy(reader.stream(wanted.digest), to: file, present: &present, progress)
        }
        try file.truncate(to: wanted.size)
        try file.syncData()
        return lock
    }

    /// Writes what differs from the first `present` bytes that the file has, and all that follows.
    private func copy(
        _ stream: ObjectStream, to file: borrowing OpenFile, present: inout UInt64, _ progress: Progress
    ) throws {
        let (piece, old) = (Buffer(capacity: 1 << 20), Buffer(capacity: 1 << 20))
        var offset: UInt64 = 0
        while true {
            try Interruption.check()
            piece.count = try unsafe piece.withMemory { try unsafe stream.read(into: $0) }
            guard piece.count > 0 else { return }
            if offset < present { try file.read(into: old, at: offset, length: piece.count) } else { old.count = 0 }
            if !piece.hasSameBytes(as: old) { try piece.withBytes { try file.write($0, at: offset) } }
            offset += UInt64(piece.count)
            present = max(present, offset)
            progress.add(piece.count)
        }
    }

    private func writeSignature(_ reader: ObjectReader) throws {
        guard let signature = wanted.signature, let path = signatureDestination else { return }
        try path.replaceContents(with: try reader.bytes(of: signature.digest, limit: 1 << 20))
    }

    private func isSame(_ progress: Progress) throws -> Bool {
        let file = try OpenFile.reading(destination)
        let status = try file.status()
        guard status.isRegular, status.size == wanted.size else { return false }
        return try Digest(of: file, size: status.size, progress) == wanted.digest
    }
}

extension Extraction {
    /// What was written, and what it is for.
    package func report(isNew: Bool) -> Report {
        var rows = [("file", destination.string), ("size", wanted.size.asSize), ("sha256", wanted.digest.hex)]
        if let signatureDestination { rows.append(("signature", signatureDestination.string)) }
        if !isNew { rows.append(("note", "it was there already, the same")) }
        return Report(
            text: rows.aligned,
            json: [
                "file": .string(destination.string), "sha256": .string(wanted.digest.hex),
                "bytes": .int(Int64(wanted.size)), "new": .bool(isNew),
                "signature": signatureDestination.map { .string($0.string) } ?? .null,
            ], next: next)
    }

    private var next: [String] {
        switch wanted.kind {
        case "bundle", "iso": Delivery.steps(afterExtracting: destination.string, kind: wanted.kind)
        default: ["sha256sum \(destination.string.shellWord)"]
        }
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

extension Buffer {
    fileprivate func hasSameBytes(as other: Buffer) -> Bool {
        guard count == other.count else { return false }
        return withBytes { mine in
            other.withBytes { theirs in
                unsafe mine.withUnsafeBytes { left in
                    unsafe theirs.withUnsafeBytes { right in unsafe left.elementsEqual(right) }
                }
            }
        }
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
}

extension ExtractError: ClassifiedError {
    package var failure: Failure { .refused }

    package var description: String {
        switch self {
        case .differs(let path): "\(path) exists and is another file; it was not touched. Choose another --to"
        case .unusableName(let name): "\"\(name.printable)\" can't be a file's name; give a file in --to"
        case .clash(let name):
            "the release has \(name.printable) twice; extract each by its digest, with its own --to"
        }
    }
}
