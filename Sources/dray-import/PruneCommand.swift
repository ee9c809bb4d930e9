// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct PruneCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Take away what only older releases brought into a registry.",
        discussion: """
            Counts appliance releases by the receipts of loads, and keeps the newest ones of each product, all that they need, \
            their fixes, packs that no newer packs replace, what --in-use lists, and everything that no load brought. Without \
            --apply it prints what would go and changes nothing. Manifests are deleted by digest; their bytes go with the \
            registry's own collection, and it says when; an image layout's at once. A signed record is kept beside the \
            receipts. Stopped anywhere, the same command goes on. Without --in-use, --apply asks, or refuses (14) where there \
            is no terminal.

            \(exitCodeHelp([.notTrusted, .damaged, .refused, .registryRefused]))
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var state: StateOptions
    @Option(help: "How many appliance releases of each product stay, at least 1.") var keep = 2
    @Option(
        help: ArgumentHelp(
            "Images that clusters run, one on a line, as kubectl lists them: none of them goes.", valueName: "file"),
        completion: .file())
    var inUse: String?
    @Flag(help: "Go on although nobody says which images clusters run.") var withoutInUse = false
    @Flag(help: "Carry it out.") var apply = false
    @OptionGroup var person: PersonOptions
    @OptionGroup(title: "Site key") var siteKey: SiteKeyOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...1000).contains(keep) else { throw ValidationError("--keep takes 1 to 1000") }
        guard inUse == nil || !withoutInUse else { throw ValidationError("give one of --in-use and --without-in-use") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let place = try target.target(state.site)
        var run = PruneRun(state: state.site, tool: "dray-import \(toolVersion)")
        (run.keep, run.jobs, run.person) = (keep, target.jobs, person.operator)
        if let inUse {
            try inUse.mustExist(as: "the list of images in use")
            run.inUse = try InUse(at: FilePath(inUse))
        }
        guard apply else { return Outcome(try run.show(place, again: again.shellLine, progress: progress)) }
        run.signer = try siteKey.signer(of: state.site)
        let isSafe = inUse != nil || withoutInUse
        guard isSafe || (StandardInput.isTerminal && output.output == .text) else { throw PruneError.inUseUnknown }
        return Outcome(
            try run.apply(place, progress: progress) { report in
                guard !isSafe else { return }
                let question =
                    "Nobody says which images clusters run. Remove all the same what may be in use? Type yes:"
                guard StandardInput.isConfirmed("\(report.text)\n\(question)") else { throw PruneError.notConfirmed }
            })
    }

    private var again: [String] {
        ["dray-import", "prune"] + target.words + state.words + ["--keep", "\(keep)"]
            + (inUse.map { ["--in-use", $0] } ?? []) + (withoutInUse ? ["--without-in-use"] : []) + siteKey.words
            + ["--apply"]
    }
}
