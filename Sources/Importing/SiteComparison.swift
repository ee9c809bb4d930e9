// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
package import OCI
internal import Synchronization
internal import Trust

/// What is on the media and what a site's target has, side by side. Asks for tags alone; changes nothing.
package struct SiteComparison: Sendable {
    package enum Standing: String, Sendable, CaseIterable {
        case mediaOnly, same, other, siteOnly
    }

    /// A reference, under the name that the target has for it.
    package struct Row: Sendable, Equatable {
        package let repository: String
        /// A tag, or a digest for a manifest that gets none.
        package let reference: String
        package let kind: String
        package let standing: Standing
        /// What the media have, and what the site has.
        package let media: Digest?
        package let site: Digest?
        /// Bytes of all that the media's has; `nil` where its manifests could not be read.
        package var size: UInt64?

        var name: String { repository + (reference.hasPrefix("sha256:") ? "@" : ":") + reference }
    }

    package let address: String
    /// Sorted by name.
    package private(set) var rows: [Row]
    package let files: [Release.DeliveredFile]
    /// Whether the site was asked for what it has beside.
    package let isAll: Bool
    private var warnings: [String]

    /// Tags of the site that are kept; of more, the rest is counted.
    private static let limit = 1_000_000

    /// Asks on `jobs` connections. `all`: also what the site has and the media don't.
    ///
    /// Throws what the target's answers can throw, `MappedNameError`, and `InventoryError`.
    package init(
        _ bundle: VerifiedBundle, at target: any LoadTarget, all: Bool, jobs: Int, progress: Progress
    ) throws {
        (address, isAll, files) = (target.address, all, bundle.release.files)
        warnings = bundle.findings.map(\.description)
        progress.label = "asking \(target.address)"
        try target.session().ping()
        let content = try SiteComparison.content(bundle, &warnings)
        let references = try SiteComparison.references(bundle, content, target)
        let sizes = content?.sizes
        let found = Mutex<[Row]>([])
        try spread(references, width: jobs, target.session) { session, reference in
            let named = reference.tag ?? reference.descriptor.digest.description
            let now = try session.manifestDigest(Place(reference.repository, named))
            let standing: Standing = now == nil ? .mediaOnly : now == reference.descriptor.digest ? .same : .other
            let row = Row(
                repository: reference.repository, reference: named, kind: reference.kind, standing: standing,
                media: reference.descriptor.digest, site: now, size: sizes?[reference.descriptor.digest])
            found.withLock { $0.append(row) }
        }
        rows = found.withLock { $0 }
        if all { rows += try SiteComparison.others(target, beside: Set(rows.map(\.name)), progress) }
        rows.sort { $0.name < $1.name }
    }

    /// The release's manifests, for sizes alone: media without some volumes can be compared all the same.
    private static func content(_ bundle: VerifiedBundle, _ warnings: inout [String]) throws -> RegistryContent? {
        let missing = bundle.missingVolumes.map(\.name)
        guard missing.isEmpty else {
            warnings.append(
                "sizes are left out: these volumes are on none of the media: \(missing.joined(separator: ", "))")
            return nil
        }
        return try RegistryContent(bundle)
    }

    private static func references(
        _ bundle: VerifiedBundle, _ content: RegistryContent?, _ target: any LoadTarget
    ) throws -> [ReleaseReference] {
        if let content { return try content.mapped(for: target).items.map(\.reference) }
        return bundle.release.references.map { reference in
            var mapped = reference
            mapped.repository = target.mapping.destination(of: reference.repository)
            return mapped
        }
    }

    /// The site's tags that the media don't have; those that a load needs for itself are left out.
    private static func others(
        _ target: any LoadTarget, beside known: Set<String>, _ progress: Progress
    ) throws -> [Row] {
        var rows: [Row] = []
        try Inventory.source(of: target).repositories { repository, items in
            for item in items {
                try Interruption.check()
                guard let repository, let tag = item.tag, !tag.hasPrefix("dray-"), !tag.hasPrefix("digest-"),
                    !tag.hasPrefix("sha256-"), !known.contains("\(repository):\(tag)")
                else { continue }
                guard rows.count < limit else { throw InventoryError.tooMuch(target.address, limit: limit) }
                rows.append(
                    Row(
                        repository: repository, reference: tag, kind: "", standing: .siteOnly, media: nil,
                        site: item.digest))
            }
            progress.label = "\(rows.count) tags that only the site has"
        }
        return rows
    }

    /// References of a standing.
    package func rows(_ standing: Standing) -> [Row] { rows.filter { $0.standing == standing } }
}

