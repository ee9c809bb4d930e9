// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cage
package import Files
internal import FoundationEssentials
package import OCI
internal import RegistryClient
internal import Synchronization
internal import Trust

/// One load of a verified bundle into a target: ask, plan, send, tag, read back. Whatever stops it, what was sent stays,
/// and the same again goes on from there.
package struct Load: Sendable {
    let bundle: VerifiedBundle
    let target: any LoadTarget
    /// Where staging tags are written down; `nil`: nowhere.
    let state: SiteState?
    /// Where a delta's left-out bytes are found; `nil` for a full bundle.
    let sources: SiteSources?
    package let content: RegistryContent
    package let tally = LoadTally()
    let jobs: Int
    let progress: Progress
    /// Whether the read-back fetches and hashes every blob.
    package var isDeep = false
    /// Bytes that the user says are free at the target.
    package var freeSpace: UInt64?
    /// Whether it fits; `nil` where nobody has looked.
    var room: Room?
    /// The release beside what the target has by receipts; `nil` where nobody has looked.
    package var fit: SiteFit?
    /// Whether no tag may be set that has moved since the plan was made, whatever else allows moves.
    package var isHeldToPlan = false
    /// Where several loads of the release send together.
    package var seat: JointTransfer.Seat?
    /// What is kept between runs where the media come one at a time; `nil`: they must be here together.
    package var media: ComingMedia?
    /// What this run leaves for another medium; `nil` where all volumes are at hand.
    var partial: PartialLoad?
    private let began = ContinuousClock.now

    /// Reads the release's manifests. Throws what reading the media can throw, `CageError` before where frames can't be
    /// decoded, and `LoadError.absentContent`.
    package init(
        _ bundle: VerifiedBundle, to target: any LoadTarget, state: SiteState? = nil, sources: SiteSources? = nil,
        jobs: Int, progress: Progress
    ) throws {
        (self.bundle, self.target, self.state, self.jobs) = (bundle, target, state, jobs)
        self.sources = sources
        self.progress = progress
        _ = try bundle.decoders.status()
        content = try RegistryContent(bundle, externals: sources?.source()).mapped(for: target)
    }

    /// The SHA-256 of `release.json`.
    package var release: Digest { bundle.releaseDigest }

    /// Volumes that the plan needs and no medium holds.
    package func missingVolumes(_ plan: LoadPlan) throws -> [String] {
        try bundle.missingVolumes(for: plan.neededDigests).map(\.name)
    }

    /// Why the plan can't be carried out, the gravest first; empty where it can.
    package func objections(to plan: LoadPlan) throws -> [LoadError] {
        let missing = try comingMedia(plan) == nil ? missingVolumes(plan) : []
        let lack = try target.lack(for: plan, saidToBeFree: freeSpace)
        let found: [LoadError?] = [
            fit?.objection, plan.otherBuilds.isEmpty ? nil : .otherBuilds(plan.otherBuilds),
            plan.refusals.isEmpty ? nil : .tagsWouldMove(plan.refusals),
            plan.refusedTypes.isEmpty ? nil : .typesRefused(plan.refusedTypes, target.address),
            plan.traits.denied.isEmpty ? nil : .notAllowed(plan.traits.denied, target.address),
            missing.isEmpty ? nil : .missingVolumes(missing), plan.needs?.lack, lack,
            try comingMedia(plan).flatMap { try $0.lack($0.needs(of: plan, content)) },
        ]
        return found.compactMap(\.self)
    }

    /// What is kept between runs, where this plan lacks volumes and the target can be loaded in parts.
    func comingMedia(_ plan: LoadPlan) throws -> ComingMedia? {
        guard let media, target.takesParts, try media.isPartial(plan) else { return nil }
        return media
    }

    /// How long sending will take at the speed that was measured in earlier loads, in seconds; `nil` where none was.
    func expectedSeconds(_ plan: LoadPlan) -> Double? {
        target.traffic.bytesPerSecond.map { Double(plan.bytesToSend) / ($0 * Double(jobs)) }
    }

    /// Carries the plan out. Throws before anything is sent where there is an objection; `begin` is called when there is none,
    /// before the first byte goes. Where volumes are wanted it does what can be done without them, sets no tag, and returns what is
    /// wanted next.
    @discardableResult
    package func carryOut(_ plan: LoadPlan, begin: () throws -> Void = {}) throws -> MediaWanted? {
        if let objection = try objections(to: plan).first { throw objection }
        let lock = try target.open()
        defer { withExtendedLifetime(lock) {} }
        try begin()
        var load = self
        load.partial = try comingMedia(plan).map { PartialLoad($0, plan, content) }
        return try load.carryOut(plan)
    }

    private func carryOut(_ plan: LoadPlan) throws -> MediaWanted? {
        try partial?.begin(self, plan)
        try state?.note(unfinishedLoad: true, of: target.address)
        progress.total.wrappingAdd(plan.bytesToSend, ordering: .relaxed)
        tally.note { $0.manifestsPresent = plan.presentManifests.count }
        do {
            if let seat { try seat.joint.transfer(self, plan, seat) } else { try transfer(plan) }
        } catch let error as RegistryError where error.saysNoRepository && !plan.newRepositories.isEmpty {
            throw LoadError.repositoriesMissing(
                plan.newRepositories.map { target.basePath.isEmpty ? $0 : "\(target.basePath)/\($0)" }, target.address,
                "\(error)")
        }
        if let wanted = try partial?.wanted(progress) { return wanted }
        try listReferrers(tally.counts.unlisted)
        try setTags(plan)
        try removeStagingTags()
        try readBack(plan)
        try removeFormers(plan)
        try state?.note(unfinishedLoad: false, of: target.address)
        return nil
    }

    /// Sends blobs and manifests, one reference after another as far as threads allow.
    private func transfer(_ plan: LoadPlan) throws {
        let steps = TransferSteps(plan, content, wholeGroups: partial != nil)
        let holding = Holding(plan, self)
        try holding?.begin(plan)
        let lanes = LaneTools(steps.graph.count == 0 ? 0 : jobs) {
            try Sender(self, leavesProof: plan.traits.computesDigests)
        }
        try steps.graph.run(width: jobs) { lane, number in
            try Interruption.check()
            try carryOut(steps.steps[number], of: plan, holding, lanes.tool(of: lane))
        }
        try partial?.finish(self, plan, holding)
    }

    /// Sends one thing. `share`: where its bytes come from, if several loads send it side by side.
    func carryOut(
        _ step: TransferSteps.Step, of plan: LoadPlan, _ holding: Holding?, _ sender: Sender,
        _ share: ReadingShare? = nil
    ) throws {
        switch step {
        case .blob(let blob, let group):
            if let partial, try partial.leaves(blob, in: group, of: self, sender) { return }
            try holding?.begins(blob, group: group, sender)
            do {
                let isShared = try partial?.isReadable(blob, self) ?? true
                try sender.send(blob, for: plan.groups[group].name, isShared ? share : nil)
            } catch let error as BundleError where error.isAboutMedium {
                guard let partial else { throw error }
                return try partial.note(error, blob, in: group, of: self)
            }
            try holding?.finished(blob, group: group, sender)
            try partial?.media.sent.add(blob)
        case .manifest(let step, let group):
            if let partial, partial.leaves(step, in: group) { return }
            try put(step, group, of: plan, holding, sender)
        }
    }

    func put(
        _ step: LoadPlan.ManifestStep, _ group: Int, of plan: LoadPlan, _ holding: Holding?, _ sender: Sender
    ) throws {
        try sender.put(step.descriptor, in: step.repository, tag: step.stagingTag)
        partial?.put(step)
        if step.isHeld { holding?.named(Set(plan.groups[group].blobs.map(\.digest)), in: step.repository) }
    }

    /// Lists manifests under their subjects, where the target doesn't do it by itself; one writer for each subject.
    func listReferrers(_ referrers: [Referrer]) throws {
        let subjects = Dictionary(grouping: referrers) { Place($0.repository, $0.subject) }
        try spread(Array(subjects.values), width: jobs, target.session) { session, referrers in
            for referrer in Set(referrers) {
                guard let manifest = content.manifests[referrer.descriptor.digest] else { continue }
                try session.list(manifest, referrer.descriptor, about: referrer.subject, in: referrer.repository)
            }
        }
    }

    /// The last step, and a short one: images, then packs, then what describes them. Asks for each tag that changes once more
    /// before it is written, as hours may have passed since the plan.
    private func setTags(_ plan: LoadPlan) throws {
        progress.label = "setting tags"
        let tags = try stepsNow(plan)
        try state?.keep(content.packBuilds, of: target.address)
        try state?.note(tags.compactMap(\.move), of: target.address)
        try keepFormers(tags, plan)
        let moves = Dictionary(try state?.notedMoves(of: target.address).map { ($0.place, $0) } ?? []) { $1 }
        for rank in Set(tags.map { ReleaseReference.rank(of: $0.kind) }).sorted() {
            try Interruption.check()
            let steps = tags.filter { ReleaseReference.rank(of: $0.kind) == rank }
            let changes = steps.filter { $0.action != .equal }
            try set(changes, plan)
            tally.note { counts in
                counts.tags += steps.map { LoadTally.TagRecord($0, moves[Place($0.repository, $0.tag)]) }
                counts.note(plan, changes)
            }
        }
    }

    /// A pack's manifest comes with its tag, perhaps after its blobs were collected: those are asked for where much time has
    /// passed, since Zot doesn't look at every type, and sent again, once, where the registry says so.
    private func set(_ tags: [LoadPlan.TagStep], _ plan: LoadPlan) throws {
        let assignments = tags.compactMap(assignment)
        let sent = Set(plan.groups.compactMap { group in group.withTag?.digest })
        let withManifests = tags.filter { sent.contains($0.descriptor.digest) }
        if !withManifests.isEmpty, isLate(plan) { try sendReferences(of: withManifests) }
        do {
            try target.setTags(assignments, width: jobs)
        } catch let error as RegistryError where error.mayLackReferences && !withManifests.isEmpty {
            try sendReferences(of: withManifests)
            try target.setTags(assignments, width: jobs)
        }
    }

    private func sendReferences(of tags: [LoadPlan.TagStep]) throws {
        try spread(tags, width: jobs, { try Sender(self) }) { sender, tag in
            try sender.sendReferences(of: tag.descriptor, in: tag.repository)
        }
    }

    /// Whether the target may have collected something since the load began.
    func isLate(_ plan: LoadPlan) -> Bool {
        plan.traits.collectsAfter.map { (ContinuousClock.now - began) / .seconds(1) > $0 / 2 } ?? false
    }

    /// The plan's tags with where they point now. Throws where one has moved that may not.
    private func stepsNow(_ plan: LoadPlan) throws -> [LoadPlan.TagStep] {
        let answers = Mutex(TargetAnswers())
        answers.withLock { ($0.traits, $0.builds) = (plan.traits, plan.builds) }
        try spread(plan.tags, width: jobs, target.session) { session, step in
            let place = Place(step.repository, step.tag)
            var now = step.before
            if step.action != .equal {
                let digest = try session.manifestDigest(place)
                if digest != now?.digest { now = digest.map { TargetAnswers.Tagged($0) } }
            }
            answers.withLock { [now] in $0.tags[place] = now }
        }
        let found = answers.withLock { $0 }
        let steps = content.items.compactMap { LoadPlan.TagStep($0, content, found, plan.replaced) }
        let moved = steps.compactMap(\.refusal)
        guard moved.isEmpty else { throw LoadError.tagsWouldMove(moved.sorted { $0.name < $1.name }) }
        if isHeldToPlan { try checkUnmoved(steps, plan) }
        return steps
    }

    /// What people have approved names what each tag was: another hand's change since is nothing that they have seen.
    private func checkUnmoved(_ steps: [LoadPlan.TagStep], _ plan: LoadPlan) throws {
        let planned = Dictionary(plan.tags.map { (Place($0.repository, $0.tag), $0.before?.digest) }) { $1 }
        let moved = steps.filter { step in
            let before = step.before?.digest
            return before != step.descriptor.digest && before != planned[Place(step.repository, step.tag)] ?? nil
        }
        guard moved.isEmpty else {
            throw LoadError.tagMovedSincePlan(moved.map { "\($0.repository):\($0.tag)" }.sorted())
        }
    }

    func assignment(_ step: LoadPlan.TagStep) -> TagAssignment? {
        content.manifests[step.descriptor.digest].map {
            TagAssignment(
                repository: step.repository, tag: step.tag, manifest: $0, descriptor: step.descriptor,
                retypes: step.retypes)
        }
    }

    /// Removes the staging tags of this load and of earlier ones that were stopped. One that stays is noted, no error: the
    /// next load tries again.
    private func removeStagingTags() throws {
        guard let state else { return }
        let tags = try state.stagingTags(of: target.address)
        guard !tags.isEmpty else { return }
        let left = Mutex<[Place]>([])
        try spread(tags, width: jobs, target.session) { session, tag in
            do {
                try session.remove(tag)
            } catch let error as RegistryError where error.kind != .cancelled {
                left.withLock { $0.append(tag) }
            }
        }
        let rest = left.withLock { $0 }
        try state.setStagingTags(rest, of: target.address)
        tally.note { $0.stagingLeft = rest.map(\.description).sorted() }
    }
}

