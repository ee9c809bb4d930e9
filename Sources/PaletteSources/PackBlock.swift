// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// A text's lines without their ends, whichever ends it has (LF, CR LF, CR), and without a byte order mark.
struct TextLines {
    let lines: [Substring]

    init(_ text: String) {
        var rest = text[...].unicodeScalars
        if rest.first == "\u{feff}" { rest.removeFirst() }
        var lines: [Substring] = []
        var start = rest.startIndex
        var index = start
        while index < rest.endIndex {
            let scalar = rest[index]
            let next = rest.index(after: index)
            guard scalar == "\n" || scalar == "\r" else {
                index = next
                continue
            }
            lines.append(Substring(rest[start..<index]))
            index = scalar == "\r" && next < rest.endIndex && rest[next] == "\n" ? rest.index(after: next) : next
            start = index
        }
        if start < rest.endIndex { lines.append(Substring(rest[start...])) }
        self.lines = lines
    }
}

/// The part of a `values.yaml` that begins with its key `pack`. The rest holds the charts' values, which needn't be YAML
/// before their templates are filled in.
struct PackBlock {
    /// The text for the YAML reader: templates are replaced by marks, so that they can't break it.
    let text: String
    /// The first line's number, from 1.
    let firstLine: Int
    /// Lines that hold nothing but a template; they are empty in `text`.
    let templateLines: [Int]
    private let templates: [String]

    private static let maximumAliases = 100
    // Private-use letters: what holds them already has no templates replaced.
    private static let (open, close): (Character, Character) = ("\u{e000}", "\u{e001}")

    /// Every such block of the file, in order: more than one where the key stands twice or there are several documents.
    static func all(in lines: TextLines) -> [PackBlock] {
        guard let top = lines.lines.first(where: { isContent($0) && !isMarker($0) }) else { return [] }
        // JSON is YAML too.
        if top.drop(while: isBlank).first == "{" { return [PackBlock(lines.lines[...])] }
        let indent = top.prefix(while: isBlank)
        var blocks: [PackBlock] = []
        var start: Int?
        for (number, line) in lines.lines.enumerated() where ends(line, at: indent) {
            if let begin = start { blocks.append(PackBlock(lines.lines[begin..<number])) }
            let key = line.dropFirst(indent.count)
            start = key.wholeMatch(of: /(?:pack|"pack"|'pack')[ \t]*:(?:[ \t].*)?/) == nil ? nil : number
        }
        if let begin = start { blocks.append(PackBlock(lines.lines[begin...])) }
        return blocks
    }

    private static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }

    private static func isContent(_ line: Substring) -> Bool {
        line.first { !isBlank($0) }.map { $0 != "#" } ?? false
    }

    /// A document's begin or end, or a directive.
    private static func isMarker(_ line: Substring) -> Bool {
        line.hasPrefix("---") || line.hasPrefix("...") || line.hasPrefix("%")
    }

    /// Whether a line can end the block before it: it begins a key of the top level or another document. A bracket that
    /// is closed there belongs to what was opened before.
    private static func ends(_ line: Substring, at indent: Substring) -> Bool {
        guard isContent(line) else { return false }
        if isMarker(line) { return true }
        let own = line.prefix(while: isBlank)
        guard own.count <= indent.count, let first = line.dropFirst(own.count).first else { return false }
        return first != "]" && first != "}"
    }

    private init(_ lines: ArraySlice<Substring>) {
        firstLine = lines.startIndex + 1
        let isMarked = lines.contains { $0.contains(PackBlock.open) || $0.contains(PackBlock.close) }
        var templates: [String] = []
        var (alone, replaced): ([Int], [String]) = ([], [])
        for (index, line) in zip(lines.indices, lines) {
            let text = isMarked ? String(line) : PackBlock.replaced(line, &templates)
            let isAlone = !isMarked && PackBlock.isAlone(text)
            if isAlone { alone.append(index + 1) }
            replaced.append(isAlone ? "" : text)
        }
        (self.templates, templateLines) = (templates, alone)
        text = replaced.joined(separator: "\n")
    }

    /// The line with a mark and a number for each `{{ ... }}`. A comment's are left alone, a `#` in a text isn't one.
    private static func replaced(_ line: Substring, _ templates: inout [String]) -> String {
        guard line.contains("{{"), line.drop(while: isBlank).first != "#" else { return String(line) }
        var (result, rest) = ("", line)
        while let start = rest.firstRange(of: "{{") {
            guard let end = rest[start.upperBound...].firstRange(of: "}}") else { break }
            result += rest[..<start.lowerBound] + "\(open)\(templates.count)\(close)"
            templates.append(String(rest[start.lowerBound..<end.upperBound]))
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    private static func isAlone(_ line: String) -> Bool {
        line.wholeMatch(of: /[ \t]*(?:\u{e000}[0-9]+\u{e001}[ \t]*)+/) != nil
    }

    /// A scalar's text with its templates as they were written.
    func original(_ text: String) -> String {
        guard text.contains(PackBlock.open) else { return text }
        return text.replacing(/\u{e000}([0-9]{1,9})\u{e001}/) { match in
            Int(match.1).flatMap { templates.indices.contains($0) ? templates[$0] : nil } ?? String(match.0)
        }
    }

    /// Whether aliases can be followed at little cost: they are few, and all anchors are of single values. Others could
    /// grow without limit, and no image list needs them.
    var hasHarmlessAliases: Bool {
        let aliases = text.matches(of: /(?:^|[\s\[{,:-])\*[A-Za-z0-9_]/).count
        guard aliases > 0 else { return true }
        guard aliases <= PackBlock.maximumAliases else { return false }
        let anchors = text.matches(of: /(?:^|[\s\[{,:-])&[A-Za-z0-9_-]+/)
        return anchors.allSatisfy { anchor in
            text[anchor.range.upperBound...].prefixMatch(of: /[ \t]+["'A-Za-z0-9.\/]/) != nil
        }
    }

    /// Of a node, in the file.
    func line(of node: Node) -> Int? { node.mark.map { $0.line + firstLine - 1 } }

    /// Of a fault, in the file.
    func line(of error: any Error) -> Int? {
        switch error as? YamlError {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
            mark.line + firstLine - 1
        case .duplicatedKeysInMapping(_, let context): context.mark.line + firstLine - 1
        default: firstLine
        }
    }

    /// What is wrong, in few words with a colon before them; nothing where the reader has no words.
    static func explain(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _),
            .reader(let problem, _, _, _):
            ": \(problem)"
        case .duplicatedKeysInMapping(let keys, _): ": the key \"\(keys.first?.prefix(100) ?? "")\" stands twice"
        default: ""
        }
    }
}
