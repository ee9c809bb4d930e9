// SPDX-License-Identifier: Apache-2.0

/// A typed pointer to content (image-spec 1.1, descriptor.md). `urls` are read by nobody.
package struct Descriptor: Hashable, Sendable, Codable {
    package var mediaType: String
    package var digest: Digest
    /// Bytes; 0 or more.
    package var size: Int64
    package var artifactType: String?
    package var annotations: [String: String]?

    package init(
        mediaType: String, digest: Digest, size: Int64, artifactType: String? = nil,
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.artifactType = artifactType
        self.annotations = annotations
    }

    /// The annotation under which an image layout names a manifest (image-spec 1.1, annotations.md).
    package static let referenceName = "org.opencontainers.image.ref.name"

    /// The reference that the layout's index gives this manifest, if any.
    package var referenceName: String? { annotations?[Descriptor.referenceName] }
}
