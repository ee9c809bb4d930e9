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

    /// The tag of a staging manifest: of its own digest, since a login may be allowed to make tags and not to move them.
    static func blobsTag(of manifest: Digest) -> String { "dray-staging-blobs-\(manifest.hex.prefix(16))" }

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
/// A blob may wait for half of the delay. One that would wait longer is held before nothing else can finish in time to
/// do it, and otherwise not more often than each eighth of the delay. Times are seconds of any one clock.
struct HoldRule {
    /// Seconds after which the registry may collect.
    let delay: Double
    private var waiting: [String: [Waiting]] = [:]

    private struct Waiting {
        let blob: Descriptor
        let since: Double
        /// Whether a staging manifest names it.
        var isHeld = false
    }

    /// What is known about the manifest that will name a repository's blobs.
    struct Outlook {
        /// Bytes to send before it comes.
        var remaining: Int64
        /// Whether nothing may finish before much of the delay has gone: all the rest is under way, or a long request begins.
        var isLast: Bool
        /// Bytes a second, infinite where unknown.
        var rate: Double
    }

    init(delay: Double) { self.delay = delay }

    /// Notes a finished blob. Returns the blobs that a staging manifest must list now, if so.
    mutating func finished(
        _ blob: Descriptor, in repository: String, _ outlook: Outlook, now: Double
    ) -> [Descriptor]? {
        waiting[repository, default: []].append(Waiting(blob: blob, since: now))
        return due(in: repository, outlook, now: now)
    }

    /// The blobs that a staging manifest must list now, if any wait for too long without one.
    mutating func due(in repository: String, _ outlook: Outlook, now: Double) -> [Descriptor]? {
        let blobs = waiting[repository] ?? []
        guard let oldest = blobs.filter({ !$0.isHeld }).map(\.since).min(), outlook.remaining > 0 else { return nil }
        let age = now - oldest
        let isLate = age + Double(outlook.remaining) / max(outlook.rate, 1) > delay / 2
        guard isLate, outlook.isLast || age > delay / 8 else { return nil }
        waiting[repository] = blobs.map { Waiting(blob: $0.blob, since: $0.since, isHeld: true) }
        return blobs.map(\.blob)
    }

    /// All blobs of repositories in which some are not held; they count as held from now on.
    mutating func holdAll() -> [String: [Descriptor]] {
        let open = waiting.filter { $0.value.contains { !$0.isHeld } }
        for (repository, blobs) in open {
            waiting[repository] = blobs.map { Waiting(blob: $0.blob, since: $0.since, isHeld: true) }
        }
        return open.mapValues { $0.map(\.blob) }
    }

    /// Forgets blobs, now that a manifest names them.
    mutating func named(_ digests: Set<Digest>, in repository: String) {
        waiting[repository]?.removeAll { digests.contains($0.blob.digest) }
    }
}
