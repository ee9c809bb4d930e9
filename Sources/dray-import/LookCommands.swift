// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing

struct VerifyCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check every byte on the media; change nothing.",
        discussion: """
            Checks signatures from the trusted root on, then the release, its index and lists, then each 1 MiB block of each \
            volume. Names the blocks that are damaged and what they are needed for.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused]))
            """)

    @OptionGroup var media: MediaOptions
    @Option(help: "Threads that read and hash, 1 to 64.") var jobs = 4
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let bundle = try media.verified()
        var report = try bundle.verification(threads: jobs, progress: progress)
        let missing = bundle.missingVolumes.map(\.name)
        switch report.failure {
        case nil: report.next = nextPlan(media)
        case .incomplete: report.next = [VerifiedBundle.addMedia(missing)]
        default:
            report.next = ["# copy what is named again, then the same command"]
            if !missing.isEmpty { report.next.append(VerifiedBundle.addMedia(missing)) }
        }
        return Outcome(report)
    }
}

struct InspectCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what a bundle is: release, signers, volumes, sizes.",
        discussion: "Checks signatures first; reads no volume.\n\n"
            + exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused]))

    @OptionGroup var media: MediaOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        var report = try media.verified().inspection
        report.next = ["dray-import verify \(media.shown)"]
        return Outcome(report)
    }
}

struct ListCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what a bundle delivers, and with --to what the site has of it, side by side.",
        discussion: """
            Checks signatures first; without --to it reads no volume. With --to each reference is the same on both, on the media \
            only, or other at the site; --all adds what the site alone has. Asks for tags and manifests, and changes nothing.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .registryRefused]))
            """)

    @OptionGroup var media: MediaOptions
    @Option(help: ArgumentHelp("Compare with this target, as plan takes it.", valueName: "target")) var to: String?
    @Flag(help: "Also name what is the same, and what the site alone has; needs --to.") var all = false
    @OptionGroup var connection: ConnectionOptions
    @Option(help: ArgumentHelp("As for plan.", valueName: "src=dst")) var map: [String] = []
    @Option(help: "Connections to the target, 1 to 64.") var jobs = 4
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard to != nil || (!all && map.isEmpty && connection.words.isEmpty) else {
            throw ValidationError("these options are about a target: give it with --to")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        if let to { return try compared(with: to, progress) }
        var report = try media.verified().listing
        report.next = nextPlan(media)
        return Outcome(report)
    }

    private func compared(with address: String, _ progress: Progress) throws -> Outcome {
        let words = ["--to", address] + connection.words + map.flatMap { ["--map", $0] } + ["--jobs", "\(jobs)"]
        let options = try TargetOptions.parse(words)
        let target = try options.target(media.state.site)
        let comparison = try SiteComparison(try media.verified(), at: target, all: all, jobs: jobs, progress: progress)
        var report = comparison.report
        report.next = ["dray-import plan \(media.shown) \(options.words.shellLine)"]
        return Outcome(report)
    }
}

/// The plan of a load; where to is not known yet.
private func nextPlan(_ media: MediaOptions) -> [String] {
    [
        "# put the registry's address for TARGET, for example https://host:30003/spectro-content:",
        "dray-import plan \(media.shown) --to TARGET",
    ]
}
