// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct VerifyCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check every byte on the media; change nothing there.",
        discussion: """
            Checks signatures from the trusted root on, then the release, its index and lists, then each 1 MiB block of each \
            volume, on all media, to the end. Names the blocks that are damaged, what needs them, and what to do.

            Media may be given together or one after another: what was found good is remembered in the state folder, so \
            that a run that was stopped goes on, and the last one says whether the set is whole. --recheck begins anew.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused]))
            """)

    @OptionGroup var media: MediaOptions
    @Flag(help: "Believe no earlier run: read again what was found good before, on media at hand or not.") var recheck =
        false
    @Option(
        help: ArgumentHelp(
            "Write what is lacking here, for dray copy --blocks on the connected side. The result also has it as a line for "
                + "paper or a telephone.", valueName: "file"), completion: .file())
    var report: String?
    @Option(help: "Threads that read and hash, 1 to 64.") var jobs = 4
    @OptionGroup(title: "Drop folder") var drop: WatchOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    /// Checks what arrives in a drop folder; what was found good before is not read again.
    private func watch(_ progress: Progress) throws -> Outcome {
        guard report == nil, media.release == nil else {
            throw UsageError("--watch takes neither --report nor --release")
        }
        return Outcome(
            try drop.watch(media, output) { loose in
                do {
                    let site = media.state.site
                    var unverified = loose.arrived
                    unverified.decoders = try site.frameDecoders()
                    let bundle = try unverified.verified(by: site.pinnedRoots(), now: .now)
                    try site.keepRoots(of: bundle.metadata)
                    let found = try bundle.verification(
                        threads: jobs, memory: memory(of: bundle).memory, reportTo: nil, progress: progress)
                    return Watch.Handled(failure: found.failure, text: found.text, json: found.json)
                } catch {
                    return try Watch.Handled(stopping: error)
                }
            })
    }

    func perform(_ progress: Progress) throws -> Outcome {
        if drop.watch { return try watch(progress) }
        let bundle = try media.verified()
        let (memory, warning) = try memory(of: bundle)
        var found = try bundle.verification(
            threads: jobs, memory: memory, reportTo: report.map { FilePath($0) },
            media: { try media.unverified().media },
            progress: progress)
        if let warning { found.warnings.append(warning) }
        found.next = next(found.failure, found.next)
        return Outcome(found)
    }

    /// What was verified before; where the state can't be written or another run has it a warning instead, and everything is read.
    private func memory(of bundle: VerifiedBundle) throws -> (memory: VerifyMemory?, warning: String?) {
        do {
            return (try media.state.site.verifyMemory(of: bundle, forgetting: recheck), nil)
        } catch let error as FileError {
            return (nil, "nothing of this will be remembered: \(error)")
        } catch let error as VerifyBusy {
            return (nil, "everything is read and nothing of this will be remembered: \(error)")
        }
    }

    private func next(_ failure: Failure?, _ add: [String]) -> [String] {
        let blocks =
            "# or take the report, or its line, to the connected side: dray copy BUNDLE --to MEDIA --blocks REPORT"
        switch failure {
        case nil: return nextPlan(media)
        case .incomplete: return add + ["# media that come one by one may be given alone"]
        case .failed: return ["# look after the medium's connection, then the same command"]
        default:
            return ["# copy what is named again, then the same command", blocks] + add
        }
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
