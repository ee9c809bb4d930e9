// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
package import RegistryClient

/// A registry that speaks the OCI distribution protocol.
package struct RegistryTarget: LoadTarget {
    private let registry: Registry

    package init(_ registry: Registry) { self.registry = registry }

    package var address: String { registry.endpoint.description }
    package var skipsTLSVerify: Bool { registry.options.skipTLSVerify }

    package func open() -> FileLock? { nil }

    package func session() -> any TargetSession { RegistrySession(registry) }

    package func setTags(_ tags: [TagAssignment], width: Int) throws {
        // A connection for each thread, not for each tag: a handshake costs more than a tag.
        try spread(tags, width: width, registry.connection) { [registry] connection, assignment in
            guard let tag = assignment.tag else { return }
            try connection.putManifest(
                registry.endpoint.repository(assignment.repository), tag, assignment.manifest.bytes,
                mediaType: assignment.manifest.mediaType, digest: assignment.descriptor.digest)
        }
    }
}

/// One connection to a registry.
private final class RegistrySession: TargetSession {
    private let connection: RegistryConnection

    init(_ registry: Registry) { connection = registry.connection() }

    private func full(_ repository: String) -> String { connection.registry.endpoint.repository(repository) }

    func ping() throws { try connection.ping() }

    func manifestDigest(_ place: Place) throws -> Digest? {
        switch try connection.manifestState(full(place.repository), place.reference) {
        case .missing: nil
        case .present(let digest): digest
        case .presentUnnamed: try manifest(place).map { Digest(of: $0) }
        }
    }

    func manifest(_ place: Place) throws -> [UInt8]? {
        try connection.manifest(full(place.repository), place.reference).map { [UInt8]($0.bytes) }
    }

    func has(_ blob: LoadPlan.BlobStep) throws -> Bool {
        try connection.blobSize(full(blob.repository), blob.digest) == blob.size
    }

    func send(_ blob: LoadPlan.BlobStep, body: () throws -> any BlobBody) throws -> UploadOutcome {
        try connection.upload(
            full(blob.repository), blob.digest, size: blob.size, mountFrom: blob.mountFrom.map(full), body: body)
    }

    func put(_ manifest: Manifest, _ descriptor: Descriptor, in repository: String) throws {
        try connection.putManifest(
            full(repository), descriptor.digest.description, manifest.bytes, mediaType: manifest.mediaType,
            digest: descriptor.digest)
    }
}
