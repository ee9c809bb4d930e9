// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import PaletteSources
internal import RegistryClient

/// Finds what a target is now: which manifest, what is below it, what refers to it.
struct TargetResolution: Sendable {
    let shelf: ManifestShelf
    let search: ReferrerSearch
    /// By name.
    let locked: [String: LockFile.Reference]
    let isLocked: Bool
    let refreshes: Bool

    /// Throws `MirrorError`, `RegistryError`, and what the walks throw.
    func resolve(_ target: MirrorTarget, _ worker: Worker) throws -> Resolved {
        let old = locked[target.name]
        guard isLocked else { return try resolveNow(target, old, worker) }
        guard let old, old.platforms == target.platformNames, target.digest == nil || target.digest == old.digest,
            !target.referrers || old.referrers != nil
        else { throw MirrorError.notInLock(target.name) }
        let manifest = try shelf.manifest(
            old.digest, mediaType: old.mediaType, size: old.size, of: target.source, as: target.name, worker)
        return try kept(target, old, manifest, worker)
    }

    private func resolveNow(
        _ target: MirrorTarget, _ old: LockFile.Reference?, _ worker: Worker
    ) throws -> Resolved {
        let manifest = try manifest(of: target, old, worker)
        let root = ManifestShelf.descriptor(of: manifest)
        let isSame = old?.digest == root.digest && old?.platforms == target.platformNames
        if isSame, let old, !refreshes, !target.referrers || old.referrers != nil {
            return try kept(target, old, manifest, worker)
        }
        let tree = try shelf.tree(
            of: manifest, root, platforms: target.platforms, of: target.source, as: target.name, worker)
        var resolved = Resolved(
            target: target, root: root, state: old == nil ? .new : old?.digest == root.digest ? .unchanged : .changed,
            former: old?.digest == root.digest ? nil : old?.digest, tree: tree)
        guard target.referrers else { return resolved }
        let found = try search.find(
            for: tree.manifests.map(\.digest), in: target.source, as: target.name, worker)
        (resolved.referrers, resolved.signatureTags) = (found.referrers, found.tags)
        return resolved
    }

    /// The manifest that the target is now; where the folder has the one that the lock file names, a `HEAD` is enough.
    private func manifest(
        of target: MirrorTarget, _ old: LockFile.Reference?, _ worker: Worker
    ) throws -> Manifest {
        if let digest = target.digest {
            return try shelf.manifest(
                digest, mediaType: nil, size: nil, of: target.source, as: target.name, worker)
        }
        if let old, try shelf.folder.has(old.digest, size: old.size) {
            switch try worker.ask(target.source, { try $0.manifestState($1, target.question) }) {
            case .present(let digest) where digest == old.digest:
                return try shelf.manifest(
                    digest, mediaType: old.mediaType, size: old.size, of: target.source, as: target.name, worker)
            case .missing: throw MirrorError.gone(target.name)
            case .present, .presentUnnamed: break
            }
        }
        return try shelf.fetch(target.question, of: target.source, as: target.name, worker)
    }

    /// The target as the lock file has it, referrers included, by digests alone.
    private func kept(
        _ target: MirrorTarget, _ old: LockFile.Reference, _ manifest: Manifest, _ worker: Worker
    ) throws -> Resolved {
        let root = ManifestShelf.descriptor(of: manifest)
        let tree = try shelf.tree(
            of: manifest, root, platforms: target.platforms, of: target.source, as: target.name, worker)
        var resolved = Resolved(target: target, root: root, state: .unchanged, tree: tree)
        guard target.referrers else { return resolved }
        resolved.keepsReferrers = true
        resolved.referrers = try old.referrers?.map { ($0, try self.tree(of: $0, target, worker)) }
        resolved.signatureTags = try (old.signatureTags ?? [:]).sorted { $0.key < $1.key }.map {
            ($0.key, $0.value, try self.tree(of: $0.value, target, worker))
        }
        return resolved
    }

    private func tree(of root: Descriptor, _ target: MirrorTarget, _ worker: Worker) throws -> MirroredTree {
        let name = "\(target.name): \(root.digest)"
        let manifest = try shelf.manifest(
            root.digest, mediaType: root.mediaType, size: root.size, of: target.source, as: name, worker)
        return try shelf.tree(of: manifest, root, platforms: nil, of: target.source, as: name, worker)
    }
}

extension MirrorTarget {
    /// As lock files have them: sorted; `nil` for all.
    var platformNames: [String]? { platforms.map { Set($0.map(\.description)).sorted() } }
}

extension Resolved {
    /// What the lock file says of it.
    var locked: LockFile.Reference {
        var entry = LockFile.Reference(
            name: target.name, digest: root.digest, mediaType: root.mediaType, size: root.size)
        entry.platforms = target.platformNames
        entry.referrers = referrers?.map(\.root).sorted { $0.digest < $1.digest }
        if !signatureTags.isEmpty {
            entry.signatureTags = Dictionary(signatureTags.map { ($0.tag, $0.root.bare) }) { $1 }
        }
        return entry
    }
}
