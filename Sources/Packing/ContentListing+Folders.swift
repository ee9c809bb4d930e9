// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import Palette
internal import PaletteSources
package import SystemPackage

extension ContentListing {
    /// What an OCI image layout holds, named as `pack` would deliver it; its manifests are compared with their digests.
    ///
    /// Throws `PackError`, `FileError`, and `MappingError` for a name that no registry takes.
    package init(layout path: FilePath) throws {
        self.init(title: "layout \(path)", proof: "a folder: nothing vouches for it", isProven: false)
        let layout = try LayoutFolder(path, references: nil)
        for entry in layout.entries {
            guard let name = entry.referenceName else { continue }
            let target = try DeliveredReference(
                source: Reference(parsing: name), type: entry.annotations?[DeliveredReference.typeAnnotation])
            tags[Name(repository: target.repository, tag: target.tag)] = entry.digest
        }
        var blobs: [Digest: UInt64] = [:]
        for (descriptor, manifest) in layout.graph.manifests {
            blobs[descriptor.digest] = UInt64(manifest.bytes.count)
        }
        for blob in layout.graph.blobs { blobs[blob.digest] = UInt64(blob.size) }
        self.blobs = blobs
    }

    /// The artifacts that `pack` would make of a pack folder, or of those directly below a folder.
    ///
    /// Throws `PackFolderError`, `FileError`, `MappingError`.
    package init(packs path: FilePath) throws {
        self.init(title: "packs \(path)", proof: "a folder: nothing vouches for it", isProven: false)
        let isOne = try path.appending("pack.json").exists()
        let folders = try isOne ? [path] : path.entries().map { path.appending($0) }
        var blobs: [Digest: UInt64] = [:]
        let config = Digest(of: PackArtifact.config)
        for folder in try folders.filter({ try $0.appending("pack.json").exists() }) {
            let pack = try PackArtifact.plan(folder)
            let hash = PackHash()
            try pack.writeLayer { hash.update($0) }
            let layer = hash.finish()
            let manifest = pack.manifest(layerDigest: layer, configDigest: config)
            let target = try DeliveredReference(pack: pack.metadata.name, version: pack.metadata.version)
            tags[Name(repository: target.repository, tag: target.tag)] = Digest(of: manifest)
            blobs[layer] = pack.layerSize
            blobs[config] = UInt64(PackArtifact.config.count)
            blobs[Digest(of: manifest)] = UInt64(manifest.count)
        }
        self.blobs = blobs
    }

    /// Whether a folder is a pack, or has packs directly below it.
    package static func hasPacks(_ path: FilePath) throws -> Bool {
        if try path.appending("pack.json").exists() { return true }
        return try path.entries().contains { try path.appending("\($0)/pack.json").exists() }
    }
}
