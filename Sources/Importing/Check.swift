// SPDX-License-Identifier: Apache-2.0

package import Files
internal import FoundationEssentials
internal import OCI
internal import Synchronization
internal import SystemPackage
internal import BundleFormat

/// Asks a target for everything that a receipt says is there. Needs no media and changes nothing.
package struct Check: Sendable {
    let receipt: Receipt
    let target: any LoadTarget
    let jobs: Int
    /// Whether every blob is fetched and hashed.
    package var isDeep = false

    package init(_ receipt: Receipt, at target: any LoadTarget, jobs: Int) {
        (self.receipt, self.target, self.jobs) = (receipt, target, jobs)
    }

    /// Something that is not as the receipt says.
    package struct Fault: Sendable, Hashable {
        package enum Kind: String, Sendable {
            case missing
            /// It is there with other bytes or another size.
            case damaged
            /// A tag that points elsewhere.
            case moved
            /// An image that a pack names can't be had whole.
            case unresolved
        }

        package let kind: Kind
        package let name: String
        /// Names of the volumes that bring it.
        package let volumes: [String]
    }

    /// Throws only where the target can't be asked, and `StateError.noReceipt` for a receipt that lists nothing.
    package func run(_ progress: Progress) throws -> CheckResult {
        guard !receipt.objects.isEmpty || receipt.counts.readBack.manifests == 0 else {
            throw StateError.noReceipt("the receipt", "it is of an older version and lists no objects; load again")
        }
        progress.label = "asking \(target.address)"
        try target.session().ping()
        var result = CheckResult()
        let faults = try gathered(receipt.objects) { session, object in try fault(of: object, session) }
        result.manifests = receipt.objects.count { $0.manifestType != nil }
        result.blobs = receipt.objects.count - result.manifests
        result.tags = receipt.counts.tags.count
        result.faults = faults + (try gathered(receipt.counts.tags, fault))
        result.faults += try gathered(receipt.objects.filter { $0.subject != nil }, referrerFault)
        let missing = Set(faults.map(\.name))
        let walk = ImageWalk(
            confirmed: Set(receipt.objects.map(\.place).filter { !missing.contains($0.description) }))
        let images = receipt.packs.flatMap { pack, images in images.map { (pack: pack, image: $0) } }
        result.images = images.count
        result.faults += try gathered(images) { session, entry in
            try walk.lack(of: entry.image, session).map {
                Fault(kind: .unresolved, name: "\(entry.image) of \(entry.pack): \($0)", volumes: [])
            }
        }
        return result
    }

    /// What `ask` finds of the elements, asked on all connections.
    private func gathered<Element: Sendable>(
        _ elements: [Element], _ ask: @escaping @Sendable (any TargetSession, Element) throws -> Fault?
    ) throws -> [Fault] {
        let faults = Mutex<[Fault]>([])
        try spread(elements, width: jobs, target.session) { session, element in
            if let fault = try ask(session, element) { faults.withLock { $0.append(fault) } }
        }
        return faults.withLock { $0 }
    }

    private func fault(_ session: any TargetSession, _ tag: LoadTally.TagRecord) throws -> Fault? {
        let now = try session.manifestDigest(Place(tag.repository, tag.tag))?.description
        guard now != tag.digest else { return nil }
        let content = receipt.objects.first { $0.repository == tag.repository && $0.digest.description == tag.digest }
        return Fault(
            kind: now == nil ? .missing : .moved, name: "\(tag.repository):\(tag.tag)", volumes: content?.volumes ?? [])
    }

    private func referrerFault(_ session: any TargetSession, _ object: ReceiptObject) throws -> Fault? {
        guard let subject = object.subject else { return nil }
        let listed = try session.referrers(of: subject, in: object.repository, wanted: [object.digest])
        guard !listed.contains(object.digest) else { return nil }
        return Fault(
            kind: .missing, name: "\(object.place) among the referrers of \(subject)", volumes: object.volumes)
    }

    private func fault(of object: ReceiptObject, _ session: any TargetSession) throws -> Fault? {
        let (place, volumes) = (object.place, object.volumes)
        guard object.manifestType == nil else {
            guard case .present(let bytes, _) = try session.manifest(place) else {
                return Fault(kind: .missing, name: place.description, volumes: volumes)
            }
            return Digest(of: bytes) == object.digest
                ? nil : Fault(kind: .damaged, name: place.description, volumes: volumes)
        }
        guard object.size > 0 else { return nil }  // older Zot denies them
        let blob = LoadPlan.BlobStep(
            repository: object.repository, digest: object.digest, size: object.size, mountFrom: nil)
        guard try session.has(blob) else { return Fault(kind: .missing, name: place.description, volumes: volumes) }
        guard isDeep, try !session.givesBack(blob) else { return nil }
        return Fault(kind: .damaged, name: place.description, volumes: volumes)
    }
}

