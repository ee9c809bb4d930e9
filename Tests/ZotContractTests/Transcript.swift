// SPDX-License-Identifier: Apache-2.0

/// Answers in a form in which two runs can be compared: random names become the number of their first appearance, so that
/// what is the same name in one run must be the same name in the other.
struct Transcript {
    /// By question, in the order they were asked.
    private(set) var lines: [(id: String, text: String)] = []
    private var names: [Substring: String] = [:]

    /// Without `isNumbering` all random names are one: for answers that don't follow the same course.
    init(_ rows: [Row], isNumbering: Bool = true) {
        for row in rows { lines.append((row.id, plain(Transcript.text(row), isNumbering))) }
    }

    var ids: Set<String> { Set(lines.map(\.id)) }

    subscript(_ id: String) -> String? { lines.first { $0.id == id }?.text }

    /// Where two transcripts differ, for people.
    func differences(to other: Transcript) -> [String] {
        let all = lines.map(\.id) + other.lines.map(\.id).filter { self[$0] == nil }
        return all.filter { self[$0] != other[$0] }.map {
            "\($0)\n  expected \(self[$0] ?? "nothing")\n  got      \(other[$0] ?? "nothing")"
        }
    }

    private static func text(_ row: Row) -> String {
        var headers = row.headers
        // The wording of errors is the registry's own, and with it their length.
        if row.status >= 400, let length = headers["content-length"], length != "0" {
            headers["content-length"] = "some"
        }
        var parts = ["\(row.status)", row.codes]
        parts += headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        for error in row.errors ?? [] {
            var detail = error.detail.text
            if case .object(let members) = error.detail {
                detail = members.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.text)" }.joined(separator: ",")
            }
            parts.append("\(error.code) \(error.message) {\(detail)}")
        }
        if let body = row.body { parts.append("body: \(sortedTags(body))") }
        return parts.filter { !$0.isEmpty }.joined(separator: " | ")
    }

    /// docker-registry lists tags in no order.
    private static func sortedTags(_ body: String) -> String {
        guard let start = body.firstRange(of: "\"tags\":["), let end = body.lastIndex(of: "]") else { return body }
        let tags = body[start.upperBound..<end].split(separator: ",").sorted()
        return body[..<start.upperBound] + tags.joined(separator: ",") + body[end...]
    }

    private mutating func plain(_ text: String, _ isNumbering: Bool) -> String {
        var result = ""
        var rest = text[...]
        while !rest.isEmpty {
            let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" || $0 == ":" || $0 == "." || $0 == "_" }
            result += word.isEmpty ? rest.prefix(1) : plain(word, isNumbering)
            rest = rest.dropFirst(max(word.count, 1))
        }
        guard let start = result.firstRange(of: "_state=") else { return result }
        return result[..<start.upperBound] + "…" + result[start.upperBound...].drop { $0 != " " }
    }

    private mutating func plain(_ word: Substring, _ isNumbering: Bool) -> Substring {
        if word.hasPrefix("127.0.0.1:") { return "registry" }
        if word.hasPrefix("sha256-") { return "sha256-…" }
        let isDigest = word.hasPrefix("sha") && word.count > 70
        let isSession = word.count == 36 && word.count { $0 == "-" } == 4
        guard isDigest || isSession else { return word }
        let name = names[word, default: "<\(names.count)>"]
        names[word] = name
        return isNumbering ? name[...] : "<>"
    }
}
