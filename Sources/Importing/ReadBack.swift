// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import OCI
internal import Synchronization

/// The proof after a load: every manifest by its bytes, every tag by its digest, every referrer by its subject's list, every
/// blob by its size or, where the load is deep, by its bytes.
struct ReadBack {
    /// Something that the target should have and hasn't.
    enum Missing: Sendable {
        case blob(LoadPlan.BlobStep)
        case manifest(String, Descriptor, order: Int)
        /// With what it points to instead, if to anything.
        case tag(LoadPlan.TagStep, Digest?)
        case referrer(Referrer)

        var name: String {
            switch self {
            case .blob(let blob): "\(blob.repository)@\(blob.digest)"
            case .manifest(let repository, let descriptor, _): "\(repository)@\(descriptor.digest)"
            case .tag(let step, _): step.name
            case .referrer(let referrer):
                "\(referrer.repository)@\(referrer.descriptor.digest) among the referrers of \(referrer.subject)"
            }
        }

        /// Blobs, then manifests with children before parents, then tags and lists.
        var order: Int {
            switch self {
            case .blob: -1
            case .manifest(_, _, let order): order
            case .tag, .referrer: .max
            }
        }

        /// Whether it is a blob of the right size and with other bytes.
        var isDamage: Bool {
            guard case .blob(let blob) = self else { return false }
            return blob.presence == .damaged
        }

        /// What of the release must be sent again.
        var content: Digest? {
            switch self {
            case .blob(let blob): blob.digest
            case .manifest(_, let descriptor, _): descriptor.digest
            case .tag, .referrer: nil
            }
        }
    }

    private let load: Load
    /// Manifests and tags that were seen with their bytes in this run, and not changed.
    private let known: Set<Place>
    let blobs: [LoadPlan.BlobStep]
    let manifests: [(place: Place, descriptor: Descriptor)]
    let tags: [LoadPlan.TagStep]
    private let referrers: [Referrer]

    init(_ load: Load, _ plan: LoadPlan, known: Set<Place>) {
        (self.load, self.known) = (load, known)
        let content = load.content
        (blobs, manifests, tags) = (content.placedBlobs, content.placedManifests, plan.tags)
        referrers = manifests.compactMap { place, descriptor in
            content.manifests[descriptor.digest]?.subject.map { Referrer(place.repository, $0.digest, descriptor) }
        }
    }

    /// Asks for everything; throws only when the target can't be asked.
    func run() throws -> [Missing] {
        load.progress.label = "asking for everything back"
        // A manifest that its tag leads to is fetched by the tag, and both are proven with one request.
        let tagged = Set(tags.map { Place($0.repository, $0.descriptor.digest) })
        let listed = manifests.enumerated().map {
            Missing.manifest($1.place.repository, $1.descriptor, order: $0)
        }
        let unseen = listed.filter { item in
            guard case .manifest(let repository, let descriptor, _) = item else { return false }
            let place = Place(repository, descriptor.digest)
            return !known.contains(place) && !tagged.contains(place)
        }
        let changed = tags.filter { !known.contains(Place($0.repository, $0.tag)) }
        // Zot before 2.1.19 denies a blob of no bytes that it has.
        return try run(only: unseen) + run(only: blobs.filter { $0.size > 0 }.map(Missing.blob))
            + run(only: changed.map { .tag($0, nil) }) + run(only: referrers.map(Missing.referrer))
    }

    /// Asks for these things; returns those that are not there, as they are now.
    func run(only items: [Missing]) throws -> [Missing] {
        let missing = Mutex<[Missing]>([])
        try spread(items, width: load.jobs, load.target.session) { session, item in
            if let lack = try ask(for: item, session) { missing.withLock { $0.append(lack) } }
        }
        return missing.withLock { $0 }
    }

    /// Asks again for what was missing and sent once more, and for the tags that lead to it.
    func run(again items: [Missing]) throws -> [Missing] {
        let repaired = Set(items.compactMap(\.content))
        let leading = tags.filter { repaired.contains($0.descriptor.digest) }.map { Missing.tag($0, nil) }
        return try run(only: items + leading)
    }

    private func manifest(of step: LoadPlan.TagStep) -> Missing {
        let order = manifests.firstIndex { $0.place == Place(step.repository, step.descriptor.digest) }
        return .manifest(step.repository, step.descriptor, order: order ?? 0)
    }

    private func ask(for item: Missing, _ session: any TargetSession) throws -> Missing? {
        switch item {
        case .manifest(let repository, let descriptor, _):
            guard case .present(let bytes, _) = try session.manifest(Place(repository, descriptor.digest)) else {
                return item
            }
            return Digest(of: bytes) == descriptor.digest ? nil : item
        case .blob(let blob):
            guard try session.has(blob) else { return item }
            return try !load.isDeep || session.givesBack(blob) ? nil : .blob(blob.damaged)
        case .tag(let step, _):
            guard case .present(let bytes, _) = try session.manifest(Place(step.repository, step.tag)) else {
                return .tag(step, nil)
            }
            let found = Digest(of: bytes)
            guard found != step.descriptor.digest else { return nil }
            // Either somebody has set the tag, or the target gives other bytes than it was sent.
            let own = manifest(of: step)
            return try ask(for: own, session) == nil ? .tag(step, found) : own
        case .referrer(let referrer):
            let listed = try session.referrers(
                of: referrer.subject, in: referrer.repository, wanted: [referrer.descriptor.digest])
            return listed.contains(referrer.descriptor.digest) ? nil : item
        }
    }
}

extension LoadPlan.BlobStep {
    /// The same where the bytes that are there are wrong.
    fileprivate var damaged: LoadPlan.BlobStep {
        LoadPlan.BlobStep(repository: repository, digest: digest, size: size, mountFrom: nil, presence: .damaged)
    }
}

extension RegistryContent {
    /// Every blob with its repository, once.
    package var placedBlobs: [LoadPlan.BlobStep] {
        var seen: Set<Place> = []
        return items.flatMap { item in
            item.blobs.filter { seen.insert(Place(item.reference.repository, $0.digest)).inserted }.map {
                LoadPlan.BlobStep(
                    repository: item.reference.repository, digest: $0.digest, size: $0.size, mountFrom: nil)
            }
        }
    }

    /// Every manifest with its repository, once, children before parents.
    package var placedManifests: [(place: Place, descriptor: Descriptor)] {
        var seen: Set<Place> = []
        return items.flatMap { item in
            item.manifests.map { (place: Place(item.reference.repository, $0.digest), descriptor: $0) }
        }.filter { seen.insert($0.place).inserted }
    }
}
