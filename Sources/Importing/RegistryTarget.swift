// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import FoundationEssentials
internal import OCI
package import RegistryClient

/// A registry that speaks the OCI distribution protocol.
package struct RegistryTarget: LoadTarget {
    let registry: Registry
    /// Seconds after which a registry that collects while it runs may do so: Zot's `gcDelay`, one hour unless configured.
    package var gcDelay: Double = 3600
    package var mapping = RegistryMapping.none
    package var capacity: UInt64?

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

    package var keepsEvidence: Bool { true }
    package var basePath: String { registry.endpoint.base }
    package var account: String? { registry.options.credentials?.username }

    package func certificateDigest() throws -> String? {
        guard registry.endpoint.scheme == .https else { return nil }
        let shown = try CertificateChain.shown(by: registry.endpoint, registry.options)
        return shown.first.map { Digest(of: [UInt8]($0.der)).hex }
    }

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

    package func repositories() throws -> [String]? {
        let base = registry.endpoint.base.isEmpty ? "" : registry.endpoint.base + "/"
        var names: Set<String> = []
        let isListed = try registry.connection().catalog { page in
            try Interruption.check()
            for name in page where name.hasPrefix(base) && Reference.isRepository(name) {
                names.insert(String(name.dropFirst(base.count)))
            }
            guard names.count <= RegistryInventory.maximumRepositories else {
                throw InventoryError.tooMuch(address, limit: RegistryInventory.maximumRepositories)
            }
            return true
        }
        return isListed ? names.subtracting([SiteArtifact.repository]).sorted() : nil
    }

    package func session() -> any TargetSession { RegistrySession(registry, gcDelay: gcDelay) }

    package func setTags(_ tags: [TagAssignment], width: Int) throws {
        // A connection for each thread, not for each tag: a handshake costs more than a tag.
        try spread(tags, width: width, session) { session, assignment in
            let place = Place(assignment.repository, assignment.tag)
            if assignment.retypes { try session.remove(place) }
            _ = try session.put(assignment.manifest, assignment.descriptor, at: place)
        }
    }
}

/// One connection to a registry.
final class RegistrySession: TargetSession {
    private let connection: RegistryConnection
    private let gcDelay: Double

    init(_ registry: Registry, gcDelay: Double) {
        connection = registry.connection()
        self.gcDelay = gcDelay
    }

    private func full(_ repository: String) -> String { connection.registry.endpoint.repository(repository) }

    var namesDigests: Bool? { connection.registry.habits.namesDigests }

    func ping() throws { try connection.ping() }

    func traits(_ question: TraitsQuestion) throws -> TargetTraits {
        var traits = TargetTraits()
        let kind = try connection.kind()
        traits.name = kind.family == .other ? "" : "\(kind)"
        traits.collectsAfter = kind.collectsOnline ? gcDelay : nil
        traits.takesSinglePost = connection.registry.habits.takesSinglePost ?? (kind.family == .zot)
        traits.retypesTags = kind.tagsChangeType ?? true
        traits.computesDigests = kind.computesDigests
        guard kind.permitsQuestions else { return traits }
        if question.hasDockerManifests, kind.family == .zot {
            traits.refusesDockerManifests = try connection.refusesDockerManifests()
        }
        traits.denied = try denials(question)
        return traits
    }

    // One repository stands for its folder: permissions are given by folder, and each question costs a login's check.
    private func denials(_ question: TraitsQuestion) throws -> [TargetTraits.Denial] {
        var denied: [TargetTraits.Denial] = []
        var asked: Set<String> = []
        for repository in RegistrySession.samples(question.written, folder: \.parentFolder) {
            switch try connection.mayCreate(full(repository)) {
            case .allowed: asked.insert(repository.parentFolder)
            case .denied: denied.append(TargetTraits.Denial(repository.folderPattern, "create"))
            case .stored: return denied
            case .unknown: break
            }
        }
        guard denied.isEmpty else { return denied }
        // Where such a manifest wasn't seen to be refused, it could replace the tag.
        let moving = question.moving.filter { asked.contains($0.repository.parentFolder) }
        for tag in RegistrySession.samples(moving, folder: \.repository.parentFolder) {
            guard try connection.mayUpdate(full(tag.repository), tag.reference) == .denied else { continue }
            denied.append(TargetTraits.Denial(tag.repository.folderPattern, "update"))
        }
        for repository in RegistrySession.samples(question.retyped, folder: \.parentFolder) {
            guard try connection.mayDelete(full(repository)) == .denied else { continue }
            denied.append(TargetTraits.Denial(repository.folderPattern, "delete"))
        }
        return denied
    }

