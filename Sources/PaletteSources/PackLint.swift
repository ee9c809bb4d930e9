// SPDX-License-Identifier: Apache-2.0

internal import Palette
package import SystemPackage

/// Which findings are wanted.
package struct LintOptions: Sendable {
    /// Only these; empty for all.
    package var rules: Set<LintRule> = []
    package var ignored: Set<LintRule> = []
    /// Whether the packs are for an appliance whose storage is Piraeus.
    package var needsPiraeus = false

    package init() {}

    func wants(_ rule: LintRule) -> Bool { (rules.isEmpty || rules.contains(rule)) && !ignored.contains(rule) }
}

/// What would break at a site without a network, of a set of packs. docs/pack-lint.md describes the rules.
package struct PackLint: Sendable {
    /// In the order of the packs: its name, its folder, and what was found, the gravest first.
    package struct Pack: Sendable, Equatable {
        package let name: String
        package let folder: FilePath
        package let findings: [LintFinding]
    }

    package let packs: [Pack]

    /// Looks at pack folders, and at those directly below folders that are none. Throws `PackFolderError.noPacks`, and
    /// `FileError`.
    package init(checking paths: [FilePath], _ options: LintOptions = LintOptions()) throws {
        var seen: Set<FilePath> = []
        let folders = try paths.flatMap { try PackFolder.all(at: $0) }
            .filter { seen.insert($0.lexicallyNormalized()).inserted }
        self.init(try folders.map { try PackInspection(reading: $0) }, options)
    }

    /// Judges what was read.
    init(_ inspections: [PackInspection], _ options: LintOptions = LintOptions()) {
        let ofSet = PackSet(inspections).findings(needsPiraeus: options.needsPiraeus)
        packs = inspections.map { pack in
            let all = pack.findings + pack.ownFindings + ofSet.filter { $0.place.folder == pack.folder }
            let wanted = all.filter { options.wants($0.rule) }
            return Pack(name: pack.name, folder: pack.folder, findings: wanted.sorted(by: PackLint.isBefore))
        }
    }

    private static func isBefore(_ left: LintFinding, _ right: LintFinding) -> Bool {
        if left.severity != right.severity { return left.severity < right.severity }
        return left.place == right.place ? left.rule.rawValue < right.rule.rawValue : left.place < right.place
    }

    /// How many findings there are of a severity.
    package func count(_ severity: LintSeverity) -> Int {
        packs.reduce(0) { $0 + $1.findings.count { $0.severity == severity } }
    }
}

extension PackInspection {
    /// What can be said of the pack alone.
    var ownFindings: [LintFinding] {
        metadataFindings + listFindings + imageFindings + folderFindings
    }

    private func finding(
        _ rule: LintRule, _ place: PackPlace, _ message: String, fix: String
    ) -> LintFinding {
        LintFinding(rule, pack: name, at: place, message, fix: fix)
    }

    private static let layers: Set<String> = ["kernel", "os", "k8s", "cni", "csi", "addon"]

    private var metadataFindings: [LintFinding] {
        guard let metadata else { return [] }
        var findings: [LintFinding] = []
        if let details, !details.hasDisplayName {
            findings.append(
                finding(
                    .metadataIncomplete, place("pack.json"), "displayName is missing", fix: "add it: Palette shows it"))
        }
        if !PackInspection.layers.contains(metadata.layer) {
            findings.append(
                finding(
                    .metadataIncomplete, metadataPlace(of: metadata.layer, after: "layer"),
                    "the layer \"\(metadata.layer)\" is none that Palette knows",
                    fix: "use one of \(PackInspection.layers.sorted().joined(separator: ", "))"))
        }
        if metadata.version.hasPrefix("v") {
            findings.append(
                finding(
                    .versionPrefix, metadataPlace(of: metadata.version, after: "version"),
                    "the version \(metadata.version) begins with v, which the vendor's rules forbid",
                    fix: "write \(metadata.version.dropFirst())"))
        }
        let expected = "\(metadata.name)-\(metadata.version)"
        if let own = folder.lastComponent?.string, own != expected {
            findings.append(
                finding(
                    .folderName, place("pack.json"), "the folder is called \(own), the pack \(expected)",
                    fix: "nothing is needed: pack goes by pack.json; rename the folder where people go by its name"))
        }
        if let state = details?.systemState, state != "enabled", !state.isEmpty {
            findings.append(
                finding(
                    .deprecated, metadataPlace(of: state), "the pack is \(state) (system_state)",
                    fix: "take the version that replaces it"))
        }
        return findings
    }

    private var folderFindings: [LintFinding] {
        var findings: [LintFinding] = []
        let top = Set(files.filter { !$0.contains("/") }.map { $0.lowercased() })
        if !top.contains("logo.png") {
            findings.append(
                finding(.logoMissing, place("logo.png"), "there is no logo.png, which is mandatory", fix: "add one"))
        }
        if !top.contains("readme.md") {
            findings.append(
                finding(.readmeMissing, place("README.md"), "there is no README.md", fix: "add one: Palette shows it"))
        }
        let stray = files.filter { path in
            path.split(separator: "/").contains {
                [".git", ".DS_Store", "__MACOSX", "Thumbs.db", ".idea"].contains($0)
            }
        }
        if let first = stray.first {
            let more = stray.count == 1 ? "" : " and \(stray.count - 1) more"
            findings.append(
                finding(
                    .strayFiles, place(first), "\(first)\(more) would be packed with the pack",
                    fix: "remove what is no part of it"))
        }
        return findings + chartFindings + manifestFindings
    }

    private var chartFindings: [LintFinding] {
        let listed = details?.charts ?? []
        var findings = listed.filter { !files.contains($0) }.map { path in
            finding(
                .chartMissing, metadataPlace(of: path), "pack.json lists \(path), which is not there",
                fix: "put the archive there (helm package), or correct the list")
        }
        if !listed.isEmpty {
            let unlisted = files.filter { PackInspection.isChartArchive($0) && !listed.contains($0) }
            findings += unlisted.map { path in
                finding(
                    .chartUnlisted, place(path), "pack.json doesn't list \(path), so it isn't deployed",
                    fix: "list it under charts, or remove it")
            }
        }
        for chart in content?.charts ?? [] {
            let name = "charts/\(chart.name)-\(chart.version ?? "").tgz"
            guard !files.contains(name) else { continue }
            findings.append(
                finding(
                    .chartNotInFolder, place("values.yaml", chart.line),
                    "pack.content.charts names \(chart.name) \(chart.version ?? "without a version"), and the folder has no \(name)",
                    fix: "correct the version, or mirror the chart and make it known at the site"))
        }
        return findings
    }

    private var manifestFindings: [LintFinding] {
        (details?.kubeManifests ?? []).filter { !files.contains($0) }.map { path in
            finding(
                .manifestMissing, metadataPlace(of: path), "pack.json lists \(path), which is not there",
                fix: "put the file there, or correct the list")
        }
    }
}
