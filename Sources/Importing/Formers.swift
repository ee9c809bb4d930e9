// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import FoundationEssentials
internal import OCI
internal import RegistryClient
internal import Synchronization

/// The tag that keeps what a tag named before a load moved it, so that the load can be undone: Zot forgets a manifest that
/// its last tag has left.
enum Former {
    static func tag(of manifest: Digest) -> String { "dray-former-\(manifest.hex.prefix(32))" }
}

extension Load {
    /// Tags what the steps move away from, on a target that would collect it. What can't be kept is a finding: the load
    /// goes on, and can't be undone there.
    func keepFormers(_ steps: [LoadPlan.TagStep], _ plan: LoadPlan) throws {
        guard plan.traits.collectsAfter != nil || plan.traits.collectsLater, let state else { return }
        let moved = steps.filter { $0.action == .move }
        let tags = moved.compactMap { step in
            step.before.map { Place(step.repository, Former.tag(of: $0.digest)) }
        }
        try state.addStagingTags(tags, of: target.address, in: .former)
        try spread(moved, width: jobs, target.session) { session, step in
            do {
                try keepFormer(of: step, session)
            } catch let error as RegistryError where [.refusal, .access].contains(error.kind) {
                tally.note { $0.findings.append("\(step.name) can't be put back by undo: \(error)") }
            }
        }
    }

    private func keepFormer(of step: LoadPlan.TagStep, _ session: any TargetSession) throws {
        guard let before = step.before?.digest,
            case .present(let bytes, let type) = try session.manifest(Place(step.repository, step.tag)),
            Digest(of: bytes) == before, let manifest = try? Manifest(parsing: Data(bytes), mediaType: type)
        else {
            return tally.note {
                $0.findings.append("\(step.name) can't be put back by undo: what it was can't be read")
            }
        }
        let descriptor = Descriptor(mediaType: type, digest: before, size: Int64(bytes.count))
        _ = try session.put(manifest, descriptor, at: Place(step.repository, Former.tag(of: before)))
    }

    /// Removes what earlier loads kept: only the last one can be undone on such a target.
    func removeFormers(_ plan: LoadPlan) throws {
        guard let state else { return }
        let own = Set(
            tally.counts.tags.compactMap { record -> Place? in
                guard record.action == "move", let before = record.before, let digest = try? Digest(parsing: before)
                else {
                    return nil
                }
                return Place(record.repository, Former.tag(of: digest))
            })
        // A load that moved nothing leaves the last one's undo as it is.
        guard !own.isEmpty else { return }
        let old = try state.stagingTags(of: target.address, in: .former).filter { !own.contains($0) }
        let left = Mutex<[Place]>([])
        try spread(old, width: jobs, target.session) { session, tag in
            do {
                try session.remove(tag)
            } catch let error as RegistryError where error.kind != .cancelled {
                left.withLock { $0.append(tag) }
            }
        }
        try state.setStagingTags(own + left.withLock { $0 }, of: target.address, in: .former)
    }
}
