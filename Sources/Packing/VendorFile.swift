// SPDX-License-Identifier: Apache-2.0

internal import Archive
package import BundleFormat
package import Files
internal import FoundationEssentials
package import OCI
package import PaletteSources
package import SystemPackage

/// What one file of a vendor is, read without packing it: nothing is written, nothing is run.
package struct VendorFile: Sendable {
    package enum Content: Sendable {
        case iso(Release.ISOFacts)
        case archive(VendorArchive)
        case makeself(Makeself, MakeselfListing)
    }

    package enum Signature: Sendable, Equatable {
        /// Valid under the key of this SHA-256.
        case valid(Digest)
        /// No key was given.
        case unchecked
    }

    /// Without `_partNN`.
    package let name: String
    /// Bytes.
    package let size: UInt64
    /// How many parts it is in; 0 for a whole file.
    package let parts: Int
    /// SHA-256 of the whole; absent where it was not read to its end.
    package let digest: Digest?
    package let signature: Signature
    package let content: Content
}

/// An OCI layout in a tar.
package struct VendorArchive: Sendable {
    package let facts: Release.BundleFacts
    /// As the vendor names them.
    package let references: [String]
    /// What manifests name and the archive lacks, sorted.
    package let missing: [Digest]
    package let blobs: Int
    /// Members that are no part of the layout.
    package let otherMembers: Int
}

/// What could be seen of a makeself archive's own archive.
package struct MakeselfListing: Sendable {
    package var members: [ArchiveMember] = []
    /// Why there are none, or not all.
    package var fault: String?
}

/// Reads a vendor's file; `path` may be a whole file or what names a set of parts. With `keys`, vendors' public keys in PEM,
/// its signature beside it must be valid.
///
/// Throws `PackError.signatureMissing` and `.signatureWrong` (10), `.notVendorFile`, `ArchiveError`, `PartSetError`, `FileError`.
package func inspectVendorFile(_ path: FilePath, keys: [FilePath], progress: Progress) throws -> VendorFile {
    let set = try PartSet(at: path)
    let inspection = try VendorInspection(set?.whole ?? path, parts: set?.parts ?? [], keys, progress)
    return try inspection.run()
}

private struct VendorInspection {
    let path: FilePath
    let parts: [FilePath]
    let keys: VendorSignatures
    let isChecking: Bool
    let file: InputFile
    let reader: InputReader

    var name: String { path.lastComponent?.string ?? "" }

    init(_ path: FilePath, parts: [FilePath], _ keys: [FilePath], _ progress: Progress) throws {
        (self.path, self.parts) = (path, parts)
        self.keys = try VendorSignatures(keys)
        isChecking = !keys.isEmpty
        file = try InputFile(path, parts: parts)
        reader = InputReader(progress: progress)
        progress.begin(total: file.size)
        progress.label = name
    }

    func run() throws -> VendorFile {
        let start = try file.bytes(at: 0, length: Int(min(file.size, UInt64(Makeself.maximumScript))))
        if let makeself = Makeself(start) {
            return try result(.makeself(makeself, listing(makeself)), digest: isChecking ? hash() : nil)
        }
        if let iso = try ISOReading(file, name: name) {
            return try result(.iso(iso.facts), digest: isChecking ? hash() : nil)
        }
        let (archive, digest) = try readArchive()
        return try result(.archive(archive), digest: digest)
    }

    private func result(_ content: VendorFile.Content, digest: Digest?) throws -> VendorFile {
        var signature = VendorFile.Signature.unchecked
        if isChecking, let digest {
            signature = .valid(try keys.check(digest, of: path))
        }
        return VendorFile(
            name: name, size: file.size, parts: parts.count, digest: digest, signature: signature, content: content)
    }

    private func hash() throws -> Digest {
        let whole = LaneHash()
        try reader.pieces(of: file, 0..<file.size, name: path.string, users: 1) { buffer, uses in
            whole.add(buffer, on: reader.identity, ending: uses)
        }
        try reader.identity.wait()
        return whole.finish()
    }

    private func readArchive() throws -> (VendorArchive, Digest) {
        let source = try RawSource(path, parts, size: file.size, reader: reader)
        defer { source.release() }
        var contents = ArchiveContents()
        do {
            let archive = try ArchiveReader { try source.next() }
            try contents.read(archive)
            try archive.finish()
        } catch let error as ArchiveError {
            // What began as an archive is a damaged one.
            guard contents.blobs.isEmpty, contents.index == nil else { throw error }
            throw PackError.notVendorFile(path, why: error.description)
        }
        let facts = try contents.facts(name: name, place: path.string)
        let index = try LayoutIndex.entries(contents.index ?? [], place: path.string)
        let found = VendorArchive(
            facts: facts.facts, references: index.compactMap(\.referenceName), missing: contents.missing(index),
            blobs: contents.blobs.count, otherMembers: contents.otherMembers)
        return (found, source.finish())
    }

    private func listing(_ makeself: Makeself) throws -> MakeselfListing {
        var listing = MakeselfListing()
        guard let offset = makeself.offset, offset < file.size else {
            listing.fault = "its script doesn't say where its archive begins"
            return listing
        }
        let end = min(file.size, offset + min(makeself.length ?? file.size, file.size))
        let buffer = Buffer(capacity: InputReader.pieceLength)
        var at = offset
        do {
            let members = try Makeself.members {
                try Interruption.check()
                let length = Int(min(UInt64(buffer.capacity), end - at))
                try file.read(into: buffer, at: at, length: length)
                guard buffer.count == length else { throw PackError.inputChanged(path.string) }
                at += UInt64(length)
                if !isChecking { reader.progress.add(length) }
                return length > 0 ? buffer : nil
            }
            listing.members = members ?? []
            if members == nil { listing.fault = "its archive is neither gzip nor zstd nor a plain tar" }
            if listing.members.count == Makeself.maximumMembers {
                listing.fault = "it has more entries than are listed"
            }
        } catch let error as ArchiveError {
            listing.fault = error.description
        }
        return listing
    }
}

extension ArchiveContents {
    /// What the manifests below these entries name and the archive lacks.
    fileprivate func missing(_ entries: [Descriptor]) -> [Digest] {
        var missing: Set<Digest> = []
        var seen: Set<Digest> = []
        var waiting = entries
        while let next = waiting.popLast() {
            guard seen.insert(next.digest).inserted else { continue }
            guard blobs[next.digest] != nil else {
                missing.insert(next.digest)
                continue
            }
            guard MediaType.isManifest(next.mediaType), let bytes = manifests[next.digest],
                // What is no manifest stops `pack`, which says so.
                let manifest = try? Manifest(parsing: Data(bytes), mediaType: next.mediaType)
            else { continue }
            waiting += manifest.references
        }
        return missing.sorted { $0.hex < $1.hex }
    }
}
