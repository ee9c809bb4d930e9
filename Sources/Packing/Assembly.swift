// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import Files
package import SystemPackage
package import Trust

/// What `sign assemble` has made.
package struct AssemblyResult: Sendable {
    package let root: TrustedRoot
    package let set: TrustedMetadata?
    /// The finished bundle's folder.
    package var bundle: FilePath?
    /// Whether media that count under the root before may be refused under this one.
    package var asksMore = false
}

/// Puts together what has come back: checks it with the importer's code, writes the trust folder, then the bundle. What is
/// done already is left alone, so that the same command goes on where one was cut off.
package struct Assembly {
    let stage: SigningStage
    let trust: FilePath
    let keys: [PrivateKey]
    let now: UTCTime

    package init(_ stage: SigningStage, trust: FilePath, keys: [PrivateKey], now: UTCTime) {
        (self.stage, self.trust, self.keys, self.now) = (stage, trust, keys, now)
    }

    /// `bundle` is the folder that was staged, where there was one.
    ///
    /// Throws `SigningError.incomplete` (3) with who is still to sign, `.stale`, `.otherTrust` and `.signatureWrong` (14),
    /// `.bundleDiffers` (13), and what the importer finds wrong.
    package func run(bundle: FilePath? = nil) throws -> AssemblyResult {
        if stage.base == nil { return try first() }
        var folder = try TrustFolder(trust)
        try checkBase(folder)
        let place = try bundle.map { try BundlePlace($0) }
        if stage.isOfBundle, let set = stage.set {
            guard let place else {
                throw SigningError.bundleUnusable(stage.folder, why: "name the staged folder: --bundle")
            }
            try PackedBundle.check(place.present, holds: set.targets.content.files)
        }
        let (root, set) = try stored(in: folder) ?? assembled(after: folder.root)
        try folder.store(root, set)
        var result = AssemblyResult(root: root, set: set)
        if let former = stage.base?.root.root { result.asksMore = root.root.asksMore(than: former) }
        if let set, let place, stage.isOfBundle { result.bundle = try finish(place, set) }
        return result
    }

    private func first() throws -> AssemblyResult {
        guard let body = stage.root?.body else { preconditionFailure("a stage without a base has a root") }
        let name = Role.root.fileName(version: 1)
        if let file = try MediaFolder(trust).contents(of: name, limit: Role.root.byteLimit) {
            guard try UnsignedMetadata<Root>(unsigning: file).body == body else { throw PackError.rootExists(trust) }
            return AssemblyResult(root: try TrustedRoot(pinned: file), set: nil)
        }
        let signatures = try completeSignatures()
        let root = try TrustedRoot(pinned: signatures.file(body, in: stage))
        try TrustFolder.create(trust, root)
        return AssemblyResult(root: root, set: nil)
    }

    private func completeSignatures() throws -> StageSignatures {
        var signatures = try StageSignatures(in: stage)
        try signatures.add(keys, in: stage)
        let missing = signatures.missing(in: stage)
        guard missing.isEmpty else { throw SigningError.incomplete(missing) }
        return signatures
    }

    // MARK: The trust folder

    /// The stage must follow what the folder holds, or be what it holds.
    private func checkBase(_ folder: borrowing TrustFolder) throws {
        guard let base = stage.base, base.root.files[1] == folder.root.files[1] else {
            throw SigningError.otherTrust(
                stage: stage.base?.root.root.product ?? "", folder: folder.root.root.product)
        }
        let version = base.root.root.header.version
        guard base.root.files[version] == folder.root.files[version] else {
            throw SigningError.stale("its roots differ")
        }
        try checkRoot(folder, after: version)
        guard let set = stage.set else { return }
        let (next, last) = (set.versions, try folder.highestVersions())
        try check(folder, .targets, next.targets, last.targets, set.targets.body)
        try check(folder, .snapshot, next.snapshot, last.snapshot, set.snapshot.body)
        guard try next.timestamp == last.timestamp + 1 || isPublished(set, in: folder) else {
            throw SigningError.stale("timestamp \(last.timestamp) was published")
        }
    }

    private func checkRoot(_ folder: borrowing TrustFolder, after version: Int64) throws {
        guard folder.root.root.header.version > version else { return }
        guard let root = stage.root, let file = folder.root.files[version + 1], folder.root.files[version + 2] == nil,
            try UnsignedMetadata<Root>(unsigning: file).body == root.body
        else { throw SigningError.stale("it has root \(folder.root.root.header.version)") }
    }

    /// Nothing newer of the role is there, and what has the stage's version is the stage's.
    private func check(
        _ folder: borrowing TrustFolder, _ role: Role, _ next: Int64, _ last: Int64, _ body: UnsignedBody
    ) throws {
        let newer = SigningError.stale("it has \(role.fileName(version: last))")
        guard last <= next else { throw newer }
        guard last == next else {
            guard next == last + 1 else { throw newer }
            return
        }
        guard let file = try folder.file(role, next) else { return }
        let there =
            role == .targets
            ? try UnsignedMetadata<Targets>(unsigning: file).body : try UnsignedMetadata<Snapshot>(unsigning: file).body
        guard there == body else { throw newer }
    }

    private func isPublished(_ set: UnsignedSet, in folder: borrowing TrustFolder) throws -> Bool {
        guard let published = folder.published else { return false }
        return try set.isSigned(in: published)
    }

    /// What the folder holds, where an earlier run has stored all of it.
    private func stored(in folder: borrowing TrustFolder) throws -> (TrustedRoot, TrustedMetadata?)? {
        if let root = stage.root, folder.root.root.header.version < root.content.header.version { return nil }
        guard let set = stage.set else { return (folder.root, nil) }
        return try isPublished(set, in: folder) ? (folder.root, folder.published) : nil
    }

    /// The signed files, verified as an importer would who has accepted what was published last.
    private func assembled(after newest: TrustedRoot) throws -> (TrustedRoot, TrustedMetadata?) {
        guard let base = stage.base else { preconditionFailure("only a first root has no base") }
        let signatures = try completeSignatures()
        var root = newest
        // a run that was cut off may have stored the root already
        if let body = stage.root?.body, root.root.header.version == base.root.root.header.version {
            try root.extend(with: signatures.file(body, in: stage))
        }
        guard let set = stage.set else { return (root, nil) }
        let timestamp = signatures.file(set.timestamp.body, in: stage)
        let metadata = try root.verified(timestamp: timestamp, now: now, since: base.published?.accepted)
            .verified(snapshot: signatures.file(set.snapshot.body, in: stage))
            .verified(targets: signatures.file(set.targets.body, in: stage))
        return (root, metadata)
    }

    // MARK: The bundle

    private func finish(_ place: BundlePlace, _ set: TrustedMetadata) throws -> FilePath {
        guard let signature = try stage.sumsSignature(set, by: keys) else {
            try stage.keep(finished: set)
            let holders = set.root.root[.targets].keys.map { "\($0.id) (\($0.kind))" }.joined(separator: ", ")
            throw SigningError.incomplete([
                "SHA256SUMS, by one of \(holders); the set itself is signed and in the trust folder, so now one of these "
                    + "keys signs once more, or give it here with --key"
            ])
        }
        try BundleSeal(set).write(to: place.present, signature: signature)
        return try place.commit()
    }
}

/// Where a staged bundle is, and where it belongs.
private struct BundlePlace {
    /// The folder as it is now.
    let present: FilePath
    private let final: FilePath

    /// `.NAME.partial` becomes `NAME` beside it; a folder of any other name stays where it is.
    init(_ path: FilePath) throws {
        let absolute = try path.absolute()
        let name = absolute.lastComponent?.string ?? ""
        guard name.hasPrefix("."), name.hasSuffix(".partial"), name.utf8.count > 9 else {
            (present, final) = (path, path)
            return
        }
        final = absolute.removingLastComponent().appending(String(name.dropFirst().dropLast(8)))
        present = try absolute.exists() ? absolute : final
    }

    /// Gives the folder its name, durable.
    func commit() throws -> FilePath {
        guard present != final else { return final }
        guard try !final.exists() else { throw PackError.bundleExists(final) }
        try present.rename(to: final)
        try final.removingLastComponent().syncDirectory()
        return final
    }
}
