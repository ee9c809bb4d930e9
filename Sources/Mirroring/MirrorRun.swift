// SPDX-License-Identifier: Apache-2.0

package import Files
internal import OCI
internal import PaletteSources
internal import RegistryClient
internal import Synchronization
internal import SystemPackage

/// Fills a folder with what a manifest asks for, and locks it. What fails is listed in the result, and the rest is done.
///
/// Throws what stops everything: `Interrupted`, `MirrorError.noSpace`, `.noLock`, `.inUse`, a manifest's faults, `FileError`.
package func mirror(_ options: MirrorOptions, progress: Progress) throws -> MirrorResult {
    do {
        return try MirrorRun(options, progress).run()
    } catch RegistryError.cancelled {
        throw Interrupted()
    }
}

/// One run's parts.
final class MirrorRun: Sendable {
    let options: MirrorOptions
    let sources: Sources
    let folder: MirrorFolder
    let shelf: ManifestShelf
    let old: LockFile
    let ledger = Ledger()
    let progress: Progress

    init(_ options: MirrorOptions, _ progress: Progress) throws {
        (self.options, self.progress) = (options, progress)
        sources = Sources(options.network, hosts: options.document.hosts, folder: options.base)
        let lock = try LockFile(reading: options.lock)
        guard lock != nil || !options.isLocked else { throw MirrorError.noLock(options.lock) }
        old = lock ?? LockFile()
        folder = try MirrorFolder(options.to, forWriting: !options.isDryRun)
        shelf = ManifestShelf(folder: folder, stores: !options.isDryRun)
    }

    func run() throws -> MirrorResult {
        var lock = LockFile()
        let targets = try targets(&lock)
        var content = MirrorContent()
        content.references = consistent(try resolve(targets))
        content.charts = try ChartRun(self).charts(&lock)
        if !options.isDryRun { lock.charts = content.charts.compactMap(\.locked) }
        let fileRun = try FileRun(self)
        var plan = try MirrorPlan(content, files: fileRun.planned(), folder, rechecks: options.rechecks)
        guard !options.isDryRun else { return result(plan, content) }
        try recheck(&plan)
        try fetch(plan.blobs)
        content = settle(content)
        try lock.files = fileRun.fetch()
        try finish(content, &lock)
        var result = result(plan, content)
        (result.files, result.unreferenced) = (fileRun.done, try unreferenced(content))
        if options.prunes { result.removedBytes = try prune(result.unreferenced) }
        return result
    }

    // MARK: what is wanted

    /// Every reference that the manifest comes to, each name once.
    private func targets(_ lock: inout LockFile) throws -> [MirrorTarget] {
        let selections = options.document.selections
        let found = Mutex([Int: [MirrorTarget]]())
        let chosen = Mutex([LockFile.Selection]())
        try crew(sources, count: selections.count) { [self] worker, index in
            let selection = selections[index]
            let targets = try ledger.attempt("\(selection.reference)", wantedBy: selection.wantedBy) {
                let tags = try versions(of: selection, worker)
                if let tags { chosen.withLock { $0.append(tags) } }
                return MirrorRun.targets(of: selection, tags?.tags ?? [])
            }
            if let targets { found.withLock { $0[index] = targets } }
        }
        lock.selections += chosen.withLock { $0 }
        return merged(found.withLock { found in selections.indices.flatMap { found[$0] ?? [] } })
    }

    private static func targets(of selection: MirrorSelection, _ chosen: [String]) -> [MirrorTarget] {
        let tags = selection.tags + chosen.filter { !selection.tags.contains($0) }
        guard selection.reference.tag == nil, selection.reference.digest == nil else {
            return [MirrorTarget(selection.reference, of: selection)]
        }
        return tags.map { MirrorTarget(Reference(name: selection.reference.name, tag: $0), of: selection) }
    }

