// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import OCI
internal import RegistryClient
internal import SystemPackage
package import Trust

/// A prune as a site does it: under the state's lock and the target's, with a record at its end, whatever that is.
package struct PruneRun: Sendable {
    package let state: SiteState
    /// How many appliance releases of each product stay, at least 1.
    package var keep = 2
    /// What clusters run; `nil`: nobody says.
    package var inUse: InUse?
    /// Connections.
    package var jobs = 4
    /// The clock by which the record is dated.
    package var now: @Sendable () -> UTCTime = { .now }
    /// The name and version of this tool, for the record.
    package var tool: String
    /// Signs the record; must be given where the state has a site key.
    package var signer: SiteSigner?
    /// Who runs it, as they say; for the record.
    package var person: String?

    package init(state: SiteState, tool: String) { (self.state, self.tool) = (state, tool) }

    /// Asks and decides; changes nothing. `again`: the command that carries it out, quoted.
    package func show(_ target: any LoadTarget, again: String, progress: Progress) throws -> Report {
        let (prune, faults) = try prune(target, progress)
        var report = prune.report(nil, again: again)
        report.warnings += faults
        return report
    }

    /// What would go. Also what copies of receipts in the target can't be read.
    func prune(_ target: any LoadTarget, _ progress: Progress) throws -> (prune: Prune, faults: [String]) {
        let site = try state.releases(in: target, progress)
        let prune = try Prune(
            Retention(site, keep: keep), inUse: inUse, former: state.stagingTags(of: target.address, in: .former),
            at: target, jobs: jobs, progress: progress)
        return (prune, site.faults)
    }

    /// Carries it out. `confirm` is asked with what would be done, before the first step.
    ///
    /// Throws `PruneError`, `SiteError.keyNotOpened`, and what stopped it, after the record was written. The same again goes on.
    package func apply(
        _ target: any LoadTarget, progress: Progress, confirm: (Report) throws -> Void = { _ in }
    ) throws -> Report {
        guard try !state.policy().requireApproval else { throw PruneError.oneAlone }
        if signer == nil, try state.siteKey() != nil { throw SiteError.keyNotOpened(state.sitePublicKeyFile) }
        let lock = try state.lock()
        defer { withExtendedLifetime(lock) {} }
        let (prune, faults) = try prune(target, progress)
        let earlier = try state.notedPrune(of: target.address)
        guard !prune.retention.gone.isEmpty else {
            var report = prune.report(nil, again: "")
            report.warnings += faults
            return report
        }
        try confirm(prune.report(nil, again: ""))
        let targetLock = try target.open()
        defer { withExtendedLifetime(targetLock) {} }
        try state.note(prune.noted.adding(earlier), of: target.address)
        return try carryOut(prune, earlier, faults, target, progress)
    }

    private func carryOut(
        _ prune: Prune, _ earlier: NotedPrune?, _ faults: [String], _ target: any LoadTarget, _ progress: Progress
    ) throws -> Report {
        let (ending, swept) = prune.carryOut(progress)
        let own = Set(prune.noted.steps)
        let before = (earlier?.steps ?? []).filter { !own.contains($0) }
        var done = Prune.Done(left: ending.left, earlier: before, isWhole: false)
        if case .success(let bytes) = swept { (done.swept, done.isWhole) = (bytes, !ending.leavesContent) }
        var report = prune.report(done, again: "")
        let isWhole = done.isWhole
        let releases = prune.retention.gone.map { PruneRecord.Gone($0) }
        let file = try record(report, target, gone: isWhole ? releases : [], begun: isWhole ? [] : releases)
        try state.note(nil, of: target.address)
        try forgetFormers(prune, target)
        report.warnings += faults + keepEvidence(file, in: target)
        report.text += "\n" + [("record", file.string)].aligned
        try stopping(ending)
        _ = try swept.get()
        return report
    }

    /// Throws what stopped it, with a hint where a registry deletes nothing.
    private func stopping(_ ending: RegistrySteps.Ending) throws {
        do {
            _ = try ending.finished()
        } catch let error as RegistryError {
            guard case .refused = error else { throw error }
            throw PruneError.deletesNothing("\(error)")
        }
    }

    private func record(
        _ report: Report, _ target: any LoadTarget, gone: [PruneRecord.Gone], begun: [PruneRecord.Gone]
    ) throws -> FilePath {
        var origin = ReceiptOrigin.here(person: person)
        origin.account = target.account
        let record = PruneRecord(
            report.json, at: target.address, gone: gone, begun: begun, time: now(), tool: tool, origin: origin,
            previous: try state.lastReceipt()?.hex)
        return try record.write(in: state, signedBy: signer)
    }

    /// Tags of ours that went with it.
    private func forgetFormers(_ prune: Prune, _ target: any LoadTarget) throws {
        let removed = Set(
            prune.steps.compactMap { step -> Place? in
                guard case .removeTag(let place, _) = step else { return nil }
                return place
            })
        let known = try state.stagingTags(of: target.address, in: .former)
        guard known.contains(where: removed.contains) else { return }
        try state.setStagingTags(known.filter { !removed.contains($0) }, of: target.address, in: .former)
    }

    private func keepEvidence(_ file: FilePath, in target: any LoadTarget) -> [String] {
        SiteArtifact.warnings(of: "prune") {
            _ = try SiteArtifact.keep(file, in: target, state, product: nil, fingerprint: nil)
        }
    }
}

extension NotedPrune {
    /// With what an earlier run has noted too.
    fileprivate func adding(_ earlier: NotedPrune?) -> NotedPrune {
        guard let earlier else { return self }
        let known = Set(steps)
        var all = self
        all.steps += earlier.steps.filter { !known.contains($0) }
        all.releases += earlier.releases.filter { !releases.contains($0) }
        return all
    }
}

/// Why nothing was, or no more can be, taken away.
package enum PruneError: Error, Equatable {
    /// The site's policy leaves nothing to one person alone.
    case oneAlone
    /// Nobody says what clusters run.
    case inUseUnknown
    /// The person said no.
    case notConfirmed
    /// The registry's words.
    case deletesNothing(String)
}

extension PruneError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .oneAlone, .inUseUnknown, .notConfirmed: .refused
        case .deletesNothing: .registryRefused
        }
    }

    package var description: String {
        switch self {
        case .oneAlone:
            "this site's policy (requireApproval) leaves nothing to one person alone, and there is no plan of a prune that a second "
                + "person could sign; nothing was removed. Without --apply it lists what may go: the registry's administrator "
                + "removes that"
        case .inUseUnknown:
            "nobody says which images clusters run, so what runs could be removed; nothing was. Give the list with --in-use FILE "
                + "(kubectl get pods -A -o jsonpath='{..image}' on every cluster that uses this registry), or say --without-in-use"
        case .notConfirmed: "not confirmed, nothing was removed"
        case .deletesNothing(let why):
            "the registry deletes no manifests (\(why)); its administrator allows it (docker-registry: storage.delete.enabled), then "
                + "the same command again"
        }
    }
}
