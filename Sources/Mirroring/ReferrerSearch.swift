// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import OCI
internal import RegistryClient
internal import Synchronization

/// Finds what refers to manifests: by the referrers API, by the fallback tag of registries without it (distribution-spec
/// 1.1), and by cosign's tags.
final class ReferrerSearch: Sendable {
    /// Referrers of one manifest.
    static let limit = 1000
    /// How far a signature of an SBOM of an image is followed.
    private static let maximumDepth = 4
    /// cosign's tags for what it attaches to a digest (sigstore/cosign, specs/SIGNATURE_SPEC.md).
    static let suffixes = [".sig", ".att", ".sbom"]

    private let shelf: ManifestShelf
    private let ledger: Ledger
    private let withoutAPI = Mutex<Set<String>>([])
    private let tagLists = Mutex<[SourceRepository: TagList]>([:])

    /// A repository's tags, asked for once.
    private final class TagList: Sendable {
        /// `nil` inside where the registry doesn't tell.
        let tags = Mutex<Set<String>??>(nil)
    }

    /// Notes in the ledger what is listed and can't be taken: it must not keep the image itself back.
    init(_ shelf: ManifestShelf, _ ledger: Ledger) { (self.shelf, self.ledger) = (shelf, ledger) }

    /// What was found: referrers with all that they need, and cosign's tags.
    struct Found {
        var referrers: [(root: Descriptor, tree: MirroredTree)] = []
        var tags: [(tag: String, root: Descriptor, tree: MirroredTree)] = []
    }

    /// Everything that refers to these manifests, and to what refers to them.
    func find(
        for subjects: [Digest], in source: SourceRepository, as name: String, _ worker: Worker
    ) throws -> Found {
        var found = Found()
        var seen = Set(subjects)
        var (level, depth) = (subjects, 0)
        while !level.isEmpty, depth < ReferrerSearch.maximumDepth {
            var next: [Digest] = []
            for subject in level {
                for referrer in try referrers(of: subject, in: source, as: name, worker)
                where seen.insert(referrer.digest).inserted {
                    guard let one = try tree(referrer, of: subject, in: source, as: name, worker) else { continue }
                    found.referrers.append(one)
                    next.append(referrer.digest)
                }
                for (tag, root, tree) in try signatureTags(of: subject, in: source, as: name, worker)
                where seen.insert(root.digest).inserted || depth == 0 {
                    found.tags.append((tag, root, tree))
                }
            }
            (level, depth) = (next, depth + 1)
        }
        return found
    }

    /// A referrer with all that it needs; `nil` for one that is listed and gone, or is about something else.
    private func tree(
        _ referrer: Descriptor, of subject: Digest, in source: SourceRepository, as name: String, _ worker: Worker
    ) throws -> (root: Descriptor, tree: MirroredTree)? {
        let label = "\(name): referrer \(referrer.digest)"
        let manifest: Manifest
        do {
            manifest = try shelf.manifest(
                referrer.digest, mediaType: referrer.mediaType, size: referrer.size, of: source, as: label, worker)
        } catch MirrorError.gone {
            ledger.warn("\(label) is listed at its source and not there; it is left out")
            return nil
        }
        guard manifest.subject?.digest == subject else {
            ledger.warn("\(label) is listed as a referrer of \(subject) and is about something else; it is left out")
            return nil
        }
        let tree = try shelf.tree(of: manifest, referrer, platforms: nil, of: source, as: label, worker)
        return (referrer.bare, tree)
    }

    private func referrers(
        of subject: Digest, in source: SourceRepository, as name: String, _ worker: Worker
    ) throws -> [Descriptor] {
        var listed: [Descriptor]?
        if !withoutAPI.withLock({ $0.contains(source.host) }) {
            do {
                listed = try worker.ask(source) { try $0.referrers($1, subject) }
            } catch RegistryError.refused(_, status: 400...405, _) {}  // as registries do that know no such path
            if listed == nil { withoutAPI.withLock { _ = $0.insert(source.host) } }
        }
        let all = try listed ?? fallback(subject, in: source, as: name, worker)
        guard all.count <= ReferrerSearch.limit else { throw MirrorError.tooManyReferrers(subject) }
        return all.filter { MediaType.isManifest($0.mediaType) }
    }

    private func fallback(
        _ subject: Digest, in source: SourceRepository, as name: String, _ worker: Worker
    ) throws -> [Descriptor] {
        let tag = ReferrersTag.name(for: subject)
        guard try mayExist(tag, in: source, worker),
            let answer = try worker.ask(source, { try $0.manifest($1, tag) })
        else { return [] }
        struct Document: Decodable { var manifests: [Descriptor] }
        do {
            return try JSONDecoder().decode(Document.self, from: answer.bytes).manifests
        } catch {
            throw MirrorError.badManifest("\(name): the tag \(tag)", why: "it should list referrers, and is no index")
        }
    }

    private func signatureTags(
        of subject: Digest, in source: SourceRepository, as name: String, _ worker: Worker
    ) throws -> [(tag: String, root: Descriptor, tree: MirroredTree)] {
        var found: [(tag: String, root: Descriptor, tree: MirroredTree)] = []
        for suffix in ReferrerSearch.suffixes {
            let tag = ReferrersTag.name(for: subject) + suffix
            guard try mayExist(tag, in: source, worker) else { continue }
            let label = "\(name): \(tag)"
            let manifest: Manifest
            do {
                manifest = try shelf.fetch(tag, of: source, as: label, worker)
            } catch MirrorError.gone { continue }
            let root = ManifestShelf.descriptor(of: manifest)
            found.append((tag, root, try shelf.tree(of: manifest, root, platforms: nil, of: source, as: label, worker)))
        }
        return found
    }

    /// `false` only where the registry's own list says so.
    private func mayExist(_ tag: String, in source: SourceRepository, _ worker: Worker) throws -> Bool {
        try tags(of: source, worker)?.contains(tag) ?? true
    }

    /// All tags; `nil` where the registry doesn't list them.
    private func tags(of source: SourceRepository, _ worker: Worker) throws -> Set<String>? {
        let list = tagLists.withLock { lists in
            if let known = lists[source] { return known }
            let made = TagList()
            lists[source] = made
            return made
        }
        return try list.tags.withLock { tags in
            if let tags { return tags }
            let asked: Set<String>?
            do {
                asked = try worker.ask(source) { try $0.tags($1) }.map { Set($0.filter(ReferrerSearch.isAttached)) }
            } catch let error as RegistryError {
                switch error {
                case .denied, .refused, .loginRequired, .malformed, .listTooLong, .unsafeRedirect: asked = nil
                default: throw error
                }
            }
            tags = .some(asked)
            return asked
        }
    }

    // Only those that may be asked for: a repository may have a million tags.
    private static func isAttached(_ tag: String) -> Bool { tag.hasPrefix("sha256-") }
}
