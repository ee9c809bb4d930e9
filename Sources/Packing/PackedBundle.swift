// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Cryptography
internal import Files
internal import OCI
package import SystemPackage
package import Trust

/// A bundle's folder and what is, or is to be, signed about each file in it.
struct PackedBundle {
    let folder: FilePath
    let release: SignedRelease
    /// The label of a delta; `nil` for a full bundle.
    let delta: String?
    let files: [String: TargetFile]
    let expires: UTCTime

    /// Reads what `pack --no-sign` left. Throws `SigningError.bundleUnusable`, and what its release or index is wrong with.
    init(unsigned folder: FilePath, now: UTCTime) throws {
        let name = "release.json"
        guard try folder.appending(name).exists() else {
            throw SigningError.bundleUnusable(folder, why: "it has no \(name); dray pack --no-sign makes such a folder")
        }
        let release = try Release(parsing: try folder.appending(name).contents(limit: Release.maximumSize))
        let indexBytes = try folder.appending("index").contents(limit: BundleIndex.maximumSize)
        guard Digest(of: indexBytes) == release.index.sha256 else {
            throw SigningError.bundleUnusable(folder, why: "its index is not the one that its release names")
        }
        let signed = SignedRelease(product: release.product, edition: release.edition, version: release.version)
        var publisher = BundlePublisher(folder: folder, release: signed)
        for volume in try BundleIndex(parsing: indexBytes).volumes { publisher.add(volume) }
        for file in [name, "index", "README-VERIFY.txt", "rescue.py"] { try publisher.take(file) }
        if try folder.appending("kit").exists() { try publisher.takeKit() }
        (self.folder, self.release, files) = (folder, signed, publisher.targets)
        delta = release.base?.label
        expires = release.expiry(from: now)
    }

    /// Reads what a bundle's own metadata signs, which must be of this trust, by whichever of its roots.
    ///
    /// Throws `SigningError.otherTrust`, `.bundleUnusable`, and `.unlisted` for a release that was delisted or replaced.
    init(signed folder: FilePath, of trust: PublishedTrust) throws {
        let own = try PublishedTrust(reading: MediaFolder(folder.appending("trust")))
        guard own.root.files[1] == trust.root.files[1] else {
            throw SigningError.otherTrust(stage: own.root.root.product, folder: trust.root.root.product)
        }
        guard let targets = own.published?.targets.content, let document = targets.files["release.json"] else {
            throw SigningError.bundleUnusable(folder, why: "it is no bundle of a release")
        }
        try trust.requireListed(targets.release.version)
        guard trust.lists(document, of: targets.release.version) else {
            throw SigningError.bundleUnusable(folder, why: "the release of that version is another one by now")
        }
        (self.folder, release) = (folder, targets.release)
        files = targets.files.filter { !$0.key.hasPrefix("releases/") }
        let bytes = try folder.appending("release.json").contents(limit: Release.maximumSize)
        guard Hasher.hash(bytes) == document.sha256 else {
            throw SigningError.bundleDiffers(folder.appending("release.json"))
        }
        let parsed = try Release(parsing: bytes)
        expires = parsed.supportEnd.flatMap(UTCTime.endOfDay) ?? .latest
        delta = parsed.base?.label
    }

    /// Refuses a folder in which a file isn't the one that targets name; of volumes the lengths are compared.
    ///
    /// Throws `SigningError.bundleDiffers` (13).
    static func check(_ folder: FilePath, holds files: [String: TargetFile]) throws {
        let media = MediaFolder(folder)
        for (name, file) in files.sorted(by: { $0.key < $1.key }) where !name.hasPrefix("releases/") {
            let wrong = SigningError.bundleDiffers(folder.appending(name))
            do {
                if name.hasPrefix("volumes/") {
                    guard try media.open(name).status().size == UInt64(file.length) else { throw wrong }
                } else {
                    let bytes = try media.contents(of: name, limit: Int(clamping: file.length))
                    guard let bytes, bytes.count == file.length, Hasher.hash(bytes) == file.sha256 else { throw wrong }
                }
            } catch let error as FileError where error.isMissing || error.errno == .fileTooLarge {
                throw wrong
            }
        }
    }
}

extension TrustFolder {
    /// The set for a bundle that `pack --no-sign` has left. Throws as `PackedBundle.init(unsigned:)`,
    /// `SigningError.otherTrust`, and as `checkForks` for what stands beside it.
    package func release(of bundle: FilePath, now: UTCTime) throws -> Proposal {
        let packed = try PackedBundle(unsigned: bundle, now: now)
        guard packed.release.product == root.root.product else {
            throw SigningError.otherTrust(stage: packed.release.product, folder: root.root.product)
        }
        _ = try state.checkForks(in: path, against: [bundle.absolute().removingLastComponent()])
        return try proposal(
            Publication(of: packed.release, files: packed.files, delta: packed.delta, after: published), issued: now,
            expires: packed.expires)
    }

    /// A new set for a bundle that was signed before, by keys that were removed or until a time that has passed.
    ///
    /// Throws as `PackedBundle.init(signed:of:)`, and `PackError.expired` where neither `expires` nor the release's
    /// supportEnd is to come.
    package func renewal(of bundle: FilePath, expires: UTCTime?, now: UTCTime) throws -> Proposal {
        let signed = try PackedBundle(signed: bundle, of: state)
        try PackedBundle.check(bundle, holds: signed.files)
        guard expires != nil || signed.expires > now else {
            throw PackError.expired(
                "\(bundle) would expire with its release's support, at \(signed.expires), which has passed; name a later "
                    + "day with --expires YYYY-MM-DD")
        }
        return try proposal(
            Publication(of: signed.release, files: signed.files, delta: signed.delta, after: published), issued: now,
            expires: expires ?? min(signed.expires, .usualExpiry(from: now)))
    }

    /// Signs a renewed bundle's metadata with the keys at hand and puts it into the bundle, in place.
    package mutating func renew(_ bundle: FilePath, _ proposal: Proposal, by keys: [PrivateKey], now: UTCTime) throws {
        guard let metadata = try carryOut(proposal, by: keys, now: now),
            let signer = root.root.sumsSigner(among: keys)
        else { preconditionFailure("what was signed has a signer") }
        let seal = BundleSeal(metadata)
        try seal.write(to: bundle, signature: try signer.signDetached(seal.sums))
    }
}
