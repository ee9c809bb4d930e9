// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import FoundationEssentials
internal import OCI
internal import RegistryClient
internal import Synchronization

/// One load of a verified bundle into a target: ask, plan, send, tag, read back. Whatever stops it, what was sent stays,
/// and the same again goes on from there.
package struct Load: Sendable {
    let bundle: VerifiedBundle
    let target: any LoadTarget
    package let content: RegistryContent
    package let tally = LoadTally()
    let jobs: Int
    let progress: Progress

    /// Reads the release's manifests. Throws what reading the media can throw, and `LoadError.absentContent`.
    package init(_ bundle: VerifiedBundle, to target: any LoadTarget, jobs: Int, progress: Progress) throws {
        (self.bundle, self.target, self.jobs, self.progress) = (bundle, target, jobs, progress)
        content = try RegistryContent(bundle)
    }

    /// Asks the target for the release's tags and manifests, and decides; changes nothing there.
    package func plan(replaceTags: Bool) throws -> LoadPlan {
        progress.label = "asking \(target.address)"
        let session = try target.session()
        try session.ping()
        let tags = content.items.compactMap { item in
            item.reference.tag.map { Place(item.reference.repository, $0) }
        }
        let manifests = Set(
            content.items.flatMap { item in item.manifests.map { Place(item.reference.repository, $0.digest) } })
        let answers = Mutex(TargetAnswers())
        let target = target
        try spread(tags, width: jobs, target.session) { session, place in
            guard let digest = try session.manifestDigest(place) else { return }
            answers.withLock { $0.tags[place] = digest }
        }
        try spread(Array(manifests), width: jobs, target.session) { session, place in
            guard let digest = try session.manifestDigest(place) else { return }
            guard digest.description == place.reference else {
                throw LoadError.otherBytes(place.description, expected: try Digest(parsing: place.reference))
            }
            answers.withLock { _ = $0.manifests.insert(place) }
        }
        return LoadPlan(content, answers.withLock { $0 }, replaceTags: replaceTags)
    }

    /// Volumes that the plan needs and no medium holds.
    package func missingVolumes(_ plan: LoadPlan) throws -> [String] {
        try bundle.missingVolumes(for: plan.neededDigests).map(\.name)
    }

    /// Carries the plan out. Throws before anything is sent where tags would move or volumes are missing; `begin` is called
    /// when neither is so, before the first byte goes.
    package func carryOut(_ plan: LoadPlan, begin: () throws -> Void = {}) throws {
        guard plan.refusals.isEmpty else { throw LoadError.tagsWouldMove(plan.refusals) }
        let missing = try missingVolumes(plan)
        guard missing.isEmpty else { throw LoadError.missingVolumes(missing) }
        let lock = try target.open()
        defer { withExtendedLifetime(lock) {} }
        if let lack = try target.lack(for: plan) { throw lack }
        try begin()
        progress.total.store(plan.bytesToSend, ordering: .relaxed)
        tally.note { $0.manifestsPresent = plan.presentManifests }
        try transfer(plan)
        try setTags(plan)
        try readBack()
    }

    /// Sends blobs and manifests, one reference after another as far as threads allow.
    private func transfer(_ plan: LoadPlan) throws {
        let steps = TransferSteps(plan, content)
        let lanes = LaneTools(steps.graph.count == 0 ? 0 : jobs) { try Sender(self) }
        try steps.graph.run(width: jobs) { lane, number in
            try Interruption.check()
            let sender = try lanes.tool(of: lane)
            switch steps.steps[number] {
            case .blob(let blob, let name): try sender.send(blob, for: name)
            case .manifest(let step): try sender.put(step.descriptor, in: step.repository)
            }
        }
    }

    /// The last step, and a short one: images, then packs, then what describes them. Asks for each tag once more before
    /// it is written, as hours may have passed since the plan.
    private func setTags(_ plan: LoadPlan) throws {
        progress.label = "setting tags"
        let tags = try stepsNow(plan)
        let untagged = content.items.filter { $0.reference.tag == nil }
        try target.setTags(
            untagged.compactMap { assignment($0.reference.repository, nil, $0.reference.descriptor) }, width: jobs)
        for rank in Set(content.items.map(\.reference.rank)).sorted() {
            try Interruption.check()
            let steps = tags.filter { ReleaseReference.rank(of: $0.kind) == rank }
            let changes = steps.filter { $0.action != .equal }
            try target.setTags(changes.compactMap { assignment($0.repository, $0.tag, $0.descriptor) }, width: jobs)
            tally.note { $0.tags += steps.map(LoadTally.TagRecord.init) }
        }
    }

    /// The plan's tags with where they point now. Throws where one has moved that may not.
    private func stepsNow(_ plan: LoadPlan) throws -> [LoadPlan.TagStep] {
        let answers = Mutex<[Place: Digest]>([:])
        try spread(plan.tags, width: jobs, target.session) { session, step in
            let place = Place(step.repository, step.tag)
            guard let now = try session.manifestDigest(place) else { return }
            answers.withLock { $0[place] = now }
        }
        let found = answers.withLock { $0 }
        let steps = plan.tags.map { $0.pointing(to: found[Place($0.repository, $0.tag)]) }
        let moved = steps.compactMap(\.refusal)
        guard moved.isEmpty else { throw LoadError.tagsWouldMove(moved.sorted { $0.name < $1.name }) }
        return steps
    }

    private func assignment(_ repository: String, _ tag: String?, _ descriptor: Descriptor) -> TagAssignment? {
        content.manifests[descriptor.digest].map {
            TagAssignment(repository: repository, tag: tag, manifest: $0, descriptor: descriptor)
        }
    }

    /// Asks for everything that the release promises; what is missing is sent once more.
    private func readBack() throws {
        var reader = ReadBack(self)
        var missing = try reader.run()
        if !missing.isEmpty {
            tally.note { $0.readBack.repaired = missing.count }
            let sender = try Sender(self)
            for item in missing.sorted(by: { $0.order < $1.order }) {
                try Interruption.check()
                switch item {
                case .blob(let blob): try sender.send(blob)
                case .manifest(let repository, let descriptor, _): try sender.put(descriptor, in: repository)
                case .tag(let repository, let tag, let descriptor):
                    try target.setTags([assignment(repository, tag, descriptor)].compactMap(\.self), width: 1)
                }
            }
            reader = ReadBack(self)
            missing = try reader.run()
        }
        guard missing.isEmpty else { throw LoadError.notThere(missing.map(\.name)) }
        tally.note { [reader] counts in
            counts.readBack.manifests = reader.manifests.count
            counts.readBack.tags = reader.tags.count
            counts.readBack.blobs = reader.blobs.count
            counts.readBack.isComplete = true
        }
    }
}

extension LoadTally.TagRecord {
    init(_ step: LoadPlan.TagStep) {
        self.init(
            repository: step.repository, tag: step.tag, digest: step.descriptor.digest.description,
            before: step.before?.description, action: step.action.rawValue)
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