extension LoadTally.Counts {
    /// Manifests that came with their tags.
    fileprivate mutating func note(_ plan: LoadPlan, _ tags: [LoadPlan.TagStep]) {
        let places = Set(tags.map { Place($0.repository, $0.descriptor.digest) })
        for place in places where !added.contains(place) && !plan.presentManifests.contains(place) {
            addManifest(place)
        }
    }
}

extension LoadTally.TagRecord {
    /// `move`: what a stopped load noted about the tag before it moved it.
    init(_ step: LoadPlan.TagStep, _ move: SiteState.NotedMove?) {
        let wanted = step.descriptor.digest.description
        let isMoved = step.action == .equal && move?.digest == wanted
        self.init(
            repository: step.repository, tag: step.tag, digest: wanted,
            before: isMoved ? move?.before : step.before?.digest.description,
            action: isMoved ? LoadPlan.TagAction.move.rawValue : step.action.rawValue)
    }
}

extension LoadPlan.TagStep {
    /// What undoing must know, before it is done.
    fileprivate var move: SiteState.NotedMove? {
        guard action == .move, let before else { return nil }
        return SiteState.NotedMove(
            place: Place(repository, tag), before: before.digest.description, digest: descriptor.digest.description)
    }
}

/// What each thread works with, made when the thread first needs it.
private final class LaneTools<Tool>: @unchecked Sendable {
    // One slot for each lane, used by that lane alone.
    private let tools: [Slot]
    private let make: () throws -> Tool

    private final class Slot { var tool: Tool? }

    init(_ count: Int, make: @escaping () throws -> Tool) {
        tools = (0..<count).map { _ in Slot() }
        self.make = make
    }

    func tool(of lane: Int) throws -> Tool {
        if let tool = tools[lane].tool { return tool }
        let tool = try make()
        tools[lane].tool = tool
        return tool
    }
}
