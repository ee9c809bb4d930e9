// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// What a pack's `values.yaml` asks for under `pack.content` (reference/palette.md, section 3.1): images and charts, each
/// with its line. Whatever the bytes are, there is an answer: what can't be read is a problem.
package struct PackContent: Sendable, Equatable {
    /// An entry of `pack.content.images`.
    package struct Image: Sendable, Equatable {
        /// As written.
        package let text: String
        /// Of the file, from 1.
        package let line: Int

        /// Whether a template stands in it, which only a cluster's profile fills in.
        package var isTemplate: Bool { text.contains("{{") }
    }

    /// An entry of `pack.content.charts`.
    package struct Chart: Sendable, Equatable {
        /// The chart repository's address, as written.
        package let repository: String?
        package let name: String
        package let version: String?
        package let line: Int
    }

    /// Something that was passed over.
    package struct Problem: Sendable, Equatable {
        package enum Kind: Sendable, Equatable {
            /// The file or its `pack:` block can't be read: whatever it lists is not known.
            case unreadable
            /// An entry of a list is none that the rules know.
            case entry
            /// A line that is a template by itself: what it adds or takes away is not known.
            case templateLine
            /// A second block, which Palette may or may not read.
            case secondBlock
        }

        package let kind: Kind
        package let line: Int?
        /// For people, without the line.
        package let text: String
    }

    /// In order; `nil` where no list is named or it can't be read.
    package private(set) var images: [Image]?
    package private(set) var charts: [Chart] = []
    package private(set) var problems: [Problem] = []

    /// Bytes of one text of a list.
    private static let maximumText = 1000

    /// Reads the bytes of a `values.yaml`, at most `PackImages.maximumSize`.
    package init(values bytes: [UInt8]) {
        guard bytes.count <= PackImages.maximumSize else {
            note(.unreadable, nil, "values.yaml has \(bytes.count) bytes, over \(PackImages.maximumSize)")
            return
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            note(.unreadable, nil, "values.yaml is no UTF-8 text")
            return
        }
        let lines = TextLines(text)
        let blocks = PackBlock.all(in: lines)
        guard let block = blocks.first else { return }
        if blocks.count > 1 {
            note(.secondBlock, blocks[1].firstLine, "a second pack: block; only the first is read")
        }
        read(block)
    }

    private mutating func note(_ kind: Problem.Kind, _ line: Int?, _ text: String) {
        problems.append(Problem(kind: kind, line: line, text: text))
    }

    private mutating func read(_ block: PackBlock) {
        for line in block.templateLines {
            note(.templateLine, line, "a line that is a template by itself; what it adds isn't known")
        }
        guard block.hasHarmlessAliases else {
            note(.unreadable, block.firstLine, "the pack: block has aliases of whole lists or mappings, or too many")
            return
        }
        do {
            let parser = try Parser(yaml: block.text, encoding: .utf8)
            let node = try parser.singleRoot()
            // Nodes hold their anchors weakly; the parser owns them.
            withExtendedLifetime(parser) { read(node?.mapping?["pack"]?.mapping?["content"]?.mapping, of: block) }
        } catch {
            note(.unreadable, block.line(of: error), "the pack: block is no YAML\(PackBlock.explain(error))")
        }
    }

    private mutating func read(_ content: Node.Mapping?, of block: PackBlock) {
        guard let content else { return }
        images = entries("images", of: content, block)?.enumerated().compactMap { number, entry in
            guard let text = text("image", of: entry, block) else {
                note(.entry, block.line(of: entry), "pack.content.images[\(number)] names no image")
                return nil
            }
            return Image(text: text, line: block.line(of: entry) ?? block.firstLine)
        }
        charts =
            entries("charts", of: content, block)?.enumerated().compactMap { number, entry in
                guard let name = text("name", of: entry, block) else {
                    note(.entry, block.line(of: entry), "pack.content.charts[\(number)] names no chart")
                    return nil
                }
                return Chart(
                    repository: text("repo", of: entry, block), name: name,
                    version: text("version", of: entry, block), line: block.line(of: entry) ?? block.firstLine)
            } ?? []
    }

    private mutating func entries(_ key: String, of content: Node.Mapping, _ block: PackBlock) -> [Node]? {
        guard let list = content[key] else { return nil }
        guard let entries = list.sequence else {
            if list.scalar?.string.isEmpty != true && list.null == nil {
                note(.unreadable, block.line(of: list), "pack.content.\(key) is no list")
            }
            return nil
        }
        guard entries.count <= PackImages.maximumCount else {
            let text = "pack.content.\(key) has \(entries.count) entries, over \(PackImages.maximumCount)"
            note(.unreadable, block.line(of: list), text)
            return nil
        }
        return Array(entries)
    }

    /// A number is taken as it is written; `null` is nothing.
    private func text(_ key: String, of entry: Node, _ block: PackBlock) -> String? {
        guard let value = entry.mapping?[key], value.null == nil, let scalar = value.scalar else { return nil }
        let text = block.original(scalar.string)
        return text.isEmpty || text.utf8.count > PackContent.maximumText ? nil : text
    }
}
