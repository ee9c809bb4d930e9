// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
package import SystemPackage
package import Trust

/// A plan as a site makes it: nothing is sent, and of the state only roots are kept that the media bring.
package struct PlanRun: Sendable {
    package let state: SiteState
    /// Connections.
    package var jobs = 4
    /// Which tags that point elsewhere may be moved.
    package var replaceTags: [TagPattern] = []
    /// Bytes that the user says are free at the target.
    package var freeSpace: UInt64?
    /// From where a delta's left-out bytes may be taken.
    package var places = GivenPlaces()
    /// Releases, as `product-version`, that a person says the site has without a receipt of them.
    package var assumedReleases: [String] = []
    /// Why metadata is accepted that has expired; `nil`: it is refused.
    package var reason: String?
    /// Where the plan goes as a file, if it can be carried out.
    package var out: FilePath?
    /// What the clock says.
    package var now: @Sendable () -> UTCTime = { .now }
    /// The name and version of this tool.
    package var tool: String

    package init(state: SiteState, tool: String) { (self.state, self.tool) = (state, tool) }

    /// Verifies, asks, decides. `given`: what the next commands need. Throws what verification throws, `LoadError.otherProduct`,
    /// `.planPlace`, and `.nothingExpired` for a reason that isn't needed.
    package func run(
        _ unverified: UnverifiedBundle, to target: any LoadTarget, given: GivenArguments, progress: Progress
    ) throws -> Report {
        if let out, try out.exists() { throw LoadError.planPlace(out.printable) }
        let admission = Admission(state: state, now: now(), expiry: reason == nil ? .refuse : .report)
        let bundle = try admission.verified(unverified)
        guard reason == nil || !bundle.metadata.expired.isEmpty else { throw LoadError.nothingExpired }
        try state.keepRoots(of: bundle.metadata)
        let sources = try places.sources(for: bundle, target: target, state: state, now: now(), jobs: jobs)
        let media = try ComingMedia(bundle, at: target.address, state, Spools(), keeps: true)
        var load: Load
        do {
            load = try Load(media.bundle, to: target, state: state, sources: sources, jobs: jobs, progress: progress)
        } catch let fault as BundleError where fault.isAboutMedium && target.takesParts && media.wantsVolumes {
            return try report(media, fault, unverified, target, admission, given, progress)
        }
        load.media = media
        load.freeSpace = freeSpace
        let plan = try load.plan(replaceTags: replaceTags)
        var room = try state.room(at: target, saidToBeFree: freeSpace)
        load.freeSpace = room.free
        if try target.lack(for: plan, saidToBeFree: room.free) != nil { room.offers = try offers(at: target, progress) }
        load.room = room
        let evidence = try admission.check(bundle, unverified, for: target)
        let (fit, findings) = try state.fit(bundle.release, at: target, assumed: assumedReleases, progress)
        load.fit = fit
        var report = try plan.report(load, missing: try load.missingVolumes(plan), given: given)
        report.warnings += evidence.findings + findings
        report.warnings += [plan.sample.flatMap { target.anonymousPull(of: $0)?.warning(target.address) }]
            .compactMap(\.self)
        if let out { try write(plan, load, to: out, given, &report) }
        return report
    }

    /// The manifests are on a medium that is still to come.
    private func report(
        _ media: ComingMedia, _ fault: BundleError, _ unverified: UnverifiedBundle, _ target: any LoadTarget,
        _ admission: Admission, _ given: GivenArguments, _ progress: Progress
    ) throws -> Report {
        let evidence = try admission.check(media.here, unverified, for: target)
        let (fit, findings) = try state.fit(media.here.release, at: target, assumed: assumedReleases, progress)
        var report = try media.report(address: target.address, given)
        report.warnings += evidence.findings + findings + fit.warnings + (fault.isAbsence ? [] : ["\(fault)"])
        if let objection = fit.objection {
            report.warnings.append("\(objection)")
            report.failure = objection.failure
        }
        if let out { report.warnings.append("\(out.printable) was not written: what would be done isn't known yet") }
        return report
    }

    private func write(
        _ plan: LoadPlan, _ load: Load, to out: FilePath, _ given: GivenArguments, _ report: inout Report
    ) throws {
        // Volumes may come one after another, each load doing what the plan says as far as it can.
        guard try load.objections(to: plan).isEmpty else {
            report.warnings.append("\(out.printable) was not written: this plan can't be carried out")
            return
        }
        let policy = try state.policy()
        var document = PlanDocument(
            plan, load, reason: reason, PlanDocument.Allowances(replaceTags, load.target, assumedReleases),
            PlanDocument.Profile(policy))
        (document.time, document.tool) = (now().description, tool)
        try document.write(to: out)
        report.text += "\n" + [("written to", out.string)].aligned
        let isNeeded = reason != nil || policy.requireApproval
        report.next = [
            "# a second person, whose key this site knows, reads and signs it\(isNeeded ? "" : ", where that is wanted"):",
            "dray-import approve \(out.string.shellWord) --key KEY",
            "# and then:",
            "dray-import load \(given.media) \(given.target) --plan \(out.string.shellWord)"
                + (isNeeded ? " --require-approval" : ""),
        ]
    }
}

extension PlanDocument.Allowances {
    /// What the operator allows of a target.
    init(_ patterns: [TagPattern], _ target: any LoadTarget, _ assumed: [String]) {
        self.init(
            replaceTags: patterns.map(\.text), insecureSkipTLSVerify: target.skipsTLSVerify, assumedReleases: assumed)
    }
}

extension PlanDocument.Profile {
    /// What the site's policy demands.
    init(_ policy: SitePolicy) { self.init(fips: policy.fips, sandbox: policy.sandbox) }
}