/// What a check found.
package struct CheckResult: Sendable {
    package internal(set) var manifests = 0
    package internal(set) var blobs = 0
    package internal(set) var tags = 0
    /// Images of packs.
    package internal(set) var images = 0
    package internal(set) var faults: [Check.Fault] = []

    /// Volumes that hold what is missing or damaged, sorted.
    package var volumes: [String] { Set(faults.flatMap(\.volumes)).sorted() }
}

/// Looks whether an image can be had whole, from its reference down to its blobs; each thing is asked for once.
private final class ImageWalk: Sendable {
    private let confirmed: Mutex<Set<Place>>

    init(confirmed: Set<Place>) { self.confirmed = Mutex(confirmed) }

    /// What is lacking, in words; `nil` where the image is whole. `name`: `<repository>:<tag>` or `<repository>@<digest>`.
    func lack(of name: String, _ session: any TargetSession) throws -> String? {
        guard let place = Place(parsing: name) else { return "no reference" }
        guard case .present(let bytes, let type) = try session.manifest(place) else { return "it is not there" }
        let root = Descriptor(mediaType: type, digest: Digest(of: bytes), size: Int64(bytes.count))
        var graph = ManifestGraph()
        do {
            try graph.add(root) { descriptor in
                let bytes = descriptor == root ? bytes : try fetch(Place(place.repository, descriptor.digest), session)
                return try Manifest(parsing: Data(bytes), mediaType: descriptor.mediaType)
            }
        } catch let error as Lack {
            return error.text
        } catch let error as ManifestError {
            return "\(error)"
        } catch let error as GraphError {
            return "\(error)"
        }
        for blob in graph.blobs where blob.size > 0 {
            let step = LoadPlan.BlobStep(
                repository: place.repository, digest: blob.digest, size: blob.size, mountFrom: nil)
            guard try isThere(step, session) else { return "\(blob.digest) is not there" }
        }
        return nil
    }

    private struct Lack: Error { let text: String }

    private func fetch(_ place: Place, _ session: any TargetSession) throws -> [UInt8] {
        guard case .present(let bytes, _) = try session.manifest(place),
            Digest(of: bytes).description == place.reference
        else { throw Lack(text: "\(place.reference) is not there") }
        return bytes
    }

    private func isThere(_ blob: LoadPlan.BlobStep, _ session: any TargetSession) throws -> Bool {
        let place = Place(blob.repository, blob.digest)
        guard !confirmed.withLock({ $0.contains(place) }) else { return true }
        guard try session.has(blob) else { return false }
        confirmed.withLock { _ = $0.insert(place) }
        return true
    }
}

extension Check {
    /// What a person should know about pulls without a login, where that matters; one question.
    package var pullWarning: String? {
        let tags = receipt.counts.tags
        let images = tags.filter { tag in !receipt.packs.keys.contains("\(tag.repository):\(tag.tag)") }
        return (images.first ?? tags.first).flatMap { tag in
            target.anonymousPull(of: Place(tag.repository, tag.tag))?.warning(target.address)
        }
    }
}