extension RegistryContent {
    /// Bytes of each reference's manifest, what is below it and all their blobs, each once.
    fileprivate var sizes: [Digest: UInt64] {
        Dictionary(
            items.map { item in
                (
                    item.reference.descriptor.digest,
                    (item.manifests + item.blobs).reduce(0) { $0 + UInt64(max(0, $1.size)) }
                )
            }
        ) { first, _ in first }
    }
}

// Text and JSON.
extension SiteComparison {
    package var report: Report {
        var sections = [summary.aligned]
        sections += section(.mediaOnly, "on the media only:")
        sections += others
        if isAll {
            sections += section(.same, "the same on both:")
            sections += section(.siteOnly, "at the site only:")
        }
        if !files.isEmpty {
            sections.append(
                "files on the media (extract writes them):\n"
                    + files.map { file in
                        "  \(file.kind)  \(file.name)  \(file.size.asSize)"
                    }.joined(separator: "\n"))
        }
        return Report(text: sections.joined(separator: "\n"), json: json, warnings: warnings)
    }

    private var summary: [(String, String)] {
        var shown = [("target", address)]
        for (standing, name) in [
            (Standing.same, "the same on both"), (.mediaOnly, "on the media only"), (.other, "other at the site"),
            (.siteOnly, "at the site only"),
        ] where standing != .siteOnly || isAll {
            let rows = rows(standing)
            let sizes = rows.compactMap(\.size)
            let size =
                sizes.isEmpty || sizes.count < rows.count ? "" : ", \(sizes.reduce(0, +).asSize) with what they share"
            shown.append((name, rows.count.of("reference") + size))
        }
        if !isAll { shown.append(("at the site only", "not asked for; --all lists it, and what is the same")) }
        return shown
    }

    /// A line for each repository, with its tags: thousands of images have far fewer repositories.
    private func section(_ standing: Standing, _ title: String) -> [String] {
        let rows = rows(standing)
        guard !rows.isEmpty else { return [] }
        let groups = Dictionary(grouping: rows, by: \.repository).sorted { $0.key < $1.key }
        let lines = groups.map { repository, rows in
            let sizes = rows.compactMap(\.size)
            return "  \(repository)  \(rows.map(\.shownReference).joined(separator: ", "))"
                + (sizes.isEmpty ? "" : "  \(sizes.reduce(0, +).asSize)")
        }
        return [([title] + lines).joined(separator: "\n")]
    }

    private var others: [String] {
        let rows = rows(.other)
        guard !rows.isEmpty else { return [] }
        let lines = rows.map { row in
            "  \(row.name)  media \(row.media?.shown ?? "nothing")  site \(row.site?.shown ?? "nothing")"
        }
        return [(["other content at the site:"] + lines).joined(separator: "\n")]
    }

    private var json: JSONValue {
        [
            "target": .string(address),
            "counts": .object(
                Dictionary(
                    uniqueKeysWithValues: Standing.allCases.filter { $0 != .siteOnly || isAll }.map {
                        ($0.rawValue, .int(Int64(rows($0).count)))
                    })),
            "references": .array(
                rows.map { row in
                    [
                        "name": .string(row.name), "kind": .string(row.kind),
                        "standing": .string(row.standing.rawValue),
                        "media": row.media.map { .string($0.description) } ?? .null,
                        "site": row.site.map { .string($0.description) } ?? .null,
                        "bytes": row.size.map { .int(Int64(clamping: $0)) } ?? .null,
                    ]
                }),
            "files": .array(
                files.map { file in
                    [
                        "kind": .string(file.kind), "name": .string(file.name),
                        "digest": .string(file.digest.description),
                        "bytes": .int(Int64(clamping: file.size)),
                    ]
                }),
        ]
    }
}

extension SiteComparison.Row {
    fileprivate var shownReference: String {
        reference.hasPrefix("sha256:") ? String(reference.prefix(19)) + "…" : reference
    }
}

extension Digest {
    fileprivate var shown: String { "sha256:\(hex.prefix(12))…" }
}
