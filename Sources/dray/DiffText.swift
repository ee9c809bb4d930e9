// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI

/// A difference for people: what it comes to first, then a line for each repository.
struct DiffText {
    /// Lines of a section unless all are wanted.
    static let usualLimit = 40
    /// Tags named in one line.
    private static let tagsPerLine = 4

    let old: ContentListing
    let new: ContentListing
    let difference: ContentDifference
    let limit: Int

    init(_ old: ContentListing, _ new: ContentListing, _ difference: ContentDifference, limit: Int) {
        (self.old, self.new, self.difference, self.limit) = (old, new, difference, limit)
    }

    var text: String {
        let sections = [
            summary, facts("infrastructure", difference.profile), facts("inputs", difference.facts),
            repositories("packs", difference.packs), repositories("images", difference.images), files,
        ]
        return sections.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }.joined(separator: "\n\n")
    }

    private var summary: [String] {
        let (packs, images, files) = (difference.packs, difference.images, difference.files)
        func count(_ change: ContentDifference.Change) -> Int { files.count { $0.change == change } }
        var rows = [("A", "\(old.title) (\(old.proof))"), ("B", "\(new.title) (\(new.proof))")]
        rows.append(("packs", line(packs)))
        rows.append(("images", line(images) + ", in \(images.repositories.count) repositories with differences"))
        rows.append(
            (
                "files",
                "\(count(.added)) added, \(count(.removed)) removed, \(count(.changed)) changed, \(difference.filesSame) the same"
            ))
        rows.append(("to send", need))
        return columns(rows.map { [$0.0, $0.1] })
    }

    private func line(_ section: ContentDifference.Section) -> String {
        "\(section.added) added, \(section.removed) removed, \(section.moved) moved, \(section.same) the same"
    }

    private var need: String {
        guard let need = difference.need else { return "not known: one of the two doesn't say which blobs it has" }
        let share = need.total == 0 ? 0 : need.bytes * 100 / need.total
        return "\(ByteSize(bytes: need.bytes)) of \(ByteSize(bytes: need.total)) (\(share) %), at most, "
            + (need.isByChunks ? "by the chunks of both indexes" : "by whole blobs")
    }

    private func facts(_ title: String, _ facts: [ContentDifference.Fact]) -> [String] {
        guard !facts.isEmpty else { return [] }
        return [title] + cut(columns(facts.map { ["  " + $0.name, "\($0.before ?? "-")  ->  \($0.after ?? "-")"] }))
    }

    private func repositories(_ title: String, _ section: ContentDifference.Section) -> [String] {
        guard !section.repositories.isEmpty else { return [] }
        let rows = section.repositories.prefix(limit).map { repository in
            ["  \(DiffText.sign(repository))", repository.name, DiffText.changes(repository)]
        }
        return [title] + columns(rows) + rest(section.repositories.count)
    }

    private static func sign(_ repository: ContentDifference.Repository) -> String {
        guard repository.isWhole else { return "~" }
        return repository.added.isEmpty ? "-" : "+"
    }

    private static func changes(_ repository: ContentDifference.Repository) -> String {
        if repository.moved.isEmpty, repository.added.count == 1, repository.removed.count == 1 {
            return "\(repository.removed[0])  ->  \(repository.added[0])"
        }
        let moved = repository.moved.map { "\($0.tag) (\($0.from.hex.prefix(12)) -> \($0.to.hex.prefix(12)))" }
        let parts = [("+", repository.added), ("-", repository.removed), ("moved", moved)]
        return parts.filter { !$0.1.isEmpty }.map { "\($0.0) \(listed($0.1))" }.joined(separator: "   ")
    }

    private static func listed(_ tags: [String]) -> String {
        let shown = tags.prefix(tagsPerLine).joined(separator: ", ")
        return tags.count > tagsPerLine ? shown + " and \(tags.count - tagsPerLine) more" : shown
    }

    private var files: [String] {
        guard !difference.files.isEmpty else { return [] }
        let signs: [ContentDifference.Change: String] = [.added: "+", .removed: "-", .changed: "~"]
        let rows = difference.files.prefix(limit).map { file in
            ["  \(signs[file.change] ?? "")", file.name, ByteSize(bytes: file.size).description]
        }
        return ["files"] + columns(rows) + rest(difference.files.count)
    }

    private func cut(_ lines: [String]) -> [String] { lines.prefix(limit) + rest(lines.count) }

    private func rest(_ count: Int) -> [String] {
        count > limit ? ["  ... and \(count - limit) more; --all shows them"] : []
    }

    /// Rows with each column but the last as wide as its widest cell, up to 72.
    private func columns(_ rows: [[String]]) -> [String] {
        guard let count = rows.first?.count else { return [] }
        let widths = (0..<count).map { column in min(rows.map { $0[column].count }.max() ?? 0, 72) }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == count - 1 ? cell : cell + String(repeating: " ", count: max(widths[column] - cell.count, 0))
            }.joined(separator: "  ")
        }
    }
}

/// The same for programs; nothing is left out.
struct DiffData: Encodable {
    struct Side: Encodable {
        let title: String
        let proof: String
        let proven: Bool
        let tags: Int
        let files: Int
    }

    struct Moved: Encodable {
        let tag: String
        let from: String
        let to: String
    }

    struct Repository: Encodable {
        let repository: String
        let added: [String]
        let removed: [String]
        let moved: [Moved]
    }

    struct Section: Encodable {
        let added: Int
        let removed: Int
        let moved: Int
        let same: Int
        let repositories: [Repository]

        init(_ section: ContentDifference.Section) {
            (added, removed, moved, same) = (section.added, section.removed, section.moved, section.same)
            repositories = section.repositories.map { repository in
                Repository(
                    repository: repository.name, added: repository.added, removed: repository.removed,
                    moved: repository.moved.map {
                        Moved(tag: $0.tag, from: $0.from.description, to: $0.to.description)
                    })
            }
        }
    }

    struct FileData: Encodable {
        let name: String
        let change: String
        let digest: String
        let size: UInt64
    }

    struct Fact: Encodable {
        let name: String
        let before: String?
        let after: String?

        init(_ fact: ContentDifference.Fact) { (name, before, after) = (fact.name, fact.before, fact.after) }
    }

    struct Need: Encodable {
        let bytes: UInt64
        let total: UInt64
        /// `chunks` or `blobs`.
        let by: String
    }

    let a: Side
    let b: Side
    let equal: Bool
    let packs: Section
    let images: Section
    let files: [FileData]
    let infrastructure: [Fact]
    let inputs: [Fact]
    let toSend: Need?

    init(_ old: ContentListing, _ new: ContentListing, _ difference: ContentDifference) {
        (a, b) = (Side(old), Side(new))
        equal = difference.isEmpty
        (packs, images) = (Section(difference.packs), Section(difference.images))
        files = difference.files.map {
            FileData(name: $0.name, change: $0.change.rawValue, digest: $0.digest.description, size: $0.size)
        }
        (infrastructure, inputs) = (difference.profile.map { Fact($0) }, difference.facts.map { Fact($0) })
        toSend = difference.need.map { Need(bytes: $0.bytes, total: $0.total, by: $0.isByChunks ? "chunks" : "blobs") }
    }
}

extension DiffData.Side {
    fileprivate init(_ listing: ContentListing) {
        (title, proof, proven) = (listing.title, listing.proof, listing.isProven)
        (tags, files) = (listing.tags.count, listing.files.count)
    }
}
