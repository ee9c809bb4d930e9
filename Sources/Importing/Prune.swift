// SPDX-License-Identifier: Apache-2.0

package import Files
internal import OCI
internal import Synchronization

/// Takes away what only older releases brought into a target (docs/retention.md). A value that is shown first, and carried out
/// when the user says so.
package struct Prune: Sendable {
    package let retention: Retention
    /// In the order in which they are carried out.
    package private(set) var steps: [Undo.Step] = []
    /// What stays although a release that goes brought it, and why.
    package private(set) var kept: [String] = []
    /// What no receipt names, or was there before any load: nobody here touches it.
    package private(set) var untouched = Untouched()
    /// What goes that nothing else is known to need, with sizes in bytes: an upper bound, as others may share it.
    private(set) var freed: [Digest: Int64] = [:]
    let inUse: InUse?
    let target: any LoadTarget
    let traits: TargetTraits

    package struct Untouched: Sendable, Equatable {
        /// Repositories that no receipt names; `nil` where the target doesn't list its repositories.
        package var repositories: [String]? = []
        /// Tags, in repositories that were looked at, that no receipt names.
        package var tags: [String] = []
        /// Tags and manifests that loads found there.
        package var before: [String] = []
    }

    /// Asks the target how it is now, and decides; changes nothing. `former`: tags of ours that keep what moved tags named.
    package init(
        _ retention: Retention, inUse: InUse?, former: [Place] = [], at target: any LoadTarget, jobs: Int,
        progress: Progress
    ) throws {
        (self.retention, self.inUse, self.target) = (retention, inUse, target)
        progress.label = "asking \(target.address)"
        let session = try target.session()
        try session.ping()
        traits = try session.traits(TraitsQuestion())
        let content = PruneContent(retention, inUse)
        let found = Mutex<[String: PruneRepository]>([:])
        try spread(content.repositories.keys.sorted(), width: jobs, target.session) { session, repository in
            guard let candidates = content.repositories[repository] else { return }
            let result = try PruneRepository(candidates, content, former: Set(former), session)
            found.withLock { $0[repository] = result }
        }
        let results = found.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value)
        // All tags first: a manifest that is removed takes its tags along, and so may be missed by the next run.
        steps = results.flatMap { $0.steps.filter(\.isTag) } + results.flatMap { $0.steps.filter { !$0.isTag } }
        kept = results.flatMap(\.kept)
        freed = Prune.freed(results, content)
        try note(results, content)
    }

    private static func freed(_ results: [PruneRepository], _ content: PruneContent) -> [Digest: Int64] {
        let staying = results.reduce(into: content.keptDigests) { $0.formUnion($1.reached) }
        return results.reduce(into: [:]) { all, result in
            for (digest, size) in result.removed where !staying.contains(digest) { all[digest] = size }
        }
    }

    private mutating func note(_ results: [PruneRepository], _ content: PruneContent) throws {
        untouched.tags = results.flatMap(\.unknownTags).sorted()
        untouched.before = content.repositories.values.flatMap { $0.foreign.map(\.description) }.sorted()
        untouched.repositories = try target.repositories()?.filter {
            !content.known.repositories.contains($0)
        }.sorted()
    }

    /// Bytes that go at most, each blob counted once.
    package var bytes: UInt64 { freed.values.reduce(0) { $0 + UInt64(max(0, $1)) } }

    /// Carries the steps out, in order; see `RegistrySteps`. Then frees what went where nobody else does that.
    package func carryOut(_ progress: Progress) -> (ending: RegistrySteps.Ending, swept: Result<UInt64?, any Error>) {
        var work = RegistrySteps(steps, at: target, traits)
        work.stopsWhereNothingIsDeleted = true
        let ending = work.carryOut(progress)
        let swept = Result { () throws -> UInt64? in
            guard !ending.leavesContent else { return nil }
            return try target.sweep(Set(freed.keys))
        }
        return (ending, swept)
    }
}

extension Undo.Step {
    var isTag: Bool {
        switch self {
        case .removeTag, .restoreTag: true
        case .removeManifest: false
        }
    }
}
