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
        case tag(LoadPlan.TagStep)
        case referrer(Referrer)

        var name: String {
            switch self {
            case .blob(let blob): "\(blob.repository)@\(blob.digest)"
            case .manifest(let repository, let descriptor, _): "\(repository)@\(descriptor.digest)"
            case .tag(let step): step.name
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
    /// Manifests that were seen with their bytes in this run.
    private let known: Set<Place>
    let blobs: [LoadPlan.BlobStep]
    let manifests: [(place: Place, descriptor: Descriptor)]
    let tags: [LoadPlan.TagStep]
    private let referrers: [Place: [Referrer]]

    init(_ load: Load, known: Set<Place>) {
        (self.load, self.known) = (load, known)
        let content = load.content
        (blobs, manifests) = (content.placedBlobs, content.placedManifests)
        tags = content.items.compactMap { LoadPlan.TagStep($0, content, TargetAnswers(), []) }
        let all = manifests.compactMap { place, descriptor in
            content.manifests[descriptor.digest]?.subject.map { Referrer(place.repository, $0.digest, descriptor) }
        }
        referrers = Dictionary(grouping: all) { Place($0.repository, $0.subject) }
    }

    /// Asks for everything; throws only when the target can't be asked.
    func run() throws -> [Missing] {
        load.progress.label = "asking for everything back"
        let missing = Mutex<[Missing]>([])
        let add = { @Sendable (item: Missing) in missing.withLock { $0.append(item) } }
        let session = load.target.session
        let unseen = manifests.enumerated().filter { !known.contains($1.place) }
        try spread(unseen, width: load.jobs, session) { session, entry in
            let (order, (place, descriptor)) = entry
            if case .present(let bytes, _) = try session.manifest(place), Digest(of: bytes) == descriptor.digest {
                return
            }
            add(.manifest(place.repository, descriptor, order: order))
        }
        // Zot before 2.1.19 denies a blob of no bytes that it has.
        try spread(blobs.filter { $0.size > 0 }, width: load.jobs, session) { [isDeep = load.isDeep] session, blob in
            guard try session.has(blob) else { return add(.blob(blob)) }
            if isDeep, try !session.givesBack(blob) { add(.blob(blob.damaged)) }
        }
        try spread(tags, width: load.jobs, session) { session, step in
            let found = try session.manifestDigest(Place(step.repository, step.tag))
            if found != step.descriptor.digest { add(.tag(step)) }
        }
        try spread(Array(referrers), width: load.jobs, session) { session, entry in
            guard let subject = entry.value.first?.subject else { return }
            let wanted = Set(entry.value.map(\.descriptor.digest))
            let listed = try session.referrers(of: subject, in: entry.key.repository, wanted: wanted)
            for referrer in entry.value where !listed.contains(referrer.descriptor.digest) { add(.referrer(referrer)) }
        }
        return missing.withLock { $0 }
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
