// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// An image that something in a pack names outside of its list, found by the look of the text.
package struct FoundImage: Sendable, Hashable {
    package enum Origin: Sendable, Hashable {
        /// The pack's own `values.yaml`, outside of `pack:`, and what its `presets.yaml` may add to it.
        case values, presets
        /// A file of `manifests/` that is deployed.
        case manifest
        /// A chart's `values.yaml`, which the pack's values may override, and its templates.
        case chartValues, chartTemplate
    }

    /// As written, without tag and digest, for example `quay.io/a/b`, or `a/b` where the host stands elsewhere.
    package let name: String
    /// `latest` where none is written and none is added; `nil` where it isn't known.
    package let tag: String?
    package let digest: String?
    /// Whether the tag is what will run, not a value that others replace.
    let isTagSure: Bool
    package let origin: Origin
    /// Below the pack's folder; in a chart's archive after a `!`.
    package let file: String
    package let line: Int

    /// For people; as a reference where it is one.
    package var description: String {
        name + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// The name without what may be left out of it: Docker Hub's host and its folder `library`.
    var plainName: String { FoundImage.plain(name) }

    static func plain(_ name: String) -> String {
        var name = name[...]
        for prefix in ["index.docker.io/", "docker.io/"] where name.hasPrefix(prefix) {
            name = name.dropFirst(prefix.count)
        }
        return String(name.hasPrefix("library/") ? name.dropFirst("library/".count) : name)
    }
}

/// Looks for images in a YAML text, or a template of one, line by line: such files needn't be YAML before they are filled
/// in, and a line by itself costs a hostile file nothing. What is looked for: docs/pack-lint.md.
struct ImageSearch {
    let origin: FoundImage.Origin
    let file: String
    private(set) var found: [FoundImage] = []
    /// Lines of `image:` keys whose value the cluster's profile fills in, `{{.spectro...}}`.
    private(set) var macros: [Int] = []
    private var rows: [Row] = []

    struct Row {
        let line: Int
        /// Columns before the key or value, list dashes among them.
        let indent: Int
        let key: String?
        let raw: Substring

        /// The value without its quotes or the comment after it.
        var value: String { Row.scalar(raw) }
    }

    /// Rows about a key in which its siblings are looked for.
    private static let reach = 16
    private static let maximumFound = 2000

    init(_ text: String, file: String, origin: FoundImage.Origin, skipping skipped: Range<Int>? = nil) {
        (self.file, self.origin) = (file, origin)
        rows = ImageSearch.rows(of: text).filter { skipped?.contains($0.line) != true }
        for index in rows.indices where found.count < ImageSearch.maximumFound { look(at: index) }
    }

    /// The text's keys and values, one of each line.
    static func rows(of text: String) -> [Row] {
        TextLines(text).lines.enumerated().compactMap { index, line in Row(line, number: index + 1) }
    }

    private mutating func look(at index: Int) {
        let row = rows[index]
        guard !row.raw.isEmpty else { return }
        let key = row.key ?? ""
        let isImageKey = key == "image" || key.hasSuffix("Image")
        if isImageKey, row.raw.contains("{{") {
            lookAtTemplate(row)
        } else if row.raw.contains("{{") {
            return
        } else if isImageKey {
            lookAtImage(row, index)
        } else if key == "repository" || key == "repo" {
            lookAtRepository(row, index)
        } else {
            // Operators get images as arguments too: --reloader=quay.io/a/b:1.
            let value = row.value
            let text = value.hasPrefix("-") ? String(value.drop { $0 != "=" }.dropFirst()) : value
            if ImageSearch.mayBeFull(text) { add(text, row, isTagSure: true) }
        }
    }

    /// `image: "{{ default "quay.io/a/b:1" .Values.image }}"` and its like.
    private mutating func lookAtTemplate(_ row: Row) {
        if row.raw.contains(".spectro.") { macros.append(row.line) }
        guard row.raw.contains("default") else { return }
        for text in row.raw.split(separator: "\"", omittingEmptySubsequences: false) {
            if ImageSearch.mayBeFull(String(text)) { add(String(text), row, isTagSure: false) }
        }
    }

    private mutating func lookAtImage(_ row: Row, _ index: Int) {
        let value = row.value
        let tag = sibling(of: index, ["tag"])
        if let tag, !value.contains(":"), Reference.isTag(tag) {
            add(value + ":" + tag, row, isTagSure: true)
            return
        }
        // A word alone is too often something else in a chart; in a manifest it is an image of Docker Hub.
        guard value.contains("/") || value.contains(":") || origin == .manifest else { return }
        add(value, row, isTagSure: true)
    }

    /// `repository:` beside `tag:`, `registry:` and their like, as charts write images.
    private mutating func lookAtRepository(_ row: Row, _ index: Int) {
        let tag = sibling(of: index, ["tag", "version"])
        let (registry, digest) = (sibling(of: index, ["registry"]), sibling(of: index, ["digest", "sha"]))
        let isImage =
            tag != nil || registry != nil || digest != nil
            || sibling(of: index, ["pullPolicy", "imagePullPolicy"]) != nil
        guard isImage, !row.value.contains("://"), digest?.contains("{{") != true else { return }
        let name = String(row.value.drop { $0 == "/" })
        let host = registry.flatMap { ImageSearch.isNothing($0) || $0.contains("{{") ? nil : $0 + "/" } ?? ""
        let known = tag.flatMap { ImageSearch.isNothing($0) || !Reference.isTag($0) ? nil : $0 }
        let pinned = digest.flatMap { $0.hasPrefix("sha256:") ? "@" + $0 : nil } ?? ""
        guard let reference = ImageSearch.reference(host + name + (known.map { ":\($0)" } ?? "") + pinned) else {
            return
        }
        append(reference, row, tag: known, isTagSure: true)
    }

    /// The value of a key that stands in the same mapping, `nil` where there is none.
    private func sibling(of index: Int, _ keys: [String]) -> String? {
        let indent = rows[index].indent
        for rows in [
            rows[..<index].suffix(ImageSearch.reach).reversed(), Array(rows[(index + 1)...].prefix(ImageSearch.reach)),
        ] {
            for row in rows {
                guard row.indent >= indent else { break }
                if row.indent == indent, let key = row.key, keys.contains(key) { return row.value }
            }
        }
        return nil
    }

    private mutating func add(_ text: String, _ row: Row, isTagSure: Bool) {
        guard let reference = ImageSearch.reference(text) else { return }
        append(
            reference, row, tag: reference.tag ?? (reference.digest == nil ? "latest" : nil), isTagSure: isTagSure)
    }

    private mutating func append(_ reference: Reference, _ row: Row, tag: String?, isTagSure: Bool) {
        found.append(
            FoundImage(
                name: reference.name, tag: tag, digest: reference.digest?.description, isTagSure: isTagSure,
                origin: origin, file: file, line: row.line))
    }

    private static func isNothing(_ text: String) -> Bool { ["", "~", "null"].contains(text) }

    private static func reference(_ text: String) -> Reference? {
        guard text.utf8.count <= 500, !text.contains("://") else { return nil }
        return try? Reference(parsing: text)
    }

    /// Whether a text has a host, a path and a tag or digest, as hardly anything but an image has.
    private static func mayBeFull(_ text: String) -> Bool {
        guard text.utf8.count <= 500, let slash = text.firstIndex(of: "/"), !text.contains("://"), !text.contains(" ")
        else { return false }
        let host = text[..<slash]
        guard host.contains("."), host.first?.isLetter == true else { return false }
        return text[slash...].contains(":") || text[slash...].contains("@sha256:")
    }
}

extension ImageSearch.Row {
    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// `nil` for a line without content: empty, a comment, a template's own line.
    fileprivate init?(_ line: Substring, number: Int) {
        let bytes = line.utf8
        var index = bytes.startIndex
        var indent = 0
        while index < bytes.endIndex {
            let next = bytes.index(after: index)
            let isDash =
                bytes[index] == UInt8(ascii: "-") && next < bytes.endIndex && ImageSearch.Row.isBlank(bytes[next])
            guard isDash || ImageSearch.Row.isBlank(bytes[index]) else { break }
            (index, indent) = (next, indent + 1)
        }
        let rest = line[index...]
        guard let first = rest.first, first != "#", !rest.hasPrefix("{{") else { return nil }
        (self.line, self.indent) = (number, indent)
        guard let (key, value) = ImageSearch.Row.split(rest) else {
            (key, raw) = (nil, rest)
            return
        }
        (self.key, raw) = (key, value)
    }

    /// A key and what follows its colon.
    private static func split(_ text: Substring) -> (String, Substring)? {
        let quote = text.first.flatMap { $0 == "\"" || $0 == "'" ? $0 : nil }
        let body = quote == nil ? text : text.dropFirst()
        let end = body.firstIndex { $0 == (quote ?? ":") || quote == nil && ($0 == " " || $0 == "{") }
        guard let end, end > body.startIndex else { return nil }
        let after = quote == nil ? body[end...] : body[body.index(after: end)...]
        guard after.first == ":" else { return nil }
        let value = after.dropFirst()
        guard value.isEmpty || value.first == " " || value.first == "\t" else { return nil }
        return (String(body[..<end]), value.drop { $0 == " " || $0 == "\t" })
    }

    fileprivate static func scalar(_ raw: Substring) -> String {
        guard let quote = raw.first, quote == "\"" || quote == "'" else {
            var end = raw.endIndex
            if raw.first == "#" { return "" }
            if let comment = raw.firstRange(of: " #") { end = comment.lowerBound }
            return String(raw[..<end]).trimmed
        }
        let body = raw.dropFirst()
        return String(body.firstIndex(of: quote).map { body[..<$0] } ?? body)
    }
}

extension String {
    /// Without spaces and tabs at its ends.
    fileprivate var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        return String(start.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
