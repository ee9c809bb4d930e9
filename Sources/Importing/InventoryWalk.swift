// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import Synchronization
internal import Trust

/// Goes through a target's manifests a batch at a time and writes what they name.
///
/// Memory: digests of the manifests seen, 8 bytes of each blob's, and one batch of manifests without their bytes.
struct InventoryWalk {
    /// Manifests fetched before their lines are written.
    static let batch = 256
    /// What one manifest may name; one that names more is listed as unreadable.
    static let maximumReferences = 4096

    struct Totals: Equatable {
        var repositories = 0
        var tags = 0
        /// Different ones.
        var manifests = 0
        /// Different ones, by the first 8 bytes of their digests.
        var blobs = 0
        /// Of those blobs.
        var blobBytes: UInt64 = 0
        var missing = 0
        var unreadable = 0
    }

    private struct Key: Hashable {
        /// The repository's number.
        let repository: Int
        let digest: Digest
    }

    private struct Work: Sendable {
        let item: InventoryItem
        let number: Int
        let depth: Int
    }

    /// What came of one item.
    private enum Found: Sendable {
        case manifest(Summary)
        case missing
        case unreadable(Digest?, why: String)
    }

    /// A manifest without its bytes.
    private struct Summary: Sendable {
        let digest: Digest
        let mediaType: String
        let size: Int
        let blobs: [Descriptor]
        let children: [Descriptor]
        let subject: Digest?
    }

    let source: any InventorySource
    let file: InventoryFile
    let jobs: Int
    /// Tags, manifests counted in each of their repositories, and manifests that wait; more is refused.
    let limit: Int
    let progress: Progress
    private(set) var totals = Totals()
    private var pending: [Work] = []
    private var seen: Set<Key> = []
    private var contents: Set<Digest> = []
    private var blobs: Set<UInt64> = []
    /// The first few of what is missing or unreadable, for people.
    private(set) var examples: [String] = []

    init(_ source: any InventorySource, to file: InventoryFile, jobs: Int, limit: Int, progress: Progress) {
        (self.source, self.file, self.jobs, self.progress) = (source, file, jobs, progress)
        self.limit = limit
    }

    mutating func run() throws {
        try source.repositories { repository, items in
            if repository != nil { totals.repositories += 1 }
            totals.tags += items.count { $0.tag != nil }
            guard totals.tags <= limit else { throw InventoryError.tooMuch(source.address, limit: limit) }
            let number = totals.repositories
            for item in items {
                pending.append(Work(item: item, number: repository == nil ? 0 : number, depth: 0))
                if pending.count >= InventoryWalk.batch { try flush() }
            }
        }
        try flush()
    }

    /// Fetches what waits, writes it, and goes on with the children until there are none.
    private mutating func flush() throws {
        while !pending.isEmpty {
            let work = Array(pending.prefix(InventoryWalk.batch))
            pending.removeFirst(work.count)
            for (work, found) in zip(work, try fetch(work)) { try write(work, found) }
            progress.label = "\(totals.manifests) manifests, \(totals.tags) tags"
        }
    }

    private func fetch(_ work: [Work]) throws -> [Found] {
        let results = FoundList(count: work.count)
        let indexed = Array(work.enumerated()).map { IndexedWork(index: $0.offset, item: $0.element.item) }
        try spread(indexed, width: jobs, { [source] in try source.reader() }) { reader, work in
            results.set(work.index, try InventoryWalk.look(at: work.item, reader))
        }
        return results.values
    }

    private struct IndexedWork: Sendable {
        let index: Int
        let item: InventoryItem
    }

    private final class FoundList: Sendable {
        private let list: Mutex<[Found]>
        init(count: Int) { list = Mutex(Array(repeating: .missing, count: count)) }
        var values: [Found] { list.withLock(\.self) }
        func set(_ index: Int, _ found: Found) { list.withLock { $0[index] = found } }
    }

