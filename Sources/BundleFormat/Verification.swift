// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage
package import Trust

extension UnverifiedBundle {
    /// Checks everything but the volumes' content, in the order of docs/format.md, and nothing is parsed before it is
    /// known to be signed. Blocks and objects are checked as they are read.
    ///
    /// `now` is what the clock says; a later time that something signed or this tool names counts instead (docs/trust.md,
    /// "Time"). Throws a `ClassifiedError`: `TrustError` and `BundleError` for what stops at once, `BundleFaults` for several
    /// faults together, the worst of which decides; `.trustOnly` (64) for a folder that carries no release.
    package consuming func verified(
        by trust: PinnedRoots, now: UTCTime, expiry: ExpiryRule = .refuse
    ) throws -> VerifiedBundle {
        var files = SmallFiles(media)
        let metadata = try trust.metadata(&files, now: now, expiry: expiry)
        guard !isTrustOnly else {
            throw BundleError.trustOnly(media.first?.path ?? FilePath(name), product: metadata.root.root.product)
        }
        for finding in findings { files.note(finding) }
        var verification = Verification(metadata: metadata, files: files)
        var bundle = try verification.bundle(name: name, loose: loose, contents)
        bundle.decoders = decoders
        for make in sourceMakers {
            if let source = try make(bundle) { bundle.blockSources.append(source) }
        }
        return bundle
    }

    /// Checks `trust/`, `release.json` and `index` alone: what a delta needs of its base, of which nothing else may be left.
    /// Whether its time is over is not asked, and reported.
    ///
    /// Throws as `verified`.
    package func described(by trust: PinnedRoots, now: UTCTime) throws -> BundleDescription {
        var files = SmallFiles(media)
        let metadata = try trust.metadata(&files, now: now, expiry: .report)
        var verification = Verification(metadata: metadata, files: files)
        return try verification.description()
    }

    /// Checks `trust/` alone, as `verified` does first: what a site learns from media whose release it doesn't want.
    package func metadata(
        by trust: PinnedRoots, now: UTCTime
    ) throws -> (metadata: TrustedMetadata, findings: [Finding]) {
        var files = SmallFiles(media)
        return (try trust.metadata(&files, now: now, expiry: .refuse), files.findings)
    }

    /// The medium's own first root, for showing its fingerprint before anyone trusts it. `nil` when it has none.
    package func firstRoot() throws -> [UInt8]? {
        let name = "trust/\(Role.root.fileName(version: 1))"
        for folder in media {
            for name in [name, "copies/\(name)"] {
                if let bytes = try folder.contents(of: name, limit: Role.root.byteLimit) { return bytes }
            }
        }
        return nil
    }
}

/// `SHA256SUMS`, verified, and what it says of every file, itself and its signature included.
private struct SignedSums {
    let lines: SumsFile
    let signer: KeyID
    let digests: [String: Digest]
}

/// Step 2 of the verification: what the targets list, each fault noted and the next file checked all the same.
struct Verification {
    let metadata: TrustedMetadata
    var files: SmallFiles
    var faults: [any ClassifiedError] = []
    /// What stands on the media under names that nothing signs.
    var unsigned: [UnsignedPath] = []

    struct UnsignedPath {
        let medium: FilePath
        let path: FilePath
    }

    init(metadata: TrustedMetadata, files: SmallFiles) { (self.metadata, self.files) = (metadata, files) }

    private var targets: Targets { metadata.targets.content }

    mutating func bundle(name: String, loose: [LooseFile], _ contents: LooseContents) throws -> VerifiedBundle {
        let release = try attempt { try $0.release() }
        let index = try attempt { try $0.index(release) }
        let sums = try attempt { try $0.sums() }
        try attempt { verification in try index.map { try verification.checkVolumes($0) } }
        if let sums {
            try attempt { try $0.check(sums.lines) }
            for name in targets.files.keys.sorted() where isOtherFile(name) {
                try attempt { try $0.checkOther(name) }
            }
            try attempt { try $0.checkNames(sums.lines) }
        }
        if faults.count == 1, let only = faults.first { throw only }
        if let all = BundleFaults(faults) { throw all }
        guard let release, let index, let sums else { throw BundleError.fileMissing(files.path("release.json")) }
        let volumes = places(index, loose, contents)
        let sources = try blocksFiles(index, loose, contents)
        var bundle = VerifiedBundle(
            name: name, release: release, index: index, metadata: metadata, sumsSigner: sums.signer,
            findings: files.findings, volumes: volumes)
        (bundle.blockSources, bundle.digests) = (sources, sums.digests)
        return bundle
    }

    mutating func description() throws -> BundleDescription {
        let release = try release()
        let index = try index(release)
        return BundleDescription(release: release, index: index, metadata: metadata, findings: files.findings)
    }

    /// Runs a check; a classified fault is noted and gives `nil`.
    @discardableResult
    private mutating func attempt<Value>(_ body: (inout Verification) throws -> Value) throws -> Value? {
        do {
            return try body(&self)
        } catch let fault as BundleFaults {
            faults += fault.faults
        } catch let fault as any ClassifiedError {
            faults.append(fault)
        }
        return nil
    }

    private func target(_ name: String) throws(BundleError) -> TargetFile {
        guard let target = targets.files[name] else {
            throw .malformed(files.path("trust/\(targets.fileName)"), "it does not list \(name)")
        }
        return target
    }

