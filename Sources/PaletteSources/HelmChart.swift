// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import FoundationEssentials
package import Files
internal import Yams

/// What a chart's `.tgz` says of itself in its `Chart.yaml`.
package struct HelmChart: Sendable, Equatable {
    package let name: String
    package let version: String
    /// The configuration of the chart's OCI artifact: `Chart.yaml` as the JSON that Helm makes of it, members sorted.
    package let configuration: [UInt8]

    private static let maximumMetadata = 1 << 20
    /// Members of `Chart.yaml` that are texts, lists of texts, and texts by name (helm.sh, "The Chart.yaml File").
    private static let texts = [
        "apiVersion", "appVersion", "condition", "description", "home", "icon", "kubeVersion", "name", "tags", "type",
        "version",
    ]
    private static let lists = ["keywords", "sources"]

    /// Reads the pieces of a `.tgz`. Throws `HelmChartError`, `ArchiveError`, and what `pull` throws.
    package init(reading pull: @escaping () throws -> Buffer?) throws {
        let archive = try ArchiveReader(pull, filter: .gzip)
        let buffer = Buffer(capacity: HelmChart.maximumMetadata + 1)
        while let entry = try archive.next() {
            let parts = entry.name.split(separator: "/", omittingEmptySubsequences: false)
            guard entry.kind == .file, parts.count == 2, parts[1] == "Chart.yaml" else { continue }
            guard entry.size <= HelmChart.maximumMetadata else {
                throw HelmChartError.unreadable("Chart.yaml is too large")
            }
            _ = try archive.read(into: buffer)
            try self.init(metadata: buffer.withBytes { span in unsafe span.withUnsafeBytes { unsafe [UInt8]($0) } })
            return
        }
        throw HelmChartError.unreadable("it has no Chart.yaml")
    }

    /// Reads the bytes of a `Chart.yaml`. Throws `HelmChartError`.
    package init(metadata bytes: [UInt8]) throws(HelmChartError) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .unreadable("Chart.yaml is no UTF-8 text")
        }
        guard text.firstMatch(of: /(?:^|[\s\[{,:-])\*[A-Za-z0-9_]/) == nil else {
            throw .unreadable("Chart.yaml has aliases")
        }
        let root: Node?
        do {
            root = try Parser(yaml: text, encoding: .utf8).singleRoot()
        } catch {
            throw .unreadable("Chart.yaml is no YAML")
        }
        guard let mapping = root?.mapping, let name = mapping["name"]?.scalar?.string,
            let version = mapping["version"]?.scalar?.string
        else { throw .unreadable("Chart.yaml names no name and version") }
        (self.name, self.version) = (name, version)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            configuration = [UInt8](try encoder.encode(Metadata(mapping)))
        } catch {
            throw .unreadable("Chart.yaml can't be written as JSON")
        }
    }

    /// What Helm keeps of `Chart.yaml` (helm, pkg/chart/metadata.go); members that it doesn't know are dropped, as Helm does.
    private struct Metadata: Encodable {
        var texts: [String: String] = [:]
        var lists: [String: [String]] = [:]
        var annotations: [String: String] = [:]
        var maintainers: [[String: String]] = []
        var dependencies: [Dependency] = []
        var isDeprecated = false

        init(_ mapping: Node.Mapping) {
            for key in HelmChart.texts { texts[key] = mapping[Node(key)]?.text }
            for key in HelmChart.lists { lists[key] = mapping[Node(key)]?.texts }
            annotations = mapping["annotations"]?.textsByName ?? [:]
            maintainers = (mapping["maintainers"]?.sequence.map(Array.init) ?? []).compactMap(\.textsByName)
            dependencies = (mapping["dependencies"]?.sequence.map(Array.init) ?? []).compactMap(\.mapping)
                .map(Dependency.init)
            isDeprecated = mapping["deprecated"]?.text == "true"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Name.self)
            for (key, value) in texts { try container.encode(value, forKey: Name(key)) }
            for (key, value) in lists { try container.encode(value, forKey: Name(key)) }
            if !annotations.isEmpty { try container.encode(annotations, forKey: Name("annotations")) }
            if !maintainers.isEmpty { try container.encode(maintainers, forKey: Name("maintainers")) }
            if !dependencies.isEmpty { try container.encode(dependencies, forKey: Name("dependencies")) }
            if isDeprecated { try container.encode(true, forKey: Name("deprecated")) }
        }
    }

    private struct Dependency: Encodable {
        let texts: [String: String]
        let tags: [String]?

        init(_ mapping: Node.Mapping) {
            let keys = ["name", "version", "repository", "condition", "alias"]
            texts = Dictionary(
                keys.compactMap { key in mapping[Node(key)]?.text.map { (key, $0) } }, uniquingKeysWith: { $1 })
            tags = mapping["tags"]?.texts
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Name.self)
            for (key, value) in texts { try container.encode(value, forKey: Name(key)) }
            try container.encodeIfPresent(tags, forKey: Name("tags"))
        }
    }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension Node {
    fileprivate var text: String? { scalar.flatMap { $0.string.isEmpty ? nil : $0.string } }
    fileprivate var texts: [String]? { sequence.map { $0.compactMap(\.text) } }
    fileprivate var textsByName: [String: String]? {
        mapping.map { mapping in
            Dictionary(
                mapping.compactMap { key, value in
                    key.text.flatMap { name in value.scalar.map { (name, $0.string) } }
                }, uniquingKeysWith: { $1 })
        }
    }
}

/// Why a chart's archive can't be used.
package enum HelmChartError: Error, Equatable {
    case unreadable(String)
}

extension HelmChartError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let why): "the chart can't be read: \(why); ask its publisher"
        }
    }
}
