// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import FoundationEssentials
import Importing
import OCI

/// Registry content made of nothing but manifests: what plans are tested with.
struct Contents {
    private var manifests: [Digest: Manifest] = [:]

    /// A blob of that name and size.
    static func blob(_ name: String, size: Int64 = 100) -> Descriptor {
        Descriptor(mediaType: MediaType.gzipLayer, digest: Digest(of: Array(name.utf8)), size: size)
    }

    /// An image with these layers; its configuration is a blob named `config`.
    mutating func image(_ layers: [String]) throws -> Descriptor {
        let blobs = (["config"] + layers).map { Contents.blob($0) }
        let items = blobs.map { #"{"mediaType":"\#($0.mediaType)","digest":"\#($0.digest)","size":\#($0.size)}"# }
        let text = #"{"schemaVersion":2,"config":\#(items[0]),"layers":[\#(items.dropFirst().joined(separator: ","))]}"#
        return try keep(text, MediaType.manifest)
    }

    /// An index over these manifests.
    mutating func index(_ children: [Descriptor]) throws -> Descriptor {
        let items = children.map { #"{"mediaType":"\#($0.mediaType)","digest":"\#($0.digest)","size":\#($0.size)}"# }
        return try keep(#"{"schemaVersion":2,"manifests":[\#(items.joined(separator: ","))]}"#, MediaType.index)
    }

    private mutating func keep(_ text: String, _ type: String) throws -> Descriptor {
        let bytes = Data(text.utf8)
        let digest = Digest(of: Array(text.utf8))
        manifests[digest] = try Manifest(parsing: bytes, mediaType: type)
        return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
    }

    /// The content of these references.
    func content(_ references: [ReleaseReference]) throws -> RegistryContent {
        var content = RegistryContent()
        for reference in references {
            try content.add(reference) { descriptor in
                guard let manifest = manifests[descriptor.digest] else { throw Unknown(digest: descriptor.digest) }
                return manifest
            }
        }
        return content
    }

    struct Unknown: Error { let digest: Digest }
}

/// A reference to a manifest.
func reference(
    _ repository: String, _ tag: String?, _ descriptor: Descriptor, kind: String = "image", mayMove: Bool = false
) -> ReleaseReference {
    ReleaseReference(
        repository: repository, tag: tag, descriptor: descriptor, kind: kind, source: repository, mayMove: mayMove)
}
