// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cage
package import Files
internal import OCI
package import SystemPackage
internal import Synchronization
package import Trust

/// A load as a site does it: under the state's lock, with a receipt at its end, whatever that is.
package struct LoadRun: Sendable {
    package let state: SiteState
    /// Connections.
    package var jobs = 4
    /// Which tags that point elsewhere may be moved.
    package var replaceTags: [TagPattern] = []
    /// Whether every blob is fetched and hashed at the end.
    package var isDeep = false
    /// Bytes that the user says are free at the target.
    package var freeSpace: UInt64?
    /// From where a delta's left-out bytes may be taken.
    package var places = GivenPlaces()
    /// Releases, as `product-version`, that a person says the site has without a receipt of them.
    package var assumedReleases: [String] = []
    /// Where a second copy of the receipt goes.
    package var receipt: FilePath?
    /// The plan that is carried out, and nothing else; its approval is beside it.
    package var plan: FilePath?
    /// Whether a second person must have signed the plan; the site's policy may ask for it all the same.
    package var requiresApproval = false
    /// The clock by which metadata expires and the receipt is dated.
    package var now: @Sendable () -> UTCTime = { .now }
    /// The name and version of this tool, for the receipt.
    package var tool: String
    /// Signs the receipt; must be given where the state has a site key.
    package var signer: SiteSigner?
    /// Who runs it, as they say; for the receipt.
    package var person: String?
    /// Whether blocks are kept for later media: not where the files stay, as in a drop folder.
    package var keepsSpool = true
    /// What several runs of one load use together.
    let spools = Spools()
    /// Where several loads send together; whoever gives it holds the state's lock and has begun the seat.
    package var seat: JointTransfer.Seat?

    package init(state: SiteState, tool: String) { (self.state, self.tool) = (state, tool) }

    /// What came of it.
    package struct Result: Sendable {
        package let receipt: Receipt
        /// Where the state keeps it.
        package let receiptFile: FilePath
        /// What is left to do.
        package let next: [String]
        /// What should be known beside: the load is done all the same.
        package let warnings: [String]
        /// What must come before the load is done; `nil` where it is. No tag was set then.
        package var wanted: MediaWanted?
    }

    /// Verifies, plans, loads, reads back. `given`: what the next commands need. Where volumes are wanted the result says so: all that
    /// could be done without them is done, and the same again with another medium goes on.
    ///
    /// Throws `LoadFailure` for everything after verification, when a receipt was written, and what verification throws; before
    /// that `LoadError.approvalNeeded`, `.expiredUnapproved` and `.noPlan`, and `ApprovalError`.
    package func run(
        _ unverified: UnverifiedBundle, to target: any LoadTarget, given arguments: GivenArguments, progress: Progress
    ) throws -> Result {
        let sandbox = try unverified.decoders.status()
        let lock = seat == nil ? try state.lock() : nil
        defer { withExtendedLifetime(lock) {} }
        try checkSigner()
        let given = try givenPlan()
        let admission = Admission(
            state: state, now: now(), expiry: given?.document.reason == nil ? .refuse : .report, healsState: true)
        try state.removeHalfWrittenUploads()
        let bundle = try admission.verified(unverified)
        try state.keepRoots(of: bundle.metadata)
        try state.removeOldSpools(butOf: bundle.releaseDigest, now: now())
        var receipt = Receipt(of: bundle, target: target, tool: tool)
        (receipt.started, receipt.sandbox) = (now().description, sandbox)
        receipt.note(target, person, try state.policy())
        receipt.note(given, bundle.metadata.expired)
        let outcome = Swift.Result {
            try load(bundle, target, progress, &receipt, given) { try admission.check(bundle, unverified, for: target) }
        }
        do {
            try target.remember(in: state)
        } catch {
            receipt.findings.append("what this load learned about the target could not be kept: \(error)")
        }
        receipt.finished = now().description
        switch outcome {
        case .success(let wanted?):
            receipt.note(wanted)
            return Result(
                receipt: receipt, receiptFile: try write(&receipt), next: wanted.next, warnings: [], wanted: wanted)
        case .success(nil):
            let file = try write(&receipt)
            try state.removeSpool(of: bundle.releaseDigest, for: target.address)
            return Result(
                receipt: receipt, receiptFile: file, next: bundle.stepsAfterLoad(target, arguments),
                warnings: keepEvidence(file, receipt, target))
        case .failure(let error):
            receipt.note(error)
            let total = progress.total.load(ordering: .relaxed)
            let left = total - min(total, progress.done.load(ordering: .relaxed))
            let free = (try? target.freeSpace()) ?? 0
            throw LoadFailure(error, bytesLeft: left - min(left, free), receipt: Swift.Result { try write(&receipt) })
        }
    }

    private func load(
        _ bundle: VerifiedBundle, _ target: any LoadTarget, _ progress: Progress, _ receipt: inout Receipt,
        _ given: GivenPlan?, admit: () throws -> TargetEvidence
    ) throws -> MediaWanted? {
        let sources = try places.sources(for: bundle, target: target, state: state, now: now(), jobs: jobs)
        let media = try ComingMedia(bundle, at: target.address, state, spools, keeps: keepsSpool)
        var load: Load
        do {
            load = try Load(media.bundle, to: target, state: state, sources: sources, jobs: jobs, progress: progress)
        } catch let fault as BundleError where fault.isAboutMedium && target.takesParts && media.wantsVolumes {
            return try keep(media, fault, target, &receipt, progress, admit: admit)
        }
        load.media = media
        (load.isDeep, load.isHeldToPlan, load.seat) = (isDeep, given != nil, seat)
        load.freeSpace = try target.capacity == nil ? freeSpace : state.room(at: target, saidToBeFree: freeSpace).free
        var before = target.traffic
        defer {
            receipt.counts = load.tally.counts
            let traffic = target.traffic
            receipt.done = Receipt.Effort(
                requests: Int64(traffic.requests - before.requests), bytes: traffic.bytesSent - before.bytesSent)
            receipt.verifiedObjects = Int64(receipt.counts.pushed.blobs + load.content.manifests.count)
            let manifests = load.content.manifests.values.reduce(UInt64(0)) { $0 + UInt64($1.bytes.count) }
            receipt.verifiedBytes = receipt.counts.pushed.bytes + manifests
        }
        receipt.packs = load.content.packImages
        receipt.findings += load.content.packWarnings
        receipt.objects = try load.receiptObjects()
        let allowed = replaceTags.isEmpty ? given?.patterns ?? [] : replaceTags
        let plan = try load.plan(replaceTags: allowed)
        let evidence = try admit()
        let assumed = assumedReleases.isEmpty ? given?.document.allowances.assumedReleases ?? [] : assumedReleases
        let (fit, unread) = try state.fit(bundle.release, at: target, assumed: assumed, progress)
        (load.fit, receipt.assumedReleases) = (fit, assumed)
        receipt.findings += evidence.findings + unread + fit.warnings + load.deltaFindings(plan)
        try given?.check(
            PlanDocument(
                plan, load, PlanDocument.Allowances(allowed, target, assumed), PlanDocument.Profile(try state.policy())),
            at: bundle.metadata.time)
        before = target.traffic
        receipt.planned = Receipt.Effort(requests: plan.requests(load.content), bytes: plan.bytesOfRequests)
        let carriedOut = Swift.Result {
            try load.carryOut(plan) {
                try begin(bundle, target, evidence)
                receipt.isAccepted = true
            }
        }
        receipt.objects = try load.receiptObjects()
        receipt.findings += load.tally.counts.findings + (sources?.usage ?? [])
        if let wanted = try carriedOut.get() { return wanted }
        let counts = load.tally.counts
        receipt.nothingToDo =
            plan.isEmpty && counts.pushed.blobs == 0 && counts.manifestsSent == 0 && counts.readBack.repaired == 0
        return nil
    }

    /// The manifests are on a medium that is still to come: nothing is sent, and what this one has for the release is kept, unless
    /// something forbids the load in any case.
    private func keep(
        _ media: ComingMedia, _ fault: BundleError, _ target: any LoadTarget, _ receipt: inout Receipt,
        _ progress: Progress, admit: () throws -> TargetEvidence
    ) throws -> MediaWanted {
        let evidence = try admit()
        let (fit, unread) = try state.fit(media.here.release, at: target, assumed: assumedReleases, progress)
        receipt.findings += evidence.findings + unread + fit.warnings
        if let objection = fit.objection { throw objection }
        return try media.keepUnsorted(fault, progress)
    }

    /// The plan that the command was given, with its approval. Throws `LoadError.approvalNeeded` where there is none and one is
    /// needed.
    private func givenPlan() throws -> GivenPlan? {
        let needsApproval = try requiresApproval || state.policy().requireApproval
        guard let plan else {
            guard !needsApproval else { throw LoadError.approvalNeeded }
            return nil
        }
        let given = try GivenPlan(at: plan, state, person: person, needsApproval: needsApproval)
        // Two people can only be told apart where both have names.
        guard person != nil || given.approval == nil else { throw LoadError.operatorNeeded }
        return given
    }

    /// Right before the first byte goes: the release counts as accepted, and the target is bound to its product.
    private func begin(_ bundle: VerifiedBundle, _ target: any LoadTarget, _ evidence: TargetEvidence) throws {
        try state.accept(bundle.metadata)
        let known = try state.binding(of: target.address)
        let kept = known.products.isEmpty ? evidence.binding : known
        try state.bind(target.address, to: kept.union(ProductBinding([bundle.release.product])))
    }

    private func write(_ receipt: inout Receipt) throws -> FilePath {
        receipt.previous = try state.lastReceipt()?.hex
        let file = try receipt.write(in: state, signedBy: signer)
        // What stands in the receipt is safe now.
        let recorded = Set(receipt.counts.tags.map { Place($0.repository, $0.tag) })
        let moves = try state.notedMoves(of: receipt.target)
        try state.setNotedMoves(moves.filter { !recorded.contains($0.place) }, of: receipt.target)
        if let copy = self.receipt { try copy.replaceContents(with: file.contents(limit: DSSEEnvelope.maximumSize)) }
        return file
    }
}

