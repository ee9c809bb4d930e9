// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
package import SystemPackage
internal import Trust

/// Gives each medium the signed small files and their second copies again, from whichever place has them right.
struct SmallFileRepair {
    /// What came of it.
    struct Result {
        var restored: [FilePath] = []
        /// Right nowhere.
        var lost: [FilePath] = []
        var notWritten: [NotWritten] = []
    }

    private let media: [MediaFolder]
    private let files: [Expected]

    /// A file as it must be.
    private struct Expected {
        let name: String
        let length: UInt64
        let digest: Digest
        let hasCopy: Bool

        init(_ name: String, length: Int64, digest: Digest, hasCopy: Bool) {
            (self.name, self.length, self.digest, self.hasCopy) = (name, UInt64(clamping: length), digest, hasCopy)
        }

        init(_ name: String, _ bytes: [UInt8]) {
            self.init(name, length: Int64(bytes.count), digest: Digest(of: bytes), hasCopy: true)
        }

        /// The names that it stands under on a medium.
        var places: [String] { hasCopy ? [name, "copies/\(name)"] : [name] }
    }

    init(_ basis: RepairBasis) throws {
        media = basis.media
        let metadata = basis.description.metadata
        var files: [Expected] = []
        for (name, file) in metadata.targets.content.files.sorted(by: { $0.key < $1.key })
        where !name.hasPrefix("volumes/") && !name.hasPrefix("releases/") {
            files.append(
                Expected(
                    name, length: file.length, digest: Digest(hashed: file.sha256),
                    hasCopy: ["release.json", "index"].contains(name)))
        }
        for (name, bytes) in metadata.files {
            let file = Expected("trust/\(name)", bytes)
            // The site may know roots that came after this bundle.
            if try basis.media.contains(where: { medium in
                try file.places.contains { try medium.status(of: $0) != nil }
            }) {
                files.append(file)
            }
        }
        if let sums = try SmallFileRepair.signedSums(basis) {
            files += [Expected("SHA256SUMS", sums.lines), Expected("SHA256SUMS.sig", sums.signature)]
        }
        self.files = files
    }

    /// The sums and the signature that belong together, wherever each is right.
    private static func signedSums(_ basis: RepairBasis) throws -> (lines: [UInt8], signature: [UInt8])? {
        let root = basis.description.metadata.root.root
        for signature in try candidates("SHA256SUMS.sig", limit: TrustLimits.signatureDigits / 2, basis.media) {
            for lines in try candidates("SHA256SUMS", limit: 16 << 20, basis.media) {
                do throws(TrustError) {
                    _ = try root.verifyDetached(signature: signature, over: lines)
                    return (lines, signature)
                } catch { continue }  // the next pair
            }
        }
        return nil
    }

    private static func candidates(
        _ name: String, limit: Int, _ media: [MediaFolder]
    ) throws(FileError) -> [[UInt8]] {
        var contents: [[UInt8]] = []
        for medium in media {
            for place in [name, "copies/\(name)"] {
                do throws(FileError) {
                    guard let bytes = try medium.contents(of: place, limit: limit) else { continue }
                    if !contents.contains(bytes) { contents.append(bytes) }
                } catch {
                    guard error.isAboutContent || error.errno == .fileTooLarge else { throw error }
                }
            }
        }
        return contents
    }

    /// Writes what is damaged or missing; with `dryRun` only says so.
    func run(dryRun: Bool) throws -> Result {
        var result = Result()
        for file in files {
            try Interruption.check()
            var good: (medium: MediaFolder, name: String)?
            var bad: [(medium: MediaFolder, name: String)] = []
            for medium in media {
                for name in file.places {
                    if try isRight(file, name, on: medium) {
                        good = good ?? (medium, name)
                    } else if medium.hasOwnNames {
                        bad.append((medium, name))
                    }
                }
            }
            guard let good else {
                result.lost.append(media.first?.path(of: file.name) ?? FilePath(file.name))
                continue
            }
            for place in bad {
                let path = place.medium.path(of: place.name)
                do {
                    if !dryRun { try copy(file, from: good, to: place) }
                    result.restored.append(path)
                } catch let error as FileError where error.isAboutWritability {
                    result.notWritten.append(NotWritten(path: path, reason: "\(error.errno)"))
                }
            }
        }
        return result
    }

    private func isRight(_ file: Expected, _ name: String, on medium: MediaFolder) throws -> Bool {
        do {
            let source = try medium.open(name)
            guard try source.status().size == file.length else { return false }
            return try digest(of: source, file.length) { _, _ in } == file.digest
        } catch let error as FileError where error.isMissing || error.isAboutContent {
            return false
        }
    }

    private func digest(
        of file: borrowing OpenFile, _ length: UInt64, _ piece: (RawSpan, UInt64) throws -> Void
    ) throws -> Digest {
        let (buffer, hasher) = (Buffer(capacity: 256 << 10), Hasher())
        var offset: UInt64 = 0
        while offset < length {
            try file.read(into: buffer, at: offset, length: Int(min(length - offset, UInt64(buffer.capacity))))
            guard buffer.count > 0 else { break }
            try buffer.withBytes { bytes in
                hasher.update(bytes)
                try piece(bytes, offset)
            }
            offset += UInt64(buffer.count)
        }
        return Digest(hashed: hasher.finish())
    }

    private func copy(
        _ file: Expected, from source: (medium: MediaFolder, name: String),
        to place: (medium: MediaFolder, name: String)
    ) throws {
        let path = place.medium.path(of: place.name)
        let folder = path.removingLastComponent()
        try folder.createDirectories()
        let staged =
            "\(FilePath(place.name).removingLastComponent().appending(".\(path.lastComponent?.string ?? "file").new"))"
        let from = try source.medium.open(source.name)
        do {
            let to = try place.medium.openForWriting(staged, creating: true)
            try to.truncate(to: 0)
            let written = try digest(of: from, file.length) { bytes, offset in try to.write(bytes, at: offset) }
            guard written == file.digest else { throw BundleError.fileDamaged(from.path) }
            try to.syncData()
        }
        let stagedPath = place.medium.path(of: staged)
        if try source.medium.path(of: source.name).isExecutable() {
            var ownership = try stagedPath.ownership()
            ownership.mode = 0o755
            try stagedPath.set(ownership)
        }
        try stagedPath.rename(to: path)
        try folder.syncDirectory()
    }
}

/// A file that should have been written and can't be.
package struct NotWritten: Sendable, Equatable {
    package let path: FilePath
    /// Why, in words.
    package let reason: String
}

extension FileError {
    /// Whether it says that this medium, or this file on it, is not to be written.
    var isAboutWritability: Bool {
        [.readOnlyFileSystem, .permissionDenied, .notPermitted, .tooManySymbolicLinkLevels, .textFileBusy].contains(
            errno)
    }
}
