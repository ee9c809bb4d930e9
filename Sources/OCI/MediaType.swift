// SPDX-License-Identifier: Apache-2.0

/// The media types that Dray acts on; every other type passes through untouched.
package enum MediaType {
    /// An OCI image manifest (image-spec 1.1, manifest.md).
    package static let manifest = "application/vnd.oci.image.manifest.v1+json"
    /// An OCI image index (image-spec 1.1, image-index.md).
    package static let index = "application/vnd.oci.image.index.v1+json"
    /// A Docker image manifest, version 2 schema 2.
    package static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    /// A Docker manifest list, version 2 schema 2.
    package static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
    /// A gzip-compressed layer.
    package static let gzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip"
    /// An uncompressed layer; also what ORAS 1.0 gives a file it pushes.
    package static let layer = "application/vnd.oci.image.layer.v1.tar"
    /// An image configuration.
    package static let imageConfig = "application/vnd.oci.image.config.v1+json"
    /// The configuration that ORAS 1.0 gives an artifact of no known type.
    package static let unknownConfig = "application/vnd.unknown.config.v1+json"

    /// The types that a registry keeps under `manifests/` and whose references are walked.
    package static let manifests = [manifest, index, dockerManifest, dockerList]

    /// Whether `type` names a list of manifests.
    package static func isIndex(_ type: String) -> Bool { type == index || type == dockerList }

    /// Whether `type` is one of `manifests`.
    package static func isManifest(_ type: String) -> Bool { manifests.contains(type) }

    /// Whether it is one of Docker's own manifest types, which not every OCI registry takes.
    package static func isDocker(_ type: String) -> Bool { type == dockerManifest || type == dockerList }
}