    private static func look(at item: InventoryItem, _ reader: any InventoryReader) throws -> Found {
        guard let (bytes, type) = try reader.manifest(item) else { return .missing }
        let digest = Digest(of: [UInt8](bytes))
        guard item.digest == nil || item.digest == digest else {
            return .unreadable(item.digest, why: "its bytes are those of \(digest)")
        }
        do throws(OCI.ManifestError) {
            let manifest = try Manifest(parsing: bytes, mediaType: type)
            guard manifest.references.count <= maximumReferences else {
                return .unreadable(digest, why: "it names more than \(maximumReferences) blobs and manifests")
            }
            // As ManifestGraph: an index may list what is no manifest.
            let children = manifest.manifests.filter { MediaType.isManifest($0.mediaType) }
            let others = manifest.manifests.filter { !MediaType.isManifest($0.mediaType) }
            return .manifest(
                Summary(
                    digest: digest, mediaType: type, size: bytes.count, blobs: (manifest.blobs + others).map(\.plain),
                    children: children.map(\.plain), subject: manifest.subject?.digest))
        } catch {
            return .unreadable(digest, why: error.short)
        }
    }

    // MARK: Lines

    private mutating func write(_ work: Work, _ found: Found) throws {
        switch found {
        case .manifest(let summary):
            try write(summary, work)
            try writeTag(work, summary.digest)
        case .missing: try note(work, "missing", work.item.digest, why: nil)
        case .unreadable(let digest, let why): try note(work, "unreadable", digest ?? work.item.digest, why: why)
        }
    }

    private func line(_ work: Work, _ members: [String: JSONValue?]) throws {
        var members = members.compactMapValues(\.self)
        members["repository"] = work.item.repository.map(JSONValue.string)
        try file.append(members)
    }

    private func writeTag(_ work: Work, _ digest: Digest) throws {
        guard let tag = work.item.tag else { return }
        try line(work, ["tag": .string(tag), "digest": .string(digest.description)])
    }

    private mutating func write(_ summary: Summary, _ work: Work) throws {
        guard seen.insert(Key(repository: work.number, digest: summary.digest)).inserted else { return }
        guard seen.count <= limit else { throw InventoryError.tooMuch(source.address, limit: limit) }
        var members: [String: JSONValue?] = ["manifest": .string(summary.digest.description)]
        if contents.insert(summary.digest).inserted {
            totals.manifests += 1
            members["mediaType"] = .string(summary.mediaType)
            members["size"] = .int(Int64(summary.size))
            members["blobs"] = .array(summary.blobs.map(\.digestAndSize))
            members["children"] = summary.children.isEmpty ? nil : .array(summary.children.map(\.digestAndSize))
            members["subject"] = summary.subject.map { .string($0.description) }
            for blob in summary.blobs where blobs.insert(blob.digest.prefix).inserted {
                totals.blobBytes += UInt64(blob.size)
            }
            totals.blobs = blobs.count
        }
        try line(work, members)
        try addChildren(summary, work)
    }

    private mutating func addChildren(_ summary: Summary, _ work: Work) throws {
        guard work.depth < ManifestGraph.maximumDepth else { throw GraphError.tooDeep(summary.digest) }
        for child in summary.children where !seen.contains(Key(repository: work.number, digest: child.digest)) {
            let item = InventoryItem(
                repository: work.item.repository, tag: nil, digest: child.digest, mediaType: child.mediaType)
            pending.append(Work(item: item, number: work.number, depth: work.depth + 1))
        }
        guard pending.count <= limit else { throw InventoryError.tooMuch(source.address, limit: limit) }
    }

    private mutating func note(_ work: Work, _ what: String, _ digest: Digest?, why: String?) throws {
        if what == "missing" { totals.missing += 1 } else { totals.unreadable += 1 }
        let name = work.item.tag.map { ":\($0)" } ?? "@\(digest?.description ?? "")"
        if examples.count < 5 {
            examples.append("\(work.item.repository ?? "")\(name)" + (why.map { " (\($0))" } ?? ""))
        }
        try line(
            work,
            [
                "problem": .string(what), "tag": work.item.tag.map(JSONValue.string),
                "digest": digest.map { .string($0.description) }, "why": why.map(JSONValue.string),
            ])
    }
}

extension Descriptor {
    /// What an inventory keeps of it; annotations may be of any length.
    fileprivate var plain: Descriptor { Descriptor(mediaType: mediaType, digest: digest, size: size) }

    fileprivate var digestAndSize: JSONValue { ["digest": .string(digest.description), "size": .int(size)] }
}

extension Digest {
    fileprivate var prefix: UInt64 { bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

extension OCI.ManifestError {
    /// Without the manifest's own words, which may be of any length.
    fileprivate var short: String {
        switch self {
        case .unreadable: "it is no JSON of a manifest"
        case .typeMismatch: "its media type is another than the registry says"
        default: description
        }
    }
}
