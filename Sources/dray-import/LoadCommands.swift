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
            Asks the target for the release's tags and manifests only. Ends with the code that load would end with. Where volumes \
            are missing (3) it says what can be done now, which are wanted in which order, and what is kept here meanwhile. With \
            --out the plan goes into a file as well, for a second person to sign (dray-import approve); load --plan then does \
            that and nothing else. A release that needs others is refused (14) where no receipt tells that the site has them. \
            What has expired is refused (11) unless --accept-expired and --reason say why it is needed all the same, and such a \
            plan must be signed. For a delta it says what would be read from where, and refuses (3) with the list of what is \
            nowhere at hand.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .registryRefused, .noSpace]))
            """)

    @OptionGroup var media: MediaOptions
    @OptionGroup var target: TargetOptions
    @OptionGroup var leave: LeaveOptions
    @OptionGroup var healing: HealingOptions
    @OptionGroup(title: "Delta") var places: PlacesOptions
    @Option(
        help: ArgumentHelp("Write the plan here too, where no file is yet.", valueName: "file"), completion: .file())
    var out: String?
    @Flag(help: "Plan although the metadata has expired; needs --reason and --out.") var acceptExpired = false
    @Option(help: ArgumentHelp("Why it is needed all the same; plan and receipt say it.", valueName: "text"))
    var reason: String?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard acceptExpired == (reason != nil), !acceptExpired || out != nil else {
            throw ValidationError("--accept-expired, --reason and --out belong together")
        }
        guard reason.map(PlanDocument.isReason) ?? true else {
            throw ValidationError("--reason takes a text of up to \(PlanDocument.longestReason) bytes")
        }
        guard out != "" else { throw ValidationError("--out needs a file's name") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let several = try target.each()
        guard several.count == 1 else {
            guard out == nil else { throw UsageError("--out is for one target: what is approved names it") }
            return try Outcome(
                SeveralReports(
                    several.map { single in
                        var command = self
                        command.target = single
                        let address = try single.address(media.state.site)
                        return try SeveralReports.Part(
                            address, Result { try command.report(progress) }.keepingInterrupted())
                    }
                ).report)
        }
        return Outcome(try report(progress))
    }

    private func report(_ progress: Progress) throws -> Report {
        let target = try target.target(media.state.site)
        var run = PlanRun(state: media.state.site, tool: "dray-import \(toolVersion)")
        (run.jobs, run.replaceTags) = (self.target.jobs, leave.patterns)
        run.assumedReleases = leave.assumeRelease
        (run.freeSpace, run.reason, run.out) = (leave.freeSpace?.bytes, reason, out.map { FilePath($0) })
        let given = GivenArguments(
            media: media.words + healing.words + places.words, target: self.target.words, state: media.state.words,
            leave: leave.words)
        let unverified = try media.unverified(repair: healing.repair)
        run.places = try places.given(media)
        return try media.sayingHowToTrust { [run] in
            try run.run(unverified, to: target, given: given, progress: progress)
        }
    }
}

/// What the user allows and knows of the target.
struct LeaveOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Move tags that exist with other content and match repository:tag; * stands for any characters. May be repeated. "
                + "The receipt records what they were.", valueName: "pattern"))
    var replaceTags: [String] = []

    @Option(
        help: ArgumentHelp(
            "What is free at the registry, which can't be asked: 80G. A load that needs more is refused.",
            valueName: "size"))
    var freeSpace: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Take it that the site has this release although no receipt says so, as it was installed from an ISO or loaded "
                + "without Dray: product-version. May be repeated. The receipt records it.", valueName: "release"))
    var assumeRelease: [String] = []

    func validate() throws {
        guard assumeRelease.allSatisfy({ $0.wholeMatch(of: /[a-z0-9-]+-[A-Za-z0-9][A-Za-z0-9._+-]*/) != nil }) else {
            throw ValidationError("--assume-release takes a release by its name: palette-enterprise-4.7.15")
        }
    }

    var patterns: [TagPattern] { replaceTags.map { TagPattern($0) } }
    /// The options again, for the next command; patterns are added by the plan.
    var words: [String] {
        (freeSpace.map { ["--free-space", "\($0.bytes)"] } ?? []) + assumeRelease.flatMap { ["--assume-release", $0] }
    }
}

/// How much of the target is read back.
enum ReadBackDepth: String, ExpressibleByArgument {
    case head, deep
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
            bundle definitions. Then asks for everything and compares. Stopped anywhere, the same command goes on. Media may come \
            one at a time, in any order: a load that lacks volumes does what it can, sets no tag, and ends with 3 and what is wanted \
            next; the same command with the next medium goes on. With --watch the media are drop folders: each bundle that arrives \
            there is loaded as far as it has come. A tag \
            that exists with other content is refused (14) unless --replace-tags or the signed release allows it. A receipt is \
            written whatever the end. Files that are delivered as files are not loaded: see extract. With --plan only what that \
            file says is done, with what it allows; anything that differs is refused (14).

            \(exitCodeHelp(
                [.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .registryRefused, .noSpace]))
            """)

    @OptionGroup var media: MediaOptions
    @OptionGroup var target: TargetOptions
    @OptionGroup var leave: LeaveOptions
    @OptionGroup var healing: HealingOptions
    @OptionGroup(title: "Delta") var places: PlacesOptions
    @Option(help: "head asks for every blob and its size at the end; deep fetches and hashes every blob.")
    var readBack = ReadBackDepth.head
    @Option(help: ArgumentHelp("Write the receipt here too.", valueName: "file"), completion: .file())
    var receipt: String?
    @Option(
        help: ArgumentHelp(
            "Do what this plan says and nothing else (see plan --out); its approval is FILE.approval.json.",
            valueName: "file"),
        completion: .file())
    var plan: String?
    @Flag(help: "Refuse unless an approver of this site has signed the plan.") var requireApproval = false
    @OptionGroup(title: "Drop folder") var drop: WatchOptions
    @OptionGroup var person: PersonOptions
    @OptionGroup(title: "Site key") var siteKey: SiteKeyOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        if drop.watch { return try watch(progress) }
        if let plan { try plan.mustExist(as: "the plan") }
        let several = try target.each()
        if several.count > 1 { return try load(into: several, progress) }
        let target = try target.target(media.state.site)
        let (run, unverified) = (try run(), try media.unverified(repair: healing.repair))
        let given = given(self.target)
        let result = try media.sayingHowToTrust {
            try run.run(unverified, to: target, given: given, progress: progress)
        }
        return Outcome(try report(result))
    }

    /// Loads what arrives in a drop folder.
    private func watch(_ progress: Progress) throws -> Outcome {
        guard target.to.count == 1, plan == nil, receipt == nil, media.release == nil, !requireApproval else {
            throw UsageError("--watch takes one --to, and neither --plan, --receipt, --require-approval nor --release")
        }
        let (run, target) = (try run(places: GivenPlaces()), try target.target(media.state.site))
        let decoders = try media.state.site.frameDecoders()
        let report = try drop.watch(media, output) { bundle in
            try run.handle(
                bundle, to: target, decoders: decoders, given: given(self.target), progress: progress)
        }
        return Outcome(report)
    }

    private func given(_ target: TargetOptions) -> GivenArguments {
        GivenArguments(
            media: media.words + healing.words + places.words, target: target.words, state: media.state.words)
    }

    private func load(into targets: [TargetOptions], _ progress: Progress) throws -> Outcome {
        guard plan == nil, receipt == nil else {
            throw UsageError("--plan and --receipt are for one target: give the command again for each")
        }
        let parts = try targets.map {
            SeveralLoads.Part(try $0.target(media.state.site), given: given($0))
        }
        let (run, unverified) = (try run(), try media.unverified(repair: healing.repair))
        let endings = try SeveralLoads(run).run(unverified, parts, progress: progress)
        return Outcome(
            SeveralReports(
                try endings.map { ending in
                    SeveralReports.Part(
                        ending.address,
                        try ending.result.flatMap { result in
                            Result { try report(result) }
                        }.keepingInterrupted())
                }
            ).report)
    }

    private func run(places: GivenPlaces? = nil) throws -> LoadRun {
        var run = LoadRun(state: media.state.site, tool: "dray-import \(toolVersion)")
        (run.jobs, run.replaceTags) = (self.target.jobs, leave.patterns)
        run.assumedReleases = leave.assumeRelease
        (run.isDeep, run.freeSpace) = (readBack == .deep, leave.freeSpace?.bytes)
        run.receipt = receipt.map { FilePath($0) }
        (run.signer, run.person) = (try siteKey.signer(of: media.state.site), person.operator)
        (run.plan, run.requiresApproval) = (plan.map { FilePath($0) }, requireApproval)
        run.places = try places ?? self.places.given(media)
        return run
    }

    private func report(_ result: LoadRun.Result) throws -> Report {
        let kept = try media.state.site.keptReceipt(result.receiptFile)
        var report = result.receipt.report(
            file: result.receiptFile, proof: kept.proof, keyNames: try media.state.site.receiptKeyNames())
        report.warnings += result.warnings + [kept.proof.warning(kept.file)].compactMap(\.self)
        if let wanted = result.wanted { report = wanted.added(to: report) }
        if let receipt { report.text += "\ncopied to: \(receipt)" }
        let show = ["dray-import", "receipt", "show", result.receiptFile.string] + media.state.words
        report.next = [show.shellLine] + result.next
        return report
    }
}

extension Result where Failure == any Error {
    /// The same, unless the user has stopped it: that ends everything. Throws `Interrupted`.
    fileprivate func keepingInterrupted() throws -> Self {
        if case .failure(let error) = self, (error as? any ClassifiedError)?.failure == .interrupted,
            !(error is LoadFailure)
        {
            throw error
        }
        return self
    }
}
