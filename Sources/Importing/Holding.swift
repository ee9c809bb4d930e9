// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import Synchronization

/// Keeps a load's finished blobs from a registry that collects while it runs: knows how far each image is, and writes
/// down which staging tags exist. Shared by the load's threads.
final class Holding: Sendable {
    private let load: Load
    private let names: [String]
    private let state: Mutex<State>
    /// One staging manifest is written at a time: of two, the longer list must stay.
    private let writing = Mutex(())
    private let start = ContinuousClock.now

    private struct State {
        var rule: HoldRule
        var images: [Image]
    }

    /// How far one group's blobs are.
    private struct Image {
        var bytesLeft: Int64
        var blobsNotBegun: Int
    }

    /// `nil` for a target that collects nothing.
    init?(_ plan: LoadPlan, _ load: Load) {
        guard let delay = plan.traits.collectsAfter else { return nil }
        self.load = load
        names = plan.groups.map(\.name)
        let images = plan.groups.map { group in
            Image(bytesLeft: group.blobs.reduce(0) { $0 + $1.size }, blobsNotBegun: group.blobs.count)
        }
        state = Mutex(State(rule: HoldRule(delay: delay), images: images))
    }

    /// Writes the plan's staging tags down before the first of them is set.
    func begin(_ plan: LoadPlan) throws { try load.state?.addStagingTags(plan.stagingTags, of: load.target.address) }

    func begins(group: Int) { state.withLock { $0.images[group].blobsNotBegun -= 1 } }

    /// Notes a blob that the target has now; holds it and others where they would wait too long.
    func finished(_ blob: LoadPlan.BlobStep, group: Int, _ sender: Sender) throws {
        let now = (ContinuousClock.now - start) / .seconds(1)
        // Until a request has measured it, only the time that has passed counts.
        let rate = load.target.traffic.bytesPerSecond ?? .infinity
        let held = state.withLock { state in
            state.images[group].bytesLeft -= blob.size
            let image = state.images[group]
            return state.rule.finished(
                Descriptor(mediaType: "application/octet-stream", digest: blob.digest, size: blob.size),
                in: blob.repository, remaining: image.bytesLeft, isLast: image.blobsNotBegun == 0, rate: rate, now: now)
        }
        if let held { try hold(held, in: blob.repository, sender) }
    }

    // By its digest too: a registry keeps a manifest whose tag has moved on or gone.
    private func hold(_ blobs: [Descriptor], in repository: String, _ sender: Sender) throws {
        let tag = Place(repository, Staging.blobsTag(of: load.release))
        let (manifest, descriptor) = try Staging.manifest(listing: blobs)
        try writing.withLock { _ in
            try load.state?.addStagingTags([tag, Place(repository, descriptor.digest)], of: load.target.address)
            try sender.hold(manifest, descriptor, at: tag)
        }
    }

    /// Its blobs are named by a manifest that is there.
    func named(in repository: String) { state.withLock { $0.rule.named(in: repository) } }
}
