// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import FoundationEssentials
internal import OCI
internal import Synchronization
internal import Trust

/// What keeps content from being collected between its arrival and its final tag: tags of its own, which go at the end.
enum Staging {
    /// The tag that holds a manifest.
    static func tag(of manifest: Digest) -> String { "dray-staging-\(manifest.hex.prefix(32))" }

    /// The tag, in each repository, of the manifest that lists finished blobs of a release.
    static func blobsTag(of release: Digest) -> String { "dray-staging-blobs-\(release.hex.prefix(16))" }

    /// An image manifest that does nothing but name blobs (image-spec 1.1, "Guidelines for Artifact Usage").
    static func manifest(listing blobs: [Descriptor]) throws -> (manifest: Manifest, descriptor: Descriptor) {
        let layers: [JSONValue] = blobs.map { blob in
            [
                "mediaType": "application/octet-stream", "digest": .string(blob.digest.description),
                "size": .int(blob.size),
            ]
        }
        let document: JSONValue = [
            "schemaVersion": 2, "mediaType": .string(MediaType.manifest),
            "artifactType": "application/vnd.dray.staging",
            "config": [
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": .string(emptyConfiguration.digest.description),
                "size": 2,
            ],
            "layers": .array(layers),
        ]
        let bytes = document.canonicalBytes
        return (
            try Manifest(parsing: Data(bytes), mediaType: MediaType.manifest),
            Descriptor(mediaType: MediaType.manifest, digest: Digest(of: bytes), size: Int64(bytes.count))
        )
    }

    static let emptyConfiguration = Descriptor(
        mediaType: "application/vnd.oci.empty.v1+json", digest: Digest(of: Array("{}".utf8)), size: 2)
}

/// Which finished blobs wait unheld for their manifest, and when they must be held. A value; its caller sends.
///
/// Times are seconds of any one clock.
struct HoldRule {
    /// Seconds after which the registry may collect.
    let delay: Double
    private var waiting: [String: Waiting] = [:]

    private struct Waiting {
        /// Finished and named by no manifest that is there.
        var blobs: [Descriptor] = []
        /// How many of those the last staging manifest lists.
        var held = 0
        /// When the first of the others was finished.
        var oldest = 0.0
    }

    init(delay: Double) { self.delay = delay }

    /// Notes a finished blob; `remaining` are the bytes that its image still needs, `isLast` tells that all of them are
    /// under way already, `rate` is bytes a second, infinite where unknown. Returns the blobs that a staging manifest must list now, if so.
    ///
    /// A blob may wait for half of the delay. One that would wait longer is held before the image's rest is all
    /// under way, since nothing else may finish in between, and not more often than each eighth of the delay.
    mutating func finished(
        _ blob: Descriptor, in repository: String, remaining: Int64, isLast: Bool, rate: Double, now: Double
    ) -> [Descriptor]? {
        var entry = waiting[repository] ?? Waiting()
        if entry.blobs.count == entry.held { entry.oldest = now }
        entry.blobs.append(blob)
        let age = now - entry.oldest
        let isLate = age + Double(remaining) / max(rate, 1) > delay / 2
        let mustHold = isLate && remaining > 0 && (isLast || age > delay / 8)
        if mustHold { entry.held = entry.blobs.count }
        waiting[repository] = entry
        return mustHold ? entry.blobs : nil
    }

    /// Forgets a repository's blobs, now that manifests name them.
    mutating func named(in repository: String) { waiting[repository] = nil }
}
