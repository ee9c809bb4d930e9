// SPDX-License-Identifier: Apache-2.0

package import OCI
internal import Yams

/// One version of a chart as a classic Helm repository lists it (helm.sh, "The Chart Repository Guide").
package struct HelmIndexEntry: Sendable, Equatable {
    package let version: String
    /// Addresses, or paths below the index's folder, in order.
    package let urls: [String]
    /// The SHA-256 of the `.tgz`; `nil` where the index has none, which old tools left out.
    package let digest: Digest?
}

/// Why an `index.yaml` can't be used.
package enum HelmIndexError: Error, Equatable {
    case notUTF8
    /// It has no such chart.
    case noChart(String)
    /// The chart's block is no YAML, or too large.
    case unreadable(String, why: String)
}

extension HelmIndexError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notUTF8: "index.yaml is no UTF-8 text; check the repository's address"
        case .noChart(let name): "index.yaml lists no chart \"\(name)\"; check the name and the repository's address"
        case .unreadable(let name, let why): "the entry of \"\(name)\" in index.yaml can't be read: \(why)"
        }
    }
}

/// Reads a repository's `index.yaml`, of which only the block of one chart is parsed: large repositories list a hundred
/// thousand versions.
package enum HelmIndex {
    /// Bytes of an index.
    package static let maximumSize = 64 << 20
    private static let maximumBlock = 8 << 20
    private static let maximumVersions = 20_000

    /// The versions of a chart, in the index's order; those that can't be read are left out. Throws `HelmIndexError`.
    package static func entries(of chart: String, in bytes: [UInt8]) throws(HelmIndexError) -> [HelmIndexEntry] {
        guard bytes.count <= maximumSize else { throw .unreadable(chart, why: "the index is too large") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
        let (block, isWhole) = try block(of: chart, in: text)
        guard block.firstMatch(of: /(?:^|[\s\[{,:-])[*&][A-Za-z0-9_]/) == nil else {
            throw .unreadable(chart, why: "it has anchors or aliases")
        }
        let root: Node?
        do {
            root = try Parser(yaml: block, encoding: .utf8).singleRoot()
        } catch {
            throw .unreadable(chart, why: "it is no YAML")
        }
        let entries = isWhole ? root?.mapping?["entries"]?.mapping : root?.mapping
        guard let versions = entries?[Node(chart)]?.sequence else { throw .noChart(chart) }
        return versions.prefix(maximumVersions).compactMap(entry)
    }

    private static func entry(_ node: Node) -> HelmIndexEntry? {
        guard let mapping = node.mapping, let version = mapping["version"]?.scalar?.string,
            SemanticVersion(parsing: version) != nil, let urls = mapping["urls"]?.sequence
        else { return nil }
        let digest = mapping["digest"]?.scalar?.string.lowercased()
        return HelmIndexEntry(
            version: version,
            urls: urls.compactMap { $0.scalar?.string }.filter { !$0.isEmpty && $0.utf8.count <= 4096 },
            digest: digest.flatMap { Digest(hex: $0.hasPrefix("sha256:") ? String($0.dropFirst(7)) : $0) })
    }

    // The lines from the chart's key to the next key of the same depth; an index that isn't laid out in lines (JSON)
    // is given whole, where it is small.
    private static func block(of chart: String, in text: String) throws(HelmIndexError) -> (String, isWhole: Bool) {
        var lines: [Substring] = []
        var (isInside, depth, size) = (false, 0, 0)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let indent = line.prefix { $0 == " " }.count
            let rest = line.dropFirst(indent)
            if lines.isEmpty {
                if indent == 0, !rest.isEmpty, rest.first != "#" {
                    isInside = rest.wholeMatch(of: /entries:\s*/) != nil
                } else if isInside, isKey(rest, chart) {
                    (depth, size) = (indent, line.utf8.count)
                    lines.append(line)
                }
                continue
            }
            let isBlank = rest.allSatisfy(\.isWhitespace)
            if !isBlank, indent < depth || indent == depth && !rest.hasPrefix("- ") { break }
            size += line.utf8.count + 1
            guard size <= maximumBlock else { throw .unreadable(chart, why: "it is too large") }
            lines.append(line)
        }
        guard lines.isEmpty else { return (lines.joined(separator: "\n"), false) }
        guard text.utf8.count <= 1 << 20 else { throw .noChart(chart) }
        return (text, true)
    }

    private static func isKey(_ line: Substring, _ chart: String) -> Bool {
        ["\(chart):", "\"\(chart)\":", "'\(chart)':"].contains { key in
            line.hasPrefix(key) && line.dropFirst(key.count).allSatisfy(\.isWhitespace)
        }
    }
}
