// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import OCI

/// What a run found, before it is fetched.
struct MirrorContent: Sendable {
    var references: [Resolved] = []
    var charts: [MirroredChart] = []

    /// Every manifest and blob.
    var digests: Set<Digest> {
        var all: Set<Digest> = []
        for tree in references.flatMap(\.trees) {
            all.formUnion(tree.manifests.map(\.digest))
            all.formUnion(tree.blobs.map(\.digest))
        }
        for chart in charts { all.formUnion(chart.digests) }
        return all
    }
}

/// The `index.json` of a mirrored folder: named manifests sorted by name, then referrers, which have none, by digest.
struct LayoutIndexFile {
    let bytes: [UInt8]

    private struct Document: Encodable {
        let schemaVersion = 2
        let mediaType = MediaType.index
        let manifests: [Descriptor]
    }

    init(_ content: MirrorContent) {
        var named: [String: Descriptor] = [:]
        var unnamed: [Digest: Descriptor] = [:]
        for resolved in content.references {
            named[resolved.target.name] = resolved.root.bare
            let repository = resolved.target.repositoryName
            for (tag, root, _) in resolved.signatureTags { named["\(repository):\(tag)"] = root.bare }
            for (root, _) in resolved.referrers ?? [] { unnamed[root.digest] = root.bare }
        }
        for chart in content.charts { if let root = chart.root { named[chart.name] = root } }
        let entries = named.map { name, descriptor in
            var entry = descriptor
            entry.annotations = [Descriptor.referenceName: name]
            return (name, entry)
        }
        let manifests =
            entries.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }.map(\.1)
            + unnamed.values.sorted { $0.digest < $1.digest }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            bytes = [UInt8](try encoder.encode(Document(manifests: manifests)))
        } catch {
            preconditionFailure("descriptors can't be written as JSON: \(error)")
        }
    }
}

extension MirrorTarget {
    /// The name without tag and digest.
    var repositoryName: String {
        let bare = name.prefix { $0 != "@" }
        let slash = bare.lastIndex(of: "/") ?? bare.startIndex
        guard let colon = bare[slash...].lastIndex(of: ":") else { return String(bare) }
        return String(bare[..<colon])
    }
}