    // MARK: release.json and index

    private mutating func release() throws -> Release {
        let target = try target("release.json")
        let version = targets.release.version
        guard targets.lists(target, of: version) else {
            throw BundleError.delisted(version: version, accepted: targets.header.version)
        }
        let bytes = try files.bytes(of: "release.json", target, limit: Release.maximumSize)
        let path = files.path("release.json")
        let release: Release
        do {
            release = try Release(parsing: bytes)
        } catch let error as ReleaseError {
            throw error
        } catch {
            throw BundleError.malformed(path, "\(error)")
        }
        let (found, signed) = (
            "\(release.product) \(release.version) (\(release.edition))",
            "\(targets.release.product) \(version) (\(targets.release.edition))"
        )
        guard found == signed else { throw BundleError.otherRelease(path, expected: signed, found: found) }
        return release
    }

    private mutating func index(_ release: Release?) throws -> BundleIndex {
        let target = try target("index")
        if let file = release?.index {
            let named = TargetFile(
                length: Int64(clamping: file.length), sha256: file.sha256.bytes,
                sha512: [UInt8](lowercaseHex: file.sha512))
            guard named == target else {
                throw BundleError.malformed(files.path("release.json"), "it names another index than the targets do")
            }
        }
        let index = try BundleIndex(parsing: try files.bytes(of: "index", target, limit: BundleIndex.maximumSize))
        if let release {
            guard release.base != nil || !index.isDelta,
                index.repositoryCount <= release.base?.repositories.count ?? 0
            else { throw BundleError.malformed(files.path("index"), "it leaves out what no base of the release has") }
        }
        return index
    }

    /// The index and the targets must say the same about every volume.
    private func checkVolumes(_ index: BundleIndex) throws {
        let listed = targets.files.keys.filter { $0.hasPrefix("volumes/") }
        let equal = index.volumes.allSatisfy { volume in
            targets.files["volumes/\(volume.name)"].map {
                $0.length == Int64(clamping: volume.length) && $0.sha256 == volume.digest.bytes
            } ?? false
        }
        guard equal, listed.count == index.volumes.count else {
            throw BundleError.malformed(files.path("index"), "its volumes are not those of the targets")
        }
    }

    // MARK: SHA256SUMS

    private mutating func sums() throws -> SignedSums {
        let root = metadata.root.root
        let path = files.path("SHA256SUMS")
        guard try files.isPresent("SHA256SUMS") else { throw BundleError.fileMissing(path) }
        // Which of the sums and which of the signatures is damaged shows only when two belong together.
        let candidates = try files.candidates("SHA256SUMS", limit: SumsFile.maximumSize)
        let taken = try files.taken("SHA256SUMS.sig", limit: TrustLimits.signatureDigits / 2) { signature in
            var fault: (any Error)?
            for bytes in candidates {
                do throws(TrustError) {
                    return (try root.verifyDetached(signature: signature, over: bytes), bytes)
                } catch {
                    fault = error
                }
            }
            throw fault ?? TrustError.detachedSignature(file: "SHA256SUMS")
        }
        let (signer, signed) = taken.value
        _ = try files.taken("SHA256SUMS", limit: SumsFile.maximumSize) { bytes in
            guard bytes == signed else { throw TrustError.detachedSignature(file: "SHA256SUMS") }
        }
        guard let lines = SumsFile(parsing: signed) else { throw BundleError.malformed(path, "its lines") }
        let own = ["SHA256SUMS": Digest(of: signed), "SHA256SUMS.sig": Digest(of: taken.bytes)]
        return SignedSums(lines: lines, signer: signer, digests: lines.digests.merging(own) { $1 })
    }

    /// The lines must say of every file what the targets say, and nothing of any other but older roots.
    private func check(_ sums: SumsFile) throws {
        var expected: [String: [UInt8]] = [:]
        for (name, file) in targets.files where !name.hasPrefix("releases/") { expected[name] = file.sha256 }
        for (name, bytes) in metadata.files { expected["trust/\(name)"] = Hasher.hash(bytes) }
        let roots = Set(metadata.root.files.keys.map { "trust/\(Role.root.fileName(version: $0))" })
        var faults: [any ClassifiedError] = []
        for (name, digest) in sums.digests where expected.removeValue(forKey: name) != digest.bytes {
            faults.append(BundleError.sumsDiffer(name))
        }
        // The site may know newer roots than the medium.
        for name in expected.keys where !roots.contains(name) { faults.append(BundleError.sumsDiffer(name)) }
        if let all = BundleFaults(faults) { throw all }
    }

    // MARK: All other files

    private func isOtherFile(_ name: String) -> Bool {
        name != "release.json" && name != "index" && !name.hasPrefix("volumes/") && !name.hasPrefix("releases/")
    }

    private mutating func checkOther(_ name: String) throws { try files.check(name, try target(name)) }

    private mutating func checkNames(_ sums: SumsFile) throws {
        for medium in files.media {
            let walk = try NameWalk(medium, signed: sums.digests.keys)
            unsigned += walk.unsigned.map { UnsignedPath(medium: medium.path, path: $0) }
            faults += walk.refused.map { BundleError.extraName($0) }
        }
    }
}
