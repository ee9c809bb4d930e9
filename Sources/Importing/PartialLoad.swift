// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Synchronization

/// What a load leaves for another medium, and why; shared by its threads (docs/media.md, "At the site: load").
///
/// An image's manifests are sent when all that they name is there: one that nothing names yet would be collected before the next
/// medium comes, as blobs would that no staging manifest lists.
final class PartialLoad: Sendable {
    let media: ComingMedia
    private let content: RegistryContent
    /// What each group's manifests name, by the group's number.
    private let named: [Set<Place>]
    /// Manifests that the plan sends, with a tag or before.
    private let planned: Set<Place>
    private let state = Mutex(State())

    private struct State {
        var waiting: [Place: LoadPlan.BlobStep] = [:]
        var deferred: Set<Place> = []
        var groups: Set<Int> = []
        var late: [(step: LoadPlan.ManifestStep, group: Int)] = []
        var put: Set<Place> = []
        var damage: [String] = []
        var seen: Set<String> = []
    }

    init(_ media: ComingMedia, _ plan: LoadPlan, _ content: RegistryContent) {
        (self.media, self.content) = (media, content)
        named = plan.groups.map { group in
            let repository = group.blobs.first?.repository ?? group.manifests.first?.repository
            return Set(
                group.allManifests.flatMap { manifest in
                    (content.blobs(of: manifest.digest) + content.children(of: manifest.digest)).compactMap { named in
                        repository.map { Place($0, named.digest) }
                    }
                })
        }
        planned = Set(
            plan.groups.flatMap { group in
                let own = group.manifests.map { Place($0.repository, $0.descriptor.digest) }
                let repository = group.blobs.first?.repository ?? group.manifests.first?.repository
                let withTag = group.withTag.flatMap { tagged in repository.map { Place($0, tagged.digest) } }
                return own + [withTag].compactMap(\.self)
            })
    }

    /// Writes down that the spool is needed for this target, and keeps what later media need, before anything is sent.
    func begin(_ load: Load, _ plan: LoadPlan) throws {
        try media.sent.begin()
        let needs = try media.needs(of: plan, content)
        note(damage: try media.keep(needs.toSpool, load.progress))
    }

    // MARK: Blobs

    /// Whether a blob must wait: its bytes aren't here, the target hasn't got it, and nothing that it could be mounted from.
    func leaves(_ blob: LoadPlan.BlobStep, in group: Int, of load: Load, _ sender: Sender) throws -> Bool {
        guard try !isReadable(blob, load) else { return false }
        if let home = blob.mountFrom {
            let waits = state.withLock { $0.waiting[Place(home, blob.digest)] != nil }
            guard waits else { return false }
        } else if blob.presence != .unlikely, try sender.finds(blob) {
            return false
        }
        wait(for: blob, in: group, load)
        return true
    }

    func isReadable(_ blob: LoadPlan.BlobStep, _ load: Load) throws(BundleError) -> Bool {
        try load.bundle.missingVolumes(for: [blob.digest]).isEmpty
    }

    /// A blob could not be read: what is wrong in the spool is forgotten, and wanted again; what is wrong on a medium is said.
    func note(_ error: BundleError, _ blob: LoadPlan.BlobStep, in group: Int, of load: Load) throws {
        let forgotten = try media.spool.forgetDamaged(media.here.blocks(of: blob.digest))
        if !forgotten.isEmpty {
            load.tally.note {
                $0.findings.append(
                    "\(forgotten.count.of("block")) in \(self.media.spool.name) were not what is signed, and were dropped; their "
                        + "volumes are wanted again")
            }
        } else if !error.isAbsence {
            note(damage: ["\(error)"])
        }
        wait(for: blob, in: group, load)
    }

    private func note(damage: [String]) {
        state.withLock { state in
            for line in damage where state.seen.insert(line).inserted { state.damage.append(line) }
        }
    }

    private func wait(for blob: LoadPlan.BlobStep, in group: Int, _ load: Load) {
        let isNew = state.withLock { state in
            state.groups.insert(group)
            return state.waiting.updateValue(blob, forKey: Place(blob.repository, blob.digest)) == nil
        }
        if isNew, blob.mayBeSent { load.progress.total.wrappingSubtract(UInt64(blob.size), ordering: .relaxed) }
    }

    // MARK: Manifests

    /// Whether a manifest must wait, for what its image names or for the manifest that it is about.
    func leaves(_ step: LoadPlan.ManifestStep, in group: Int) -> Bool {
        let place = Place(step.repository, step.descriptor.digest)
        let subject = content.manifests[step.descriptor.digest]?.subject.map { Place(step.repository, $0.digest) }
        return state.withLock { state in
            let waits = named[group].contains { state.waiting[$0] != nil || state.deferred.contains($0) }
            if waits {
                state.deferred.insert(place)
                state.groups.insert(group)
                return true
            }
            guard let subject, planned.contains(subject), !state.put.contains(subject) else { return false }
            state.late.append((step, group))
            return true
        }
    }

    func put(_ step: LoadPlan.ManifestStep) {
        state.withLock { _ = $0.put.insert(Place(step.repository, step.descriptor.digest)) }
    }

    /// The end of the transfer: sends the manifests whose subjects have come since, or all where nothing waits, and has what the
    /// target has got held until the next medium comes.
    func finish(_ load: Load, _ plan: LoadPlan, _ holding: Holding?) throws {
        let sender = try Sender(load)
        while true {
            let ready = state.withLock { state in
                let isWhole = state.waiting.isEmpty && state.deferred.isEmpty
                let put = state.put
                let ready = state.late.filter { entry in
                    isWhole || subject(of: entry.step).map(put.contains) ?? true
                }
                state.late.removeAll { entry in ready.contains { $0.step == entry.step } }
                return ready
            }
            guard !ready.isEmpty else { break }
            for (step, group) in ready { try load.put(step, group, of: plan, holding, sender) }
        }
        state.withLock { state in state.groups.formUnion(state.late.map(\.group)) }
        if !isWhole { try holding?.holdAll(sender) }
        try media.sent.sync()
    }

    private func subject(of step: LoadPlan.ManifestStep) -> Place? {
        content.manifests[step.descriptor.digest]?.subject.map { Place(step.repository, $0.digest) }
    }

    private var isWhole: Bool {
        state.withLock { $0.waiting.isEmpty && $0.deferred.isEmpty && $0.late.isEmpty }
    }

    // MARK: The end

    /// What is wanted next; `nil` where nothing waits. Keeps what turned out to be needed beside what was expected.
    func wanted(_ progress: Progress) throws -> MediaWanted? {
        guard !isWhole else { return nil }
        let found = state.withLock { $0 }
        let blobs = Dictionary(found.waiting.values.map { ($0.digest, $0.size) }) { first, _ in first }
        let needs = try media.needs(of: Set(blobs.keys), content)
        if let lack = media.lack(needs) { throw lack }
        note(damage: try media.keep(needs.toSpool, progress))
        var wanted = MediaWanted()
        wanted.volumes = needs.wanted(for: blobs.keys)
        wanted.blobs = LoadTally.Amount(blobs: blobs.count, bytes: blobs.values.reduce(0) { $0 + UInt64($1) })
        wanted.references = found.groups.count
        wanted.spooled = media.spool.blocks.bytes(media.here.index)
        wanted.damage = state.withLock { $0.damage }
        return wanted
    }
}