extension Receipt {
    /// What is known before anything is sent.
    init(of bundle: VerifiedBundle, target: any LoadTarget, tool: String) {
        self.init()
        (product, version) = (bundle.release.product, bundle.release.version)
        (edition, facts) = (bundle.release.edition, ReceiptFacts(bundle.release))
        release = bundle.metadata.targets.content.files["release.json"]?.sha256.lowercaseHex ?? ""
        root = bundle.metadata.fingerprint?.hex ?? ""
        rootVersion = bundle.metadata.root.root.header.version
        timestampVersion = bundle.metadata.timestamp.content.header.version
        snapshotVersion = bundle.metadata.snapshot.content.header.version
        targetsVersion = bundle.metadata.targets.content.header.version
        let keys = bundle.metadata.root.root[.targets]
        (threshold, keyCount) = (Int64(keys.threshold), Int64(keys.keys.count))
        left = Delivery(bundle.release, at: target.address).files.map { LeftPart(name: $0.name, way: $0.way.rawValue) }
        signers = Array(Set(bundle.metadata.targets.signers + [bundle.sumsSigner]).map(\.hex)).sorted()
        (self.target, skippedTLSVerify) = (target.address, target.skipsTLSVerify)
        self.tool = tool
        findings = bundle.findings.map(\.description)
    }

