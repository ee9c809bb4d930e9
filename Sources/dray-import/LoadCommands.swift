// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct PlanCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say what load would send and which tags it would set; change nothing.",
        discussion: """
            Asks the target for the release's tags and manifests only. Ends with the code that load would refuse with.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .registryRefused, .noSpace]))
            """)

    @OptionGroup var media: MediaOptions
    @OptionGroup var target: TargetOptions
    @Flag(help: "Plan to move tags that exist with other content.") var replaceTags = false
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let target = try target.target()
        let bundle = try media.verified()
        let load = try Load(bundle, to: target, jobs: self.target.jobs, progress: progress)
        let plan = try load.plan(replaceTags: replaceTags)
        let given = GivenArguments(media: media.words, target: self.target.words)
        return Outcome(try plan.report(bundle, target: target, missing: try load.missingVolumes(plan), given: given))
    }
}

extension LoadFailure: ReceiptedError {
    package var receiptFile: String? { try? receipt.get().string }
}

struct LoadCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Load a release into a registry or an OCI layout folder.",
        discussion: """
            Verifies, then sends what the target hasn't: blobs, manifests, and at the end the tags: images, then packs, then \
            bundle definitions. Then asks for everything and compares. Stopped anywhere, the same command goes on. A tag \
            that exists with other content is refused (14) unless --replace-tags or the release allows it. A receipt is \
            written whatever the end. Files that are delivered as files are not loaded: see extract.

            \(exitCodeHelp(
                [.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .registryRefused, .noSpace]))
            """)

    @OptionGroup var media: MediaOptions
    @OptionGroup var target: TargetOptions
    @Flag(help: "Move tags that exist with other content; the receipt records what they were.")
    var replaceTags = false
    @Option(help: ArgumentHelp("Write the receipt here too.", valueName: "file"), completion: .file())
    var receipt: String?
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let target = try target.target()
        var run = LoadRun(state: media.state.site, tool: "dray-import \(toolVersion)")
        (run.jobs, run.replaceTags) = (self.target.jobs, replaceTags)
        run.receipt = receipt.map { FilePath($0) }
        let given = GivenArguments(media: media.words, target: self.target.words)
        let unverified = try media.unverified()
        let result = try media.sayingHowToTrust { [run] in
            try run.run(unverified, to: target, given: given, progress: progress)
        }
        var report = result.receipt.report(file: result.receiptFile)
        report.next = ["dray-import receipt show \(result.receiptFile.string.shellWord)"] + result.next
        return Outcome(report)
    }
}
