// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import BundleFormat
internal import OCI
internal import Synchronization

/// The proof after a load: every manifest by its bytes, every tag by its digest, every blob by its size.
struct ReadBack {
    /// Something that the target should have and hasn't.
    enum Missing: Sendable {
        case blob(LoadPlan.BlobStep)
        case manifest(String, Descriptor, order: Int)
        case tag(String, String, Descriptor)

        var name: String {
            switch self {
            case .blob(let blob): "\(blob.repository)@\(blob.digest)"
            case .manifest(let repository, let descriptor, _): "\(repository)@\(descriptor.digest)"
            case .tag(let repository, let tag, _): "\(repository):\(tag)"
            }
        }

        /// Blobs, then manifests with children before parents, then tags.
        var order: Int {
            switch self {
            case .blob: -1
            case .manifest(_, _, let order): order
            case .tag: .max
            }
        }
    }

    private let load: Load
    let blobs: [LoadPlan.BlobStep]
    let manifests: [(place: Place, descriptor: Descriptor)]
    let tags: [ReleaseReference]

    init(_ load: Load) {
        self.load = load
        var seen: Set<Place> = []
        var blobs: [LoadPlan.BlobStep] = []
        var manifests: [(Place, Descriptor)] = []
        for item in load.content.items {
            let repository = item.reference.repository
            for blob in item.blobs where seen.insert(Place(repository, blob.digest)).inserted {
                blobs.append(
                    LoadPlan.BlobStep(repository: repository, digest: blob.digest, size: blob.size, mountFrom: nil))
            }
            for manifest in item.manifests {
                let place = Place(repository, manifest.digest)
                if seen.insert(place).inserted { manifests.append((place, manifest)) }
            }
        }
        (self.blobs, self.manifests) = (blobs, manifests)
        tags = load.content.items.map(\.reference).filter { $0.tag != nil }
    }

    /// Asks for everything; throws only when the target can't be asked.
    func run() throws -> [Missing] {
        load.progress.label = "asking for everything back"
        let missing = Mutex<[Missing]>([])
        let add = { @Sendable (item: Missing) in missing.withLock { $0.append(item) } }
        let session = load.target.session
        try spread(Array(manifests.enumerated()), width: load.jobs, session) { session, entry in
            let (order, (place, descriptor)) = entry
            let bytes = try session.manifest(place)
            guard bytes.map({ Digest(of: $0) }) != descriptor.digest else { return }
            add(.manifest(place.repository, descriptor, order: order))
        }
        // Zot before 2.1.19 denies a blob of no bytes that it has.
        try spread(blobs.filter { $0.size > 0 }, width: load.jobs, session) { session, blob in
            if try !session.has(blob) { add(.blob(blob)) }
        }
        try spread(tags, width: load.jobs, session) { session, reference in
            guard let tag = reference.tag else { return }
            let found = try session.manifestDigest(Place(reference.repository, tag))
            if found != reference.descriptor.digest { add(.tag(reference.repository, tag, reference.descriptor)) }
        }
        return missing.withLock { $0 }
    }
}
