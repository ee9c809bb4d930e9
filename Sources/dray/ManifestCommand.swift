// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import PaletteSources
import SystemPackage

struct ManifestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manifest", abstract: "Write a release's manifest.", subcommands: [InitManifest.self])
}

struct InitManifest: Command {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a manifest from a folder of downloads.",
        discussion: """
            Tells ISOs, content bundles, packs, Third Party packs, _partNN sets, keys, pack folders and OCI layouts apart by \
            their names, looks for each signature beside its file, and says what doesn't go together. What names don't tell is \
            asked for in the manifest, in lines that begin with "# ?". Looks into the folder and the folders directly below \
            it; reads no archive. Never overwrites a file.

            \(exitCodeHelp([.refused, .noSpace], meaning: [.refused: "the manifest is there already"]))
            """)

    @Argument(help: ArgumentHelp("The folder of downloads.", valueName: "downloads"), completion: .directory)
    var downloads: String

    @Option(
        help: ArgumentHelp(
            "The manifest to write; left out: release.yaml in the folder of downloads.", valueName: "file"),
        completion: .file())
    var out: String?

    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let folder = FilePath(downloads)
        let file = out.map { FilePath($0) } ?? folder.appending("release.yaml")
        let draft = ManifestDraft(try Downloads(in: folder, except: file))
        let text = draft.text(prefix: try InitManifest.prefix(from: file, to: folder))
        do {
            try file.createContents(Array(text.utf8))
        } catch {
            guard error.errno == .fileExists else { throw error }
            throw ManifestThere(file: file)
        }
        let next =
            draft.isComplete
            ? ["dray pack \(file.word) --trust TRUST --dry-run"]
            : [
                "# answer the lines of \(file) that begin with \"# ?\"",
                "dray pack \(file.word) --trust TRUST --dry-run",
            ]
        return Outcome(
            text: "\(file) written" + (draft.isComplete ? "" : "; it has questions that you must answer"),
            data: DraftData(draft, file), warnings: draft.warnings,
            next: ["# put your product's trust folder for TRUST:"] + next)
    }

    /// What leads from the manifest's folder to the downloads.
    private static func prefix(from file: FilePath, to folder: FilePath) throws -> String {
        let (base, target) = (try file.absolute().removingLastComponent(), try folder.absolute())
        guard target != base else { return "" }
        var relative = target
        return (relative.removePrefix(base) ? relative.string : target.string) + "/"
    }
}

/// Something stands where the manifest would go.
private struct ManifestThere: ClassifiedError {
    let file: FilePath
    var failure: Failure { .refused }
    var description: String {
        "\(file) is there already and is never overwritten; name another file with --out, or move it away"
    }
}

private struct DraftData: Encodable {
    let file: String
    let complete: Bool
    let product: String?
    let version: String?
    let edition: String?

    init(_ draft: ManifestDraft, _ file: FilePath) {
        (self.file, complete) = (file.string, draft.isComplete)
        (product, version, edition) = (draft.product, draft.version, draft.editionName)
    }
}
