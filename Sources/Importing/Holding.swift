// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import RegistryClient
internal import Synchronization

/// Keeps a load's finished blobs from a registry that collects while it runs: knows how far each image is, and writes
/// down which staging tags exist. Shared by the load's threads.
final class Holding: Sendable {
    private let load: Load
    private let state: Mutex<State>
    /// One staging manifest is written at a time: of two, the longer list must stay.
    private let writing = Mutex(())
    private let start = ContinuousClock.now

    fileprivate struct State {
        var rule: HoldRule
        var images: [Image]
    }

    /// How far one group's blobs are.
    fileprivate struct Image {
        var bytesLeft: Int64
        var blobsNotBegun: Int
        /// Whether its manifest comes at the very end, with its tag.
        let waitsForTags: Bool
    }

    /// `nil` for a target that collects nothing.
    init?(_ plan: LoadPlan, _ load: Load) {
        guard let delay = plan.traits.collectsAfter else { return nil }
        self.load = load
        let images = plan.groups.map { group in
            Image(
                bytesLeft: group.blobs.reduce(0) { $0 + $1.size }, blobsNotBegun: group.blobs.count,
                waitsForTags: group.withTag != nil)
        }
        state = Mutex(State(rule: HoldRule(delay: delay), images: images))
    }

    /// Writes the plan's staging tags down before the first of them is set.
    func begin(_ plan: LoadPlan) throws { try load.state?.addStagingTags(plan.stagingTags, of: load.target.address) }

    /// A blob is about to be sent: what waits in its repository is held first where the blob will take long.
    func begins(_ blob: LoadPlan.BlobStep, group: Int, _ sender: Sender) throws {
        let (now, rate) = (seconds, rate)
        let held = state.withLock { state in
            state.images[group].blobsNotBegun -= 1
            var outlook = state.outlook(group, rate)
            outlook.isLast = outlook.isLast || Double(blob.size) / rate > state.rule.delay / 8
            return state.rule.due(in: blob.repository, outlook, now: now)
        }
        if let held { try hold(held, in: blob.repository, sender) }
    }

    /// Notes a blob that the target has now; holds it and others where they would wait too long.
    func finished(_ blob: LoadPlan.BlobStep, group: Int, _ sender: Sender) throws {
        let (now, rate) = (seconds, rate)
        let held = state.withLock { state in
            state.images[group].bytesLeft -= blob.size
            return state.rule.finished(
                Descriptor(mediaType: "application/octet-stream", digest: blob.digest, size: blob.size),
                in: blob.repository, state.outlook(group, rate), now: now)
        }
        if let held { try hold(held, in: blob.repository, sender) }
    }

    private var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }
    // Until a request has measured it, only the time that has passed counts.
    private var rate: Double { load.target.traffic.bytesPerSecond ?? .infinity }

    // By its digest too: a registry keeps a manifest whose tag has gone. What the registry refuses to hold goes unheld: should
    // it be collected, its manifest's refusal tells, and it is sent again.
    private func hold(_ blobs: [Descriptor], in repository: String, _ sender: Sender) throws {
        let (manifest, descriptor) = try Staging.manifest(listing: blobs)
        let tag = Place(repository, Staging.blobsTag(of: descriptor.digest))
        do {
            try writing.withLock { _ in
                try load.state?.addStagingTags([tag, Place(repository, descriptor.digest)], of: load.target.address)
                try sender.hold(manifest, descriptor, at: tag)
            }
        } catch let error as RegistryError where [.refusal, .access].contains(error.kind) {
            load.tally.note {
                $0.findings.append("blobs of \(repository) could not be held while they waited: \(error)")
            }
        }
    }

    /// Holds all that no manifest names yet: the rest comes with another medium, hours or days later.
    func holdAll(_ sender: Sender) throws {
        let waiting = state.withLock { $0.rule.holdAll() }
        for (repository, blobs) in waiting.sorted(by: { $0.key < $1.key }) { try hold(blobs, in: repository, sender) }
    }

    /// A manifest that names these blobs is there.
    func named(_ digests: Set<Digest>, in repository: String) {
        state.withLock { $0.rule.named(digests, in: repository) }
    }
}

extension Holding.State {
    fileprivate func outlook(_ group: Int, _ rate: Double) -> HoldRule.Outlook {
        let image = images[group]
        let remaining = image.waitsForTags ? images.reduce(0) { $0 + $1.bytesLeft } : image.bytesLeft
        return HoldRule.Outlook(remaining: remaining, isLast: image.blobsNotBegun == 0, rate: rate)
    }
}
