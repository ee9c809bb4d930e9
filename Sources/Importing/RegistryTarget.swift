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

    /// A registry about which the site's state remembers what was learned, and which uploads can be gone on with.
    ///
    /// Throws `RegistryError` as `Registry` does, and what reading the state can throw.
    package init(_ endpoint: Endpoint, _ options: RegistryOptions, state: SiteState) throws {
        var options = options
        options.journal = state.uploadJournal(of: endpoint.description)
        registry = try Registry(endpoint, options)
        if let habits = try state.habits(of: endpoint.description) { registry.habits = habits }
    }

    package var address: String { registry.endpoint.description }
    package var skipsTLSVerify: Bool { registry.options.skipTLSVerify }

    package var traffic: TargetTraffic {
        let seen = registry.traffic
        var traffic = TargetTraffic()
        (traffic.requests, traffic.bytesSent) = (seen.requests, UInt64(seen.bodyBytes))
        traffic.bytesPerSecond = registry.habits.bytesPerSecond
        return traffic
    }

    package func remember(in state: SiteState) throws {
        try state.keep(registry.habits, of: registry.endpoint.description)
    }

    package func open() -> FileLock? { nil }

    package func session() -> any TargetSession { RegistrySession(registry) }

    package func setTags(_ tags: [TagAssignment], width: Int) throws {
        // A connection for each thread, not for each tag: a handshake costs more than a tag.
        try spread(tags, width: width, { RegistrySession(registry) }) { session, assignment in
            let place = Place(assignment.repository, assignment.tag)
            if assignment.retypes { try session.remove(place) }
            _ = try session.put(assignment.manifest, assignment.descriptor, at: place)
        }
    }
}

/// One connection to a registry.
final class RegistrySession: TargetSession {
    private let connection: RegistryConnection

    init(_ registry: Registry) { connection = registry.connection() }

    private func full(_ repository: String) -> String { connection.registry.endpoint.repository(repository) }

    func ping() throws { try connection.ping() }

    func traits(_ question: TraitsQuestion) throws -> TargetTraits { TargetTraits() }

    func manifestDigest(_ place: Place) throws -> Digest? {
        switch try state(of: place) {
        case .missing: return nil
        case .present(let digest): return digest
        case .presentUnnamed:
            guard case .present(let bytes, _) = try manifest(place) else { return nil }
            return Digest(of: bytes)
        }
    }

    // A tag whose content can't be told is an error: nobody may replace it unseen.
    private func state(of place: Place) throws(RegistryError) -> ManifestState {
        let ask = { [self] () throws(RegistryError) in
            try connection.manifestState(full(place.repository), place.reference)
        }
        return place.isDigest ? try unlessBroken(ask) ?? .missing : try ask()
    }

    func manifest(_ place: Place) throws -> ManifestAnswer {
        let ask = { [self] () throws(RegistryError) in
            try connection.manifest(full(place.repository), place.reference)
        }
        guard let fetched = place.isDigest ? try unlessBroken(ask).flatMap(\.self) : try ask() else { return .missing }
        return .present(bytes: [UInt8](fetched.bytes), mediaType: fetched.mediaType)
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

    func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool { try has(blob) }

    func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome {
        try connection.upload(
            BlobUpload(
                repository: full(blob.repository), digest: blob.digest, size: blob.size,
                mountFrom: blob.mountFrom.map(full),
                presence: [.unlikely, .damaged].contains(blob.presence) ? .unlikely : .unknown),
            body: body)
    }

    func put(_ manifest: Manifest, _ descriptor: Descriptor, at place: Place) throws -> Bool {
        try connection.putManifest(
            full(place.repository), place.reference, manifest.bytes, mediaType: manifest.mediaType,
            digest: descriptor.digest)
        return manifest.subject == nil
    }

    func remove(_ tag: Place) throws { try connection.deleteManifest(full(tag.repository), tag.reference) }

    func referrers(of subject: Place) throws -> [Digest] { [] }

    func list(_ referrer: Manifest, _ descriptor: Descriptor, about subject: Digest, in repository: String) throws {}
}
