// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import Palette
internal import PaletteSources

/// What a vendor's archive holds, read in one pass for its facts alone: nothing is stored, blobs are not compared with
/// their names.
struct ArchiveContents {
    /// Bytes of manifests that are kept at a time; some 20,000 of the usual size.
    static let maximumManifests = 64 << 20

    /// Of the layout that the blobs belong to; absent where the archive holds none.
    private(set) var index: [UInt8]?
    /// The folder that the layout lies in, empty at the archive's top.
    private(set) var folder: String?
    private(set) var manifests: [Digest: [UInt8]] = [:]
    /// What the packs in it name, by layer.
    let notes = PackImageNotes()
    /// Sizes by the digest that each blob's name claims.
    private(set) var blobs: [Digest: UInt64] = [:]
    private(set) var otherMembers = 0
    private var manifestBytes = 0

    init() {}

    /// Reads all entries. Throws `ArchiveError` and what the archive's source throws; what was read until then stays.
    mutating func read(_ archive: ArchiveReader) throws {
        let buffer = Buffer(capacity: InputReader.pieceLength)
        var indexes: [(folder: String, bytes: [UInt8])] = []
        defer {
            index = indexes.first { $0.folder == folder ?? $0.folder }?.bytes
            otherMembers += max(0, indexes.count - 1)
        }
        while let entry = try archive.next() {
            try Interruption.check()
            guard entry.kind == .file else {
                otherMembers += entry.kind == .directory ? 0 : 1
                continue
            }
            switch LayoutMember(entry.name) {
            case .index(let folder) where indexes.count < 16 && entry.size <= UInt64(LayoutFolder.maximumIndex):
                indexes.append((folder, try ArchiveContents.bytes(of: archive, buffer)))
            case .blob(let digest, let folder):
                guard folder == self.folder ?? folder else {
                    throw PackError.notALayout("the archive", why: LayoutMember.several([folder, self.folder ?? ""]))
                }
                self.folder = folder
                blobs[digest] = entry.size
                guard entry.size <= UInt64(Manifest.maximumSize) else { continue }
                _ = try archive.read(into: buffer)
                try note(digest, buffer)
            case .marker: break
            case .index, .other: otherMembers += 1
            }
        }
    }

    private mutating func note(_ digest: Digest, _ buffer: Buffer) throws {
        try notes.note(digest, buffer)
        let bytes = buffer.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        guard BlobIntake.isManifest(bytes), manifests[digest] == nil,
            manifestBytes + bytes.count <= ArchiveContents.maximumManifests
        else { return }
        manifests[digest] = bytes
        manifestBytes += bytes.count
    }

    private static func bytes(of archive: ArchiveReader, _ buffer: Buffer) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while try archive.read(into: buffer) > 0 {
            buffer.withBytes { piece in unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
        }
        return bytes
    }

    /// Facts of what `index.json` lists. Throws `PackError.notALayout`.
    func facts(name: String, place: String) throws -> RegistryFacts {
        guard let index else { throw PackError.notALayout(place, why: "it holds no index.json beside its blobs") }
        return RegistryFacts(
            of: try LayoutIndex.entries(index, place: place), lists: notes.lists,
            annotations: LayoutIndex.annotations(index), name: name
        ) { entry in
            manifests[entry.digest].flatMap { try? Manifest(parsing: Data($0), mediaType: entry.mediaType) }
        }
    }
}

/// What a member of a vendor's archive is by its name; the layout may lie below any folder.
enum LayoutMember: Equatable {
    case index(folder: String)
    case blob(Digest, folder: String)
    /// `oci-layout`, whose content decides nothing.
    case marker
    case other

    /// Why blobs in more than one folder are no layout: which of them is meant, nothing says.
    static func several(_ folders: Set<String>) -> String {
        let names = folders.sorted().map { VendorName.shown($0) ?? "its top" }.joined(separator: " and ")
        return "it holds more than one layout, below \(names); unpack it and name each with layout:"
    }

    init(_ name: String) {
        let parts = name.split(separator: "/").filter { $0 != "." }
        if parts.last == "index.json" {
            self = .index(folder: parts.dropLast().joined(separator: "/"))
        } else if parts.count >= 3, parts[parts.count - 3] == "blobs", parts[parts.count - 2] == "sha256",
            let digest = Digest(hex: parts[parts.count - 1])
        {
            self = .blob(digest, folder: parts.dropLast(3).joined(separator: "/"))
        } else {
            self = parts.last == "oci-layout" ? .marker : .other
        }
    }
}
