// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import OCI
import PaletteSources
import SystemPackage

struct PacksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "packs", abstract: "Look at pack folders before they are packed.",
        subcommands: [LintPacks.self, ListPackImages.self])
}

/// Which packs a command looks at.
struct PackFolderOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp("Pack folders, or folders with pack folders directly below.", valueName: "dir"),
        completion: .directory)
    var folders: [String]

    var paths: [FilePath] { folders.map { FilePath($0) } }
}

struct LintPacks: Command {
    static let configuration = CommandConfiguration(
        commandName: "lint",
        abstract: "Say what in packs would break at a site without a network; change nothing.",
        discussion: """
            Takes all packs given as one set, in which dependencies are looked for. docs/pack-lint.md describes each rule, and \
            what the search for images beside the list looks at.

            \(exitCodeHelp([.refused], meaning: [.refused: "an error was found; with --strict also a warning"]))
            """)

    @OptionGroup var packs: PackFolderOptions

    @Option(help: ArgumentHelp("Only this rule; repeat for more.", valueName: "rule"))
    var rule: [String] = []

    @Option(help: ArgumentHelp("Leave this rule out; repeat for more.", valueName: "rule"))
    var ignore: [String] = []

    @Flag(help: "Let warnings count as errors do.")
    var strict = false

    @Option(help: "The appliance's storage; with piraeus its operator must be among the packs.")
    var csi: Storage?

    @OptionGroup var output: OutputOptions

    enum Storage: String, ExpressibleByArgument, CaseIterable { case piraeus }

    func validate() throws { _ = try (rules(rule), rules(ignore)) }

    private func rules(_ names: [String]) throws -> Set<LintRule> {
        Set(
            try names.map { name in
                guard let rule = LintRule(rawValue: name) else {
                    let hint = LintRule.closest(to: name).map { "; did you mean \($0)?" } ?? ""
                    throw ValidationError("there is no rule \"\(name)\"\(hint) (docs/pack-lint.md lists them)")
                }
                return rule
            })
    }

    func perform(_ progress: Progress) throws -> Outcome {
        var options = LintOptions()
        (options.rules, options.ignored) = (try rules(rule), try rules(ignore))
        options.needsPiraeus = csi == .piraeus
        let lint = try PackLint(checking: packs.paths, options)
        let isRefused = lint.count(.error) > 0 || strict && lint.count(.warning) > 0
        return Outcome(
            text: LintText(lint).text, data: LintData(lint),
            next: isRefused ? [] : ["# packs: in the manifest packs them"],
            failure: isRefused ? .refused : nil)
    }
}

/// Findings grouped by pack, for people.
private struct LintText {
    let text: String

    init(_ lint: PackLint) {
        var lines: [String] = []
        for pack in lint.packs where !pack.findings.isEmpty {
            lines.append("\(pack.name)  (\(pack.folder))".oneLine)
            for finding in pack.findings {
                let line = finding.place.line.map { ":\($0)" } ?? ""
                lines.append(
                    "  \(finding.severity.rawValue)  \(finding.rule.rawValue)  \(finding.place.file.oneLine)\(line)")
                lines += ["    \(finding.message)", "    -> \(finding.fix)"]
            }
            lines.append("")
        }
        let clean = lint.packs.filter(\.findings.isEmpty)
        if !clean.isEmpty { lines += ["nothing found: " + clean.map(\.name.oneLine).joined(separator: ", "), ""] }
        lines.append(LintText.summary(lint))
        text = lines.joined(separator: "\n")
    }

    private static func summary(_ lint: PackLint) -> String {
        let counts = LintSeverity.allCases.map { severity in
            let count = lint.count(severity)
            return "\(count) \(severity.rawValue)\(count == 1 ? "" : "s")"
        }
        let count = lint.packs.count
        return "\(count) pack\(count == 1 ? "" : "s"): \(counts.joined(separator: ", "))"
    }
}

private struct LintData: Encodable {
    struct Finding: Encodable {
        let rule: String
        let severity: LintSeverity
        let pack: String
        let folder: String
        let file: String
        let line: Int?
        let message: String
        let fix: String
    }

    struct Pack: Encodable {
        let pack: String
        let folder: String
    }

    let packs: [Pack]
    let findings: [Finding]
    let errors: Int
    let warnings: Int
    let notes: Int

    init(_ lint: PackLint) {
        packs = lint.packs.map { Pack(pack: $0.name, folder: $0.folder.string) }
        findings = lint.packs.flatMap(\.findings).map { finding in
            Finding(
                rule: finding.rule.rawValue, severity: finding.severity, pack: finding.pack,
                folder: finding.place.folder.string, file: finding.place.file, line: finding.place.line,
                message: finding.message, fix: finding.fix)
        }
        (errors, warnings, notes) = (lint.count(.error), lint.count(.warning), lint.count(.note))
    }
}

struct ListPackImages: Command {
    static let configuration = CommandConfiguration(
        commandName: "images",
        abstract: "Print the images and charts that packs ask for: what dray mirror --from-packs fetches.",
        discussion: """
            Each image once, as the packs' values.yaml writes it. What can't be known (templates, packs without a list) is said \
            as a warning. Text has one reference a line, then the charts; JSON says which packs ask, and where.

            \(exitCodeHelp([]))
            """)

    @OptionGroup var packs: PackFolderOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let requests = try PackRequests(reading: packs.paths)
        let images = requests.distinctImages
        let charts = requests.charts.filter { !$0.isInFolder }.map { chart in
            "chart \(chart.repository ?? "-") \(chart.name) \(chart.version ?? "-")"
        }
        let warnings =
            requests.unknown.map { "\($0.place): pack \($0.pack): \($0.text)" }
            + requests.packsWithoutList.map { "pack \($0) has no image list; dray packs lint searches it" }
        return Outcome(
            text: (images.map(\.reference.description) + charts).joined(separator: "\n"), data: ImagesData(requests),
            warnings: warnings)
    }
}

private struct ImagesData: Encodable {
    struct Asker: Encodable {
        let pack: String
        let place: String
    }

    struct Image: Encodable {
        let reference: String
        let askedBy: [Asker]
    }

    struct Chart: Encodable {
        let repository: String?
        let name: String
        let version: String?
        let inFolder: Bool
        let pack: String
        let place: String
    }

    struct Unknown: Encodable {
        let pack: String
        let place: String
        let text: String
    }

    let packs: [String]
    let images: [Image]
    let charts: [Chart]
    let unknown: [Unknown]
    let packsWithoutList: [String]

    init(_ requests: PackRequests) {
        (packs, packsWithoutList) = (requests.packs, requests.packsWithoutList)
        images = requests.distinctImages.map { image in
            Image(
                reference: image.reference.description,
                askedBy: image.askedBy.map { Asker(pack: $0.pack, place: $0.place.description) })
        }
        charts = requests.charts.map { chart in
            Chart(
                repository: chart.repository, name: chart.name, version: chart.version, inFolder: chart.isInFolder,
                pack: chart.pack, place: chart.place.description)
        }
        unknown = requests.unknown.map { Unknown(pack: $0.pack, place: $0.place.description, text: $0.text) }
    }
}