    /// The tags that a range comes to, newest first; `nil` where the selection has none.
    private func versions(of selection: MirrorSelection, _ worker: Worker) throws -> LockFile.Selection? {
        guard let choice = selection.versions else { return nil }
        let name = selection.reference.name
        if options.isLocked {
            guard let known = old.selections.first(where: { $0.name == name && $0.wanted == choice.description }) else {
                throw MirrorError.notInLock("\(name) \(choice.description)")
            }
            return known
        }
        progress.label = "tags of \(name)"
        let all = try worker.ask(SourceRepository(of: selection.reference)) { try $0.tags($1) }
        guard let all else { throw MirrorError.gone(name) }
        let tags = choice.tags(of: all.filter(Reference.isTag))
        guard !tags.isEmpty else { throw MirrorError.noVersion(name, wanted: choice.description, has: all.count) }
        return LockFile.Selection(name: name, wanted: choice.description, tags: tags)
    }

    /// One target for each name; a tag that is pinned to two digests stays with the first, the other is known by its digest.
    private func merged(_ targets: [MirrorTarget]) -> [MirrorTarget] {
        var byName: [String: Int] = [:]
        var merged: [MirrorTarget] = []
        for var target in targets.sorted(by: { $0.digest != nil && $1.digest == nil }) {
            if let index = byName[target.name], target.digest != nil, merged[index].digest != target.digest,
                let digest = target.digest, let at = target.name.lastIndex(of: ":")
            {
                ledger.warn("\(target.name) is asked for with two digests; \(digest) is mirrored without the tag")
                target.name = "\(target.name[..<at])@\(digest)"
            }
            if let index = byName[target.name] {
                merged[index].merge(target)
            } else {
                byName[target.name] = merged.count
                merged.append(target)
            }
        }
        return merged.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private func resolve(_ targets: [MirrorTarget]) throws -> [Resolved] {
        let resolution = TargetResolution(
            shelf: shelf, search: ReferrerSearch(shelf, ledger),
            locked: Dictionary(old.references.map { ($0.name, $0) }) { $1 }, isLocked: options.isLocked,
            refreshes: options.refreshes)
        let found = Mutex([Int: Resolved]())
        try crew(sources, count: targets.count) { [self] worker, index in
            let target = targets[index]
            progress.label = "looking at \(target.name)"
            let resolved = try ledger.attempt(target.name, wantedBy: target.wantedBy) {
                try resolution.resolve(target, worker)
            }
            if let resolved { found.withLock { $0[index] = resolved } }
        }
        return found.withLock { found in targets.indices.compactMap { found[$0] } }
    }

    /// Without what gives a blob another size than what came before: one of the two lies.
    private func consistent(_ references: [Resolved]) -> [Resolved] {
        var sizes: [Digest: Int64] = [:]
        return references.filter { resolved in
            for blob in resolved.trees.flatMap(\.blobs) {
                guard let known = sizes.updateValue(blob.size, forKey: blob.digest), known != blob.size else {
                    continue
                }
                sizes[blob.digest] = known
                let error = MirrorError.badManifest(
                    resolved.target.name,
                    why: "it gives \(blob.digest) \(blob.size) bytes, and another manifest \(known)")
                ledger.add(
                    MirrorFailure(
                        what: resolved.target.name, wantedBy: resolved.target.wantedBy, reason: "\(error)",
                        failure: error.failure))
                return false
            }
            return true
        }
    }

    // MARK: doing it

    /// Hashes what is there, and wants again what is damaged.
    private func recheck(_ plan: inout MirrorPlan) throws {
        guard options.rechecks else { return }
        let present = plan.present
        let damaged = Mutex<Set<Digest>>([])
        progress.begin(total: UInt64(present.reduce(0) { $0 + $1.size }))
        try crew(sources, count: present.count) { [self] _, index in
            let blob = present[index]
            progress.label = "checking \(blob.digest)"
            if try PartialFile.digest(of: folder.blob(blob.digest)) != blob.digest {
                try folder.blob(blob.digest).removeFile()
                damaged.withLock { _ = $0.insert(blob.digest) }
            }
            progress.add(Int(blob.size))
        }
        let again = damaged.withLock { $0 }
        plan.wantAgain(again)
        if !again.isEmpty { ledger.warn("\(again.count) damaged blobs are fetched again") }
    }

    private func fetch(_ blobs: [WantedBlob]) throws {
        let total = blobs.reduce(UInt64(0)) { $0 + UInt64($1.size) }
        let free = try options.to.freeSpace()
        let held = try partialBytes(blobs)
        guard free + held >= total else {
            throw MirrorError.noSpace(options.to, missing: total - free - held)
        }
        var writes = PlannedWrites()
        writes.add(options.to, bytes: 0, largestFile: blobs.map { UInt64($0.size) }.max() ?? 0)
        try writes.check()
        progress.begin(total: progress.bytesDone + total)
        // The largest first: the last to end is then a small one.
        let sorted = blobs.sorted { $0.size > $1.size }
        try crew(sources, count: sorted.count) { [self] worker, index in
            let blob = sorted[index]
            progress.label = "\(blob.sources.first.map { "\($0.host)/\($0.path)" } ?? "\(blob.digest)")"
            try ledger.attempt(blob: blob.digest) { try folder.fetch(blob, worker, progress) }
        }
    }

    private func partialBytes(_ blobs: [WantedBlob]) throws -> UInt64 {
        try blobs.reduce(0) { sum, blob in
            sum + (try folder.partials.appending(blob.digest.hex).statusIfPresent()?.size ?? 0)
        }
    }

    /// Without what lacks a blob; the failures say so.
    private func settle(_ content: MirrorContent) -> MirrorContent {
        let failed = ledger.failedBlobs
        var whole = content
        whole.references.removeAll { resolved in
            guard let missing = resolved.trees.flatMap(\.blobs).first(where: { failed[$0.digest] != nil }),
                let fault = failed[missing.digest]
            else { return false }
            ledger.add(
                MirrorFailure(
                    what: resolved.target.name, wantedBy: resolved.target.wantedBy, reason: fault.reason,
                    failure: fault.failure))
            return true
        }
        return whole
    }

    /// Names and pins what is whole. Where anything failed, the lock file forgets nothing that an earlier run had pinned.
    private func finish(_ content: MirrorContent, _ lock: inout LockFile) throws {
        try folder.sync()
        // Whatever is left is of content that nobody wants any more.
        if ledger.failures.isEmpty { try folder.partials.removeTree() }
        let index = LayoutIndexFile(content).bytes
        if try !folder.index.exists() || folder.index.contents(limit: 64 << 20) != index {
            try folder.index.replaceContents(with: index)
        }
        guard !options.isLocked else { return }
        lock.references = content.references.map(\.locked)
        if !ledger.failures.isEmpty { lock.keep(old) }
        let bytes = try lock.bytes()
        if try !options.lock.exists() || options.lock.contents(limit: 64 << 20) != bytes {
            try options.lock.replaceContents(with: bytes)
        }
    }

    private func unreferenced(_ content: MirrorContent) throws -> [Digest: UInt64] {
        let needed = content.digests
        return Dictionary(try folder.storedBlobs().filter { !needed.contains($0.digest) }.map { ($0.digest, $0.size) })
        { $1 }
    }

    /// Not after a failure: what is missing this time may be wanted the next.
    private func prune(_ unreferenced: [Digest: UInt64]) throws -> UInt64 {
        guard ledger.failures.isEmpty else {
            ledger.warn("nothing was pruned: not everything could be mirrored")
            return 0
        }
        for digest in unreferenced.keys { try folder.blob(digest).removeFile() }
        return unreferenced.values.reduce(0, +)
    }

    private func result(_ plan: MirrorPlan, _ content: MirrorContent) -> MirrorResult {
        let traffic = sources.traffic
        return MirrorResult(
            plan: plan, failures: ledger.failures, warnings: ledger.warnings, requests: traffic.requests,
            retries: traffic.retries, isDryRun: options.isDryRun)
    }
}
