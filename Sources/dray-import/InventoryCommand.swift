// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import SystemPackage
import Trust

struct InventoryCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "Write down what the site's registry has, for the people who pack the releases.",
        discussion: """
            Lists repositories below the target's base path, their tags, and every manifest with the digests and sizes of \
            what it names, as JSON lines. Asks for lists and manifests only and changes nothing. The file holds no \
            credentials and no content; it appears under its name when it is whole. A site key (site init) signs it: the \
            signature is beside it, as NAME.sig.json. What the site keeps in dray/site is left out.

            \(exitCodeHelp([.registryRefused, .noSpace]))
            """)

    @OptionGroup var target: TargetOptions
    @Option(
        help: ArgumentHelp("Where the inventory goes; a file of that name is replaced.", valueName: "file"),
        completion: .file())
    var out: String
    @OptionGroup var state: StateOptions
    @OptionGroup(title: "Site key") var siteKey: SiteKeyOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        guard !out.isEmpty else { throw UsageError("--out needs a file's name") }
        let target = try target.target(state.site)
        var inventory = Inventory(of: target, tool: "dray-import \(toolVersion)")
        inventory.jobs = self.target.jobs
        let signer = try siteKey.signer(of: state.site)
        var report = try inventory.write(to: FilePath(out), now: .now, progress: progress)
        if let signer {
            let file = try Inventory.sign(FilePath(out), by: signer, at: .now)
            report.text.appendRow("signature", file.string)
            report.next = [
                "# carry both files, \(out.shellWord) and its signature, to the people who pack the releases"
            ]
        } else {
            report.warnings.append(
                "the inventory is not signed, and nothing proves it: dray-import site init makes the key")
        }
        return Outcome(report)
    }
}
