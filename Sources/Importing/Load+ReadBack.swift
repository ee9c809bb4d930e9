// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI

extension Load {
    /// Asks for everything that the release promises; what is missing is sent once more.
    func readBack(_ plan: LoadPlan) throws {
        let reader = ReadBack(self, plan, known: isLate(plan) ? [] : plan.seen)
        var missing = try reader.run()
        if !missing.isEmpty {
            tally.note { $0.readBack.repaired = missing.count }
            try repair(missing)
            missing = try reader.run(again: missing)
        }
        let damaged = missing.filter(\.isDamage)
        guard damaged.isEmpty else { throw LoadError.staysDamaged(damaged.map(\.name)) }
        guard missing.isEmpty else { throw LoadError.notThere(missing.map(\.name)) }
        tally.note { counts in
            counts.readBack.manifests = reader.manifests.count
            counts.readBack.tags = reader.tags.count
            counts.readBack.blobs = reader.blobs.count
            counts.readBack.isComplete = true
        }
    }

    private func repair(_ missing: [ReadBack.Missing]) throws {
        let volumes = try bundle.missingVolumes(for: missing.compactMap(\.content)).map(\.name)
        guard volumes.isEmpty else { throw LoadError.missingVolumes(volumes) }
        let moved = missing.compactMap { item -> LoadError.TagMove? in
            guard case .tag(let step, let found?) = item, !isLost(step, found) else { return nil }
            return LoadError.TagMove(name: step.name, before: found, digest: step.descriptor.digest)
        }
        guard moved.isEmpty else { throw LoadError.tagsWouldMove(moved) }
        let sender = try Sender(self)
        for item in missing.sorted(by: { $0.order < $1.order }) {
            try Interruption.check()
            switch item {
            case .blob(let blob): try sender.send(blob)
            case .manifest(let repository, let descriptor, _): try sender.put(descriptor, in: repository)
            case .tag(let step, _): try target.setTags([assignment(step)].compactMap(\.self), width: 1)
            case .referrer(let referrer): try listReferrers([referrer])
            }
        }
    }

    /// Whether a tag only fell back to what it was before this load; where it is anything else, somebody has set it.
    private func isLost(_ step: LoadPlan.TagStep, _ found: Digest) -> Bool {
        let record = tally.counts.tags.first { $0.repository == step.repository && $0.tag == step.tag }
        return record?.action == "move" && record?.before == found.description
    }
}
