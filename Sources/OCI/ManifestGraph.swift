// SPDX-License-Identifier: Apache-2.0

/// Everything that a set of manifests needs, in the order in which an importer must send it.
package struct ManifestGraph: Sendable {
    /// Manifests in all; more is refused before memory is taken for them.
    package static let maximumManifests = 200_000
    /// Levels of indexes.
    package static let maximumDepth = 16

    /// All manifests, children before their parents, each once.
    package private(set) var manifests: [(descriptor: Descriptor, manifest: Manifest)] = []
    /// All configurations and layers, by the manifest that names them first, each once.
    package private(set) var blobs: [Descriptor] = []
    private var seenManifests: Set<Digest> = []
    private var seenBlobs: Set<Digest> = []

    package init() {}

    /// Whether a manifest or blob is in the graph.
    package func contains(_ digest: Digest) -> Bool { seenManifests.contains(digest) || seenBlobs.contains(digest) }

    /// Adds a manifest with all below it. `fetch` gives the bytes of a manifest as a `Manifest`.
    ///
    /// Throws what `fetch` throws, and `GraphError` for too many manifests or levels. A loop can't exist among digests;
    /// a manifest met again is not walked again.
    package mutating func add(
        _ root: Descriptor, fetch: (Descriptor) throws -> Manifest
    ) throws {
        try add(root, depth: 0, fetch: fetch)
    }

    private mutating func add(_ descriptor: Descriptor, depth: Int, fetch: (Descriptor) throws -> Manifest) throws {
        guard seenManifests.insert(descriptor.digest).inserted else { return }
        guard depth < ManifestGraph.maximumDepth else { throw GraphError.tooDeep(descriptor.digest) }
        guard seenManifests.count <= ManifestGraph.maximumManifests else { throw GraphError.tooMany }
        let manifest = try fetch(descriptor)
        for child in manifest.manifests {
            // An index may list things that are no manifests; they are sent as blobs.
            if MediaType.isManifest(child.mediaType) {
                try add(child, depth: depth + 1, fetch: fetch)
            } else {
                addBlob(child)
            }
        }
        for blob in manifest.blobs { addBlob(blob) }
        manifests.append((descriptor, manifest))
    }

    private mutating func addBlob(_ descriptor: Descriptor) {
        if seenBlobs.insert(descriptor.digest).inserted { blobs.append(descriptor) }
    }
}

/// Why manifests can't be walked.
package enum GraphError: Error, Equatable {
    case tooMany
    case tooDeep(Digest)
}

extension GraphError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooMany: "there are more than \(ManifestGraph.maximumManifests) manifests; split the release"
        case .tooDeep(let digest):
            "\(digest) lies below more than \(ManifestGraph.maximumDepth) levels of indexes; no image needs that"
        }
    }
}
