// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import Files

/// What a Helm chart's archive holds, as far as a pack's check needs it.
struct ChartArchive: Sendable {
    /// Bytes of an archive that is looked into; real ones have 2 KB to 600 KB.
    static let maximumSize = 16 << 20
    /// Bytes of its files, their number, and the bytes of one that is read.
    private static let maximumContent: UInt64 = 64 << 20
    private static let maximumEntries = 10_000
    private static let maximumText = 1 << 20
    /// Archives of charts one inside another.
    private static let maximumDepth = 3
    /// Folders of a chart that Helm doesn't deploy or that only its author uses.
    private static let passedOver: Set<Substring> = ["tests", "test", "ci", "examples", "crds", "docs"]

    private(set) var found: [FoundImage] = []
    /// `<chart>: <dependency>` for each that a `Chart.yaml` names and its `charts/` lacks: Helm refuses such a chart.
    private(set) var missingDependencies: [String] = []
    /// Whether it has a `Chart.yaml`, without which it is no chart.
    private(set) var isChart = false

    /// By the folder of the chart in the archive.
    private var dependencies: [String: [String]] = [:]
    private var subcharts: [String: Set<String>] = [:]
    private let file: String
    private let depth: Int

    /// Reads an archive; `file` is its name for messages. Throws `ArchiveError`, and `ChartError`.
    init(_ archive: Buffer, file: String) throws { try self.init(archive, file: file, depth: 1) }

    private init(_ archive: Buffer, file: String, depth: Int) throws {
        (self.file, self.depth) = (file, depth)
        var isGiven = false
        let reader = try ArchiveReader(
            {
                defer { isGiven = true }
                return isGiven ? nil : archive
            }, filter: .gzip)
        try read(reader)
        for (folder, names) in dependencies.sorted(by: { $0.key < $1.key }) {
            let held = subcharts[folder] ?? []
            let missing = names.filter { name in !held.contains { $0 == name || $0.hasPrefix(name + "-") } }
            missingDependencies += missing.map { "\(folder): \($0)" }
        }
    }

    private mutating func read(_ reader: ArchiveReader) throws {
        var (content, entries): (UInt64, Int) = (0, 0)
        while let entry = try reader.next() {
            entries += 1
            content += min(entry.size, ChartArchive.maximumContent + 1)
            guard entries <= ChartArchive.maximumEntries, content <= ChartArchive.maximumContent else {
                throw ChartError.tooLarge
            }
            let parts = entry.name.split(separator: "/").filter { $0 != "." }
            noteSubchart(parts)
            guard entry.kind == .file, let name = parts.last, parts.count >= 2 else { continue }
            guard ChartArchive.passedOver.isDisjoint(with: parts.dropFirst().dropLast()) else { continue }
            if name.hasSuffix(".tgz"), parts.dropLast().last == "charts", entry.size <= ChartArchive.maximumSize {
                try addNested(reader, entry)
            } else if let origin = ChartArchive.origin(of: parts), entry.size <= ChartArchive.maximumText {
                search(try ChartArchive.bytes(reader, entry), parts, origin)
            }
        }
    }

    private mutating func noteSubchart(_ parts: [Substring]) {
        for index in parts.indices.dropLast() where parts[index] == "charts" {
            subcharts[parts[..<index].joined(separator: "/"), default: []].insert(String(parts[index + 1]))
        }
    }

    private static func origin(of parts: [Substring]) -> FoundImage.Origin? {
        guard let name = parts.last else { return nil }
        if name == "values.yaml" || name == "Chart.yaml" { return .chartValues }
        let isTemplate = parts.dropFirst().dropLast().contains("templates")
        return isTemplate && [".yaml", ".yml", ".tpl"].contains { name.hasSuffix($0) } ? .chartTemplate : nil
    }

    private mutating func search(_ bytes: [UInt8], _ parts: [Substring], _ origin: FoundImage.Origin) {
        let text = String(decoding: bytes, as: UTF8.self)
        if parts.last == "Chart.yaml" {
            isChart = isChart || parts.count == 2
            let names = ChartArchive.dependencies(in: text)
            if !names.isEmpty { dependencies[parts.dropLast().joined(separator: "/")] = names }
        }
        let place = "\(file)!\(parts.joined(separator: "/"))"
        found += ImageSearch(text, file: place, origin: origin).found
    }

    private mutating func addNested(_ reader: ArchiveReader, _ entry: ArchiveEntry) throws {
        guard depth < ChartArchive.maximumDepth else { throw ChartError.tooDeep }
        let buffer = Buffer(capacity: max(1, Int(entry.size)))
        guard try reader.read(into: buffer) > 0 else { return }
        let nested = try ChartArchive(buffer, file: "\(file)!\(entry.name)", depth: depth + 1)
        found += nested.found
        missingDependencies += nested.missingDependencies
    }

    private static func bytes(_ reader: ArchiveReader, _ entry: ArchiveEntry) throws -> [UInt8] {
        guard entry.size > 0 else { return [] }
        let buffer = Buffer(capacity: Int(entry.size))
        _ = try reader.read(into: buffer)
        return buffer.withBytes { piece in unsafe piece.withUnsafeBytes { unsafe Array($0) } }
    }

    /// The names under `dependencies:`.
    private static func dependencies(in text: String) -> [String] {
        var (names, isInside): ([String], Bool) = ([], false)
        for row in ImageSearch.rows(of: text) {
            if row.indent == 0 { isInside = row.key == "dependencies" }
            if isInside, row.key == "name", row.indent > 0 { names.append(row.value) }
        }
        return names
    }
}

/// Why a chart's archive can't be looked into.
enum ChartError: Error, Equatable, CustomStringConvertible {
    case tooLarge, tooDeep

    var description: String {
        switch self {
        case .tooLarge: "it has more files or bytes than a chart has"
        case .tooDeep: "it holds archives within archives, too many levels of them"
        }
    }
}
