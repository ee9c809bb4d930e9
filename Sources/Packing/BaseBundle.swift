// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
package import Files
internal import FoundationEssentials
internal import OCI
package import SystemPackage
internal import Trust

/// An earlier release that a delta builds on, proven to be of this publisher. Its volumes may be absent; what is there is used.
struct BaseBundle: Sendable {
    let folder: FilePath
    let release: Release
    let index: BundleIndex
    let facts: Release.BaseRelease
    /// For reading what it has of volumes; `nil` where none can be read.
    let readable: VerifiedBundle?
    private(set) var warnings: [String] = []

    /// Opens a bundle's folder, or an index file of that name with `release.json` beside it.
    ///
    /// A folder with `trust/` is checked from the first root of `trust` on; one without must be listed there now. Whether its
    /// time is over, or its support, is not asked: a site may have it all the same.
    /// Throws `DeltaError`, `BundleError` and `TrustError`, `ReleaseError` and `IndexError`.
    init(_ path: FilePath, trust: PublishedTrust, now: UTCTime) throws {
        guard let status = try path.statusIfPresent() else { throw DeltaError.noBase(path) }
        guard status.isDirectory || path.lastComponent?.string == "index" else { throw DeltaError.noBase(path) }
        let folder = status.isDirectory ? path : try path.absolute().removingLastComponent()
        guard try folder.appending("release.json").exists() || folder.appending("copies/release.json").exists() else {
            throw DeltaError.noBase(path)
        }
        self.folder = folder
        let name = try folder.absolute().lastComponent?.string ?? "base"
        guard try folder.appending("trust").exists() || folder.appending("copies/trust").exists() else {
            let (release, index, digest) = try BaseBundle.listed(folder, trust)
            (self.release, self.index, readable) = (release, index, nil)
            facts = BaseBundle.facts(release, digest)
            return
        }
        let bundle = UnverifiedBundle(name: name, folders: [folder])
        let roots = try PinnedRoots([PinnedRoots.Chain(roots: trust.root.files.sorted { $0.key < $1.key }.map(\.value))]
        )
        let description = try bundle.described(by: roots, now: now)
        (release, index) = (description.release, description.index)
        facts = BaseBundle.facts(description.release, description.releaseDigest)
        var warnings =
            description.metadata.expired.isEmpty ? [] : ["\(name) has expired; the delta is made all the same"]
        if let document = description.metadata.targets.content.files["release.json"],
            !trust.lists(document, of: description.release.version)
        {
            warnings.append("\(name) was replaced or delisted since; the delta is made all the same")
        }
        (readable, self.warnings) = try BaseBundle.readable(bundle, roots, now, warnings)
    }

    /// The volumes count only where everything else of the bundle is right too.
    private static func readable(
        _ bundle: UnverifiedBundle, _ roots: PinnedRoots, _ now: UTCTime, _ warnings: [String]
    ) throws -> (VerifiedBundle?, [String]) {
        guard let folder = bundle.folders.first, try folder.appending("volumes").exists() else {
            return (nil, warnings)
        }
        do {
            return (try bundle.verified(by: roots, now: now, expiry: .report), warnings)
        } catch let error as any ClassifiedError {
            return (nil, warnings + ["the volumes in \(folder) are not used: \(error)"])
        }
    }

    private static func facts(_ release: Release, _ digest: Digest) -> Release.BaseRelease {
        Release.BaseRelease(
            name: Release.Name(product: release.product, version: release.version), release: digest,
            index: release.index.sha256)
    }

    /// What the trust folder lists itself: `release.json` is found by its digest before it is parsed.
    private static func listed(
        _ folder: FilePath, _ trust: PublishedTrust
    ) throws -> (Release, BundleIndex, Digest) {
        let path = folder.appending("release.json")
        let bytes = try path.contents(limit: Release.maximumSize)
        let document = TargetFile(
            length: Int64(bytes.count), sha256: Hasher.hash(bytes), sha512: Hasher.hash(bytes, .sha512))
        let versions = trust.published?.targets.content.supportedVersions ?? []
        guard versions.contains(where: { trust.lists(document, of: $0) }) else { throw DeltaError.unlistedBase(path) }
        let release = try Release(parsing: bytes)
        let index = try folder.appending("index").contents(limit: BundleIndex.maximumSize)
        guard UInt64(index.count) == release.index.length, Digest(of: index) == release.index.sha256,
            Hasher.hash(index, .sha512).lowercaseHex == release.index.sha512
        else { throw DeltaError.otherIndex(folder.appending("index")) }
        return (release, try BundleIndex(parsing: index), Digest(of: bytes))
    }

    /// The names of the volumes that are here.
    var presentVolumes: [String] {
        guard let readable else { return [] }
        let missing = Set(readable.missingVolumes.map(\.name))
        return readable.index.volumes.map(\.name).filter { !missing.contains($0) }
    }

    /// The blobs that loading it put into each repository, by the manifests in its volumes; `nil` where those are not here.
    func registryBlobs() throws -> [String: [Digest]]? {
        guard let reader = readable?.reader() else { return nil }
        var graphs: [String: ManifestGraph] = [:]
        do {
            for reference in release.references {
                try graphs[reference.repository, default: ManifestGraph()].add(reference.descriptor) { descriptor in
                    let bytes = try reader.bytes(of: descriptor.digest, limit: Manifest.maximumSize)
                    return try Manifest(parsing: Data(bytes), mediaType: descriptor.mediaType)
                }
            }
        } catch let error as BundleError {
            guard case .volumeMissing = error else { throw error }
            return nil
        }
        return graphs.mapValues { $0.blobs.map(\.digest) }
    }
}

/// Why a delta can't be made on what was named.
package enum DeltaError: Error, Equatable {
    case noBase(FilePath)
    case unlistedBase(FilePath)
    case otherIndex(FilePath)
    case volumeDamaged(FilePath)
    case emptyHolding(String)
}

extension DeltaError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .noBase, .emptyHolding: .usage
        case .unlistedBase: .notTrusted
        case .otherIndex, .volumeDamaged: .damaged
        }
    }

    package var description: String {
        switch self {
        case .noBase(let path):
            "\(path) is no base: name a bundle's folder, or its file index with release.json beside it"
        case .unlistedBase(let path):
            "the trust folder lists no release with \(path), and there is no trust/ beside it; name the bundle's folder with "
                + "its trust/"
        case .otherIndex(let path): "\(path) is not the index that release.json names; copy both again"
        case .volumeDamaged(let path):
            "\(path) differs from what is signed; copy it again, or leave it out: the base's small files are enough"
        case .emptyHolding(let name):
            "\(name) says of no blob in which repository it is; let the site write an inventory: dray-import inventory"
        }
    }
}
