// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import Files
package import Palette
package import SystemPackage

/// Everything that a pack's check needs to know of its folder, read once. What is wrong with the folder itself is found on
/// the way; what its contents mean, and the set of packs, is judged from these values alone.
package struct PackInspection: Sendable {
    package let folder: FilePath
    /// `nil` where `pack.json` can't be read.
    package private(set) var metadata: PackMetadata?
    package private(set) var content: PackContent?
    private(set) var details: PackDetails?
    /// `pack.json` as lines, to find the places of its values.
    private(set) var metadataLines: [Substring] = []
    /// Of regular files, below the folder, sorted bytewise.
    private(set) var files: [String] = []
    /// Outside of the list.
    private(set) var found: [FoundImage] = []
    /// Lines of `values.yaml` with images that the cluster's profile fills in.
    private(set) var profileImages: [Int] = []
    /// Where the pack asks for Piraeus's storage.
    private(set) var piraeusUse: PackPlace?
    private(set) var findings: [LintFinding] = []

    private static let maximumText = 4 << 20

    /// `<name>:<version>`, or the folder's name where `pack.json` can't be read.
    package var name: String {
        metadata.map { "\($0.name):\($0.version)" } ?? folder.lastComponent?.string ?? folder.string
    }

    /// Reads a folder, whatever it holds. Throws `FileError` where the file system refuses.
    package init(reading folder: FilePath) throws {
        self.folder = folder
        try readMetadata()
        try walk(folder, relative: "", depth: 1)
        try plan()
        if files.contains("values.yaml") { try readValues() }
        try search("presets.yaml", .presets)
        for path in details?.kubeManifests ?? [] where files.contains(path) { try search(path, .manifest) }
        for path in charts where files.contains(path) { try readChart(path) }
    }

    func place(_ file: String, _ line: Int? = nil) -> PackPlace { PackPlace(folder: folder, file: file, line: line) }

    /// The line of `pack.json` that holds a text in quotes, the first after a key where one is given.
    func metadataPlace(of text: String, after key: String? = nil) -> PackPlace {
        let start = key.flatMap { key in metadataLines.firstIndex { $0.contains("\"\(key)\"") } } ?? 0
        let line = metadataLines[start...].firstIndex { $0.contains("\"\(text)\"") }
        return place("pack.json", line.map { $0 + 1 })
    }

    /// The archives of charts that the pack deploys: those that `pack.json` lists or, where it lists none, all that stand
    /// directly in `charts/`.
    private var charts: [String] {
        let listed = details?.charts ?? []
        return listed.isEmpty ? files.filter(PackInspection.isChartArchive) : listed
    }

    static func isChartArchive(_ path: String) -> Bool {
        path.hasPrefix("charts/") && path.hasSuffix(".tgz") && path.split(separator: "/").count == 2
    }

    mutating func note(_ rule: LintRule, _ place: PackPlace, _ message: String, fix: String) {
        findings.append(LintFinding(rule, pack: name, at: place, message, fix: fix))
    }

    private mutating func readMetadata() throws {
        let fix = "correct pack.json: name, displayName, version and layer are mandatory"
        do {
            guard let json = try MediaFolder(folder).contents(of: "pack.json", limit: PackMetadata.maximumSize) else {
                note(.metadataUnreadable, place("pack.json"), "there is no pack.json", fix: fix)
                return
            }
            metadataLines = TextLines(String(decoding: json, as: UTF8.self)).lines
            metadata = try PackMetadata(parsing: json)
            details = try PackDetails(parsing: json)
        } catch let error as PackMetadataError {
            note(.metadataUnreadable, place("pack.json"), "\(error)", fix: fix)
        } catch let error as DecodingError {
            let why = PackDetails.explain(error)
            note(.metadataUnreadable, place("pack.json"), "pack.json can't be used: \(why)", fix: fix)
        } catch let error as FileError {
            note(.metadataUnreadable, place("pack.json"), "\(error)", fix: fix)
        }
    }

    private mutating func walk(_ path: FilePath, relative: String, depth: Int) throws {
        guard depth <= PackArtifact.maximumDepth else { return }
        for name in try path.entries() {
            guard files.count < PackArtifact.maximumEntries else { return }
            let here = path.appending(name)
            guard let status = try here.statusIfPresent(followingLinks: false) else { continue }
            if status.isDirectory {
                try walk(here, relative: "\(relative)\(name)/", depth: depth + 1)
            } else if status.isRegular {
                files.append(relative + name)
            } else {
                let sort = status.isSymbolicLink ? "a symbolic link" : "neither a file nor a folder"
                note(
                    .symbolicLink, place(relative + name), "\(relative + name) is \(sort), which pack refuses",
                    fix: status.isSymbolicLink ? "put a copy of the file there" : "remove it from the pack")
            }
        }
    }

    /// What `pack` itself would say, beyond what was found already.
    private mutating func plan() throws {
        guard metadata != nil else { return }
        do {
            _ = try PackArtifact.plan(folder)
        } catch PackFolderError.notAFile {
            return
        } catch let error as PackFolderError {
            note(.unpackable, place("pack.json"), "\(error)", fix: "without that pack refuses the pack")
        }
    }

    private mutating func readValues() throws {
        content = try PackFolder.content(of: folder)
        guard let text = try text(of: "values.yaml") else { return }
        // The list itself is no second place.
        let block = PackBlock.lines(in: TextLines(text))
        let search = ImageSearch(text, file: "values.yaml", origin: .values, skipping: block)
        found += search.found
        profileImages = search.macros
        notePiraeus(in: text, of: "values.yaml")
    }

    private mutating func search(_ path: String, _ origin: FoundImage.Origin) throws {
        guard files.contains(path), let text = try text(of: path) else { return }
        found += ImageSearch(text, file: path, origin: origin).found
        notePiraeus(in: text, of: path)
    }

    private mutating func notePiraeus(in text: String, of file: String) {
        guard piraeusUse == nil else { return }
        let lines = TextLines(text).lines
        let line = lines.firstIndex { line in
            line.drop { $0 == " " || $0 == "\t" }.first != "#"
                && ["linstor.csi.linbit.com", "linstor-lvm-storage"].contains { line.contains($0) }
        }
        piraeusUse = line.map { place(file, $0 + 1) }
    }

    /// `nil` for a file that is too large to be looked into.
    private func text(of path: String) throws -> String? {
        let file = try MediaFolder(folder).open(path)
        let size = try file.status().size
        guard size <= UInt64(PackInspection.maximumText) else { return nil }
        return String(decoding: try file.bytes(at: 0, length: Int(size)), as: UTF8.self)
    }

    private mutating func readChart(_ path: String) throws {
        do {
            let file = try MediaFolder(folder).open(path)
            let size = try file.status().size
            guard size <= UInt64(ChartArchive.maximumSize) else { throw ChartError.tooLarge }
            let buffer = Buffer(capacity: max(1, Int(size)))
            try file.read(into: buffer, at: 0, length: Int(size))
            let chart = try ChartArchive(buffer, file: path)
            found += chart.found
            for missing in chart.missingDependencies {
                note(
                    .chartDependencyMissing, place(path), "the chart lacks its dependency \(missing)",
                    fix: "run helm dependency build and package the chart again")
            }
            guard !chart.isChart else { return }
            note(
                .chartUnreadable, place(path), "\(path) has no Chart.yaml in its one folder",
                fix: "make it with helm package")
        } catch let error as ArchiveError {
            note(.chartUnreadable, place(path), "\(path): \(error)", fix: "put the chart's archive there again")
        } catch let error as ChartError {
            note(.chartUnreadable, place(path), "\(path): \(error)", fix: "put the chart's archive there again")
        }
    }
}
