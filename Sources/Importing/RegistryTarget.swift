// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
package import RegistryClient

/// A registry that speaks the OCI distribution protocol.
package struct RegistryTarget: LoadTarget {
    let registry: Registry

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
        switch try state(of: place) {
        case .missing: nil
        case .present(let digest): digest
        case .presentUnnamed: try manifest(place).map { Digest(of: $0) }
        }
    }

    // A tag whose content can't be told is an error: nobody may replace it unseen.
    private func state(of place: Place) throws(RegistryError) -> ManifestState {
        let ask = { [self] () throws(RegistryError) in
            try connection.manifestState(full(place.repository), place.reference)
        }
        return place.isDigest ? try unlessBroken(ask) ?? .missing : try ask()
    }

    func manifest(_ place: Place) throws -> [UInt8]? {
        let fetched = try unlessBroken { () throws(RegistryError) in
            try connection.manifest(full(place.repository), place.reference)
        }
        return fetched.flatMap(\.self).map { [UInt8]($0.bytes) }
    }

    /// What the registry answers, or `nil` for 500 each time: after a full disk docker-registry answers so for content whose
    /// link it couldn't write, until the content is sent again.
    private func unlessBroken<Value>(_ ask: () throws(RegistryError) -> Value) throws(RegistryError) -> Value? {
        do {
            return try ask()
        } catch {
            guard case .unavailable(_, 500, _) = error else { throw error }
            return nil
        }
    }

    func has(_ blob: LoadPlan.BlobStep) throws -> Bool {
        try unlessBroken { () throws(RegistryError) in
            try connection.blobSize(full(blob.repository), blob.digest) == blob.size
        } ?? false
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