    /// Who allowed the load, and what had expired.
    mutating func note(_ given: GivenPlan?, _ expired: [ExpiredFile]) {
        approval = given?.approval
        guard let reason = given?.document.reason, !expired.isEmpty else { return }
        expiredAccepted = ReceiptExpiry(reason: reason, files: expired.map { "\($0.file) at \($0.expires)" })
    }

    /// The load did what it could without these media.
    mutating func note(_ wanted: MediaWanted) {
        (outcome, exitCode) = ("\(wanted.failure)", Int64(wanted.failure.rawValue))
        message = wanted.message
    }

    package mutating func note(_ error: any Error) {
        let failure = (error as? any ClassifiedError)?.failure ?? .failed
        (outcome, exitCode, message) = ("\(failure)", Int64(failure.rawValue), "\(error)")
    }
}

/// A load that failed after verification, with what tells about it.
package struct LoadFailure: ClassifiedError {
    package let cause: any Error
    /// Where the receipt is, or why there is none.
    package let receipt: Result<FilePath, any Error>

    private let bytesLeft: UInt64

    init(_ cause: any Error, bytesLeft: UInt64, receipt: Result<FilePath, any Error>) {
        (self.cause, self.bytesLeft, self.receipt) = (cause, bytesLeft, receipt)
    }

    package var failure: Failure { (cause as? any ClassifiedError)?.failure ?? .failed }
    /// Registries don't say how much they lack, and a write knows its own bytes alone: what is still to be sent.
    package var missingBytes: UInt64? {
        guard failure == .noSpace else { return nil }
        return (cause as? LoadError)?.missingBytes ?? bytesLeft
    }

    package var description: String {
        switch receipt {
        case .success(let file): "\(reason)\nreceipt: \(file)"
        case .failure(let error): "\(reason)\nno receipt could be written: \(error)"
        }
    }

    /// Why the load failed, without the line about the receipt.
    package var reason: String {
        guard let missingBytes, !(cause is LoadError) else { return "\(cause)" }
        return "\(cause); for all that is still to be sent, \(missingBytes) bytes are missing"
    }
}