    /// The first of each folder, at most 16.
    private static func samples<Element>(_ elements: [Element], folder: (Element) -> String) -> [Element] {
        var seen: Set<String> = []
        return Array(elements.filter { seen.insert(folder($0)).inserted }.prefix(16))
    }

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

    func manifest(_ place: Place) throws -> FoundManifest {
        let ask = { [self] () throws(RegistryError) in
            try connection.manifestAnswer(full(place.repository), place.reference)
        }
        return switch place.isDigest ? try unlessBroken(ask) ?? .unknownManifest : try ask() {
        case .manifest(let fetched): .present(bytes: [UInt8](fetched.bytes), mediaType: fetched.mediaType)
        case .unknownManifest: .missing
        case .unknownRepository: .unknownRepository
        }
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

    func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool {
        let hasher = Hasher()
        do {
            let isThere = try connection.blob(full(blob.repository), blob.digest, size: blob.size) { bytes in
                try Interruption.check()
                hasher.update(bytes)
            }
            return isThere && Digest(hashed: hasher.finish()) == blob.digest
        } catch let error as RegistryError {
            guard case .malformed = error else { throw error }
            return false  // another size than it should have
        }
    }

    func contents(of digest: Digest, size: Int64, in repository: String) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        do {
            let isThere = try connection.blob(full(repository), digest, size: size) { piece in
                try Interruption.check()
                unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
            }
            return isThere && Digest(of: bytes) == digest ? bytes : nil
        } catch let error as RegistryError {
            guard case .malformed = error else { throw error }
            return nil  // another size than it should have
        }
    }

    @unsafe func read(
        _ digest: Digest, in repository: String, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws -> BlobPiece {
        switch try unsafe connection.range(full(repository), digest, at: Int64(clamping: offset), into: target) {
        case .missing: .missing
        case .part(let count, let size): .part(count: count, size: UInt64(size))
        case .wholeOnly(let size): .wholeOnly(size: UInt64(size))
        }
    }

    func copy(
        _ digest: Digest, size: Int64, in repository: String, into take: (RawSpan) throws -> Void
    ) throws -> Bool { try connection.blob(full(repository), digest, size: size, into: take) }

    func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome {
        try connection.upload(
            BlobUpload(
                repository: full(blob.repository), digest: blob.digest, size: blob.size,
                mountFrom: blob.mountFrom.map(full),
                presence: [.unlikely, .damaged].contains(blob.presence) ? .unlikely : .unknown),
            body: body)
    }

    func put(_ manifest: Manifest, _ descriptor: Descriptor, at place: Place) throws -> Bool {
        let receipt = try connection.putManifest(
            full(place.repository), place.reference, manifest.bytes, mediaType: manifest.mediaType,
            digest: descriptor.digest)
        return manifest.subject == nil || receipt.subjectKept
    }

    func remove(_ place: Place) throws {
        do throws(RegistryError) {
            try connection.deleteManifest(full(place.repository), place.reference)
        } catch {
            guard case .refused(_, _, let faults) = error, faults.contains(where: { $0.code == "NAME_UNKNOWN" }) else {
                throw error
            }
        }
    }

    func tags(of repository: String) throws -> [String]? { try connection.tags(full(repository)) }

    func referrers(of subject: Digest, in repository: String, wanted: Set<Digest>) throws -> Set<Digest> {
        let listed = Set(try connection.referrers(full(repository), subject)?.map(\.digest) ?? [])
        // Quay has the API and keeps to the fallback tag all the same: what either names counts.
        guard !listed.isSuperset(of: wanted) else { return listed }
        guard
            case .present(let bytes, let type) = try manifest(
                Place(repository, ReferrersTag.name(for: subject)))
        else { return listed }
        return listed.union(try Manifest(parsing: Data(bytes), mediaType: type).manifests.map(\.digest))
    }

    func list(_ referrer: Manifest, _ descriptor: Descriptor, about subject: Digest, in repository: String) throws {
        try connection.ensureReferrer(
            full(repository), of: subject,
            ReferrersTag.descriptor(
                of: referrer.bytes, mediaType: referrer.mediaType, digest: descriptor.digest),
            digestOf: { Digest(of: [UInt8]($0)) })
    }
}

extension String {
    /// The repositories that one was asked for: all of its folder.
    fileprivate var folderPattern: String { parentFolder.isEmpty ? self : parentFolder + "/*" }

    /// The folder that a repository is in; "" for one at the top.
    fileprivate var parentFolder: String { lastIndex(of: "/").map { String(self[..<$0]) } ?? "" }
}
