// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import Palette
internal import PaletteSources
internal import SystemPackage

/// An OCI image layout on disk (image-spec 1.1, image-layout.md), with its manifests read.
struct LayoutFolder {
    /// The most bytes of an `index.json`.
    static let maximumIndex = 64 << 20

    let path: FilePath
    /// The file `index.json`, unchanged.
    let indexBytes: [UInt8]
    /// What it lists, in its order; only what was asked for.
    let entries: [Descriptor]
    let graph: ManifestGraph

    /// Reads `index.json` and every manifest below the entries named in `references` (all when `nil`).
    ///
    /// Throws `PackError.notALayout`, `.blobMissing`, `.sparseIndex`, `.blobMismatch`, `.badManifest`.
    init(_ path: FilePath, references: [String]?) throws {
        self.path = path
        guard try path.appending("oci-layout").exists() else {
            throw PackError.notALayout(path.string, why: "it has no file oci-layout")
        }
        guard try path.appending("index.json").exists() else {
            throw PackError.notALayout(path.string, why: "it has no file index.json")
        }
        indexBytes = try path.appending("index.json").contents(limit: LayoutFolder.maximumIndex)
        entries = try LayoutIndex.entries(indexBytes, place: path.string, references: references)
        let listed = Set(entries.map(\.digest))
        var graph = ManifestGraph()
        // What is no manifest can't be tagged; `PackRun` says so.
        for entry in entries where MediaType.isManifest(entry.mediaType) {
            try graph.add(entry) { try LayoutFolder.manifest($0, in: path, isChild: !listed.contains($0.digest)) }
        }
        self.graph = graph
    }

    /// Where a blob lies.
    func blob(_ digest: Digest) -> FilePath { LayoutFolder.blob(digest, in: path) }

    /// What the packs in it name, by layer. A layer that is too large for a pack's, or no tar, has no entry.
    func packImages() throws -> [Digest: PackImages] {
        let packs = Set(entries.filter(LayoutIndex.isPack).map(\.digest))
        var lists: [Digest: PackImages] = [:]
        for (descriptor, manifest) in graph.manifests where packs.contains(descriptor.digest) {
            for layer in manifest.blobs where (1...PackLayer.maximumSize).contains(UInt64(layer.size)) {
                guard try blob(layer.digest).exists() else { continue }  // stops the run when it is read
                let file = try OpenFile.reading(blob(layer.digest))
                let buffer = Buffer(capacity: 1 << 18)
                var offset: UInt64 = 0
                lists[layer.digest] = try PackLayer.images {
                    try file.read(into: buffer, at: offset, length: min(buffer.capacity, Int(layer.size) - Int(offset)))
                    offset += UInt64(buffer.count)
                    return buffer.count > 0 ? buffer : nil
                }
            }
        }
        return lists
    }

    private static func blob(_ digest: Digest, in path: FilePath) -> FilePath {
        path.appending("blobs/sha256").appending(digest.hex)
    }

    private static func manifest(_ descriptor: Descriptor, in path: FilePath, isChild: Bool) throws -> Manifest {
        let file = blob(descriptor.digest, in: path)
        guard try file.exists() else {
            guard !isChild else { throw PackError.sparseIndex(descriptor.digest, in: path.string) }
            throw PackError.blobMissing(descriptor.digest, in: path.string, of: "index.json or an index")
        }
        let bytes = try file.contents(limit: Manifest.maximumSize)
        return try LayoutIndex.manifest(bytes, descriptor, place: path.string)
    }
}

/// The two documents of a layout, wherever its bytes come from.
enum LayoutIndex {
    /// The manifests that an `index.json` lists, or those of them that have one of the reference names.
    static func entries(_ bytes: [UInt8], place: String, references: [String]? = nil) throws -> [Descriptor] {
        struct Document: Decodable { var manifests: [Descriptor] }
        let all: [Descriptor]
        do {
            all = try JSONDecoder().decode(Document.self, from: Data(bytes)).manifests
        } catch {
            throw PackError.notALayout(place, why: "index.json can't be read: \(error)")
        }
        guard let references else { return all }
        for name in references where !all.contains(where: { $0.referenceName == name }) {
            throw PackError.notALayout(place, why: "its index.json has no reference \(name)")
        }
        return all.filter { $0.referenceName.map(references.contains) ?? false }
    }

    /// The annotations of the `index.json` itself; none where it has none of texts.
    static func annotations(_ bytes: [UInt8]) -> [String: String] {
        struct Document: Decodable { var annotations: [String: String]? }
        let document = try? JSONDecoder().decode(Document.self, from: Data(bytes))  // they only inform
        return document?.annotations ?? [:]
    }

    /// Whether an entry is a pack by its name.
    static func isPack(_ entry: Descriptor) -> Bool {
        // A name that is no reference stops the run when it is delivered.
        guard let name = entry.referenceName, let source = try? Reference(parsing: name) else { return false }
        return (try? DeliveredReference(source: source))?.kind == .pack
    }

    /// A manifest whose bytes are what its descriptor says.
    static func manifest(_ bytes: [UInt8], _ descriptor: Descriptor, place: String) throws -> Manifest {
        guard Int64(bytes.count) == descriptor.size, Digest(of: bytes) == descriptor.digest else {
            throw PackError.blobMismatch(descriptor.digest, in: place)
        }
        do throws(OCI.ManifestError) {
            return try Manifest(parsing: Data(bytes), mediaType: descriptor.mediaType)
        } catch {
            throw PackError.badManifest(descriptor.digest, in: place, why: error.description)
        }
    }
}
