// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
package import OCI
internal import SystemPackage

/// A file that stands on every medium.
package struct CommonFile: Sendable {
    /// Its name in the bundle.
    let name: String
    let digest: Digest
    let length: UInt64
    let isExecutable: Bool
    /// Where it may be read, the first good one counts.
    let places: [Place]

    struct Place: Sendable {
        let folder: MediaFolder
        let name: String
    }
}

/// A file that stands on one medium: a volume, or parity.
package struct CopyItem: Sendable {
    /// Its name in the bundle.
    package let name: String
    package let length: UInt64
    /// Its place in the index; `nil` for parity, which nothing signs.
    package let volume: Int?
    /// Where parity is read.
    let folder: MediaFolder?

    var blockCount: Int { Volume.blockCount(of: length) }

    func bytes(ofBlock block: Int) -> Range<UInt64> {
        let start = UInt64(block) * UInt64(blockSize)
        return start..<min(start + UInt64(blockSize), length)
    }
}

/// A bundle to copy: all of it that was verified, and where it is read.
package struct CopySource: Sendable {
    package let bundle: VerifiedBundle
    /// By name.
    let common: [CommonFile]
    /// Volume 001 first, then the order of the index, then parity.
    package let items: [CopyItem]
    private let media: [MediaFolder]
    /// The SHA-256 of `release.json`, which names this very set.
    package let release: Digest
    /// The bundle's folder on the media.
    package var name: String { bundle.release.folderName }

    /// `media`: where `bundle` was verified. Throws `CopyError.sourceIncomplete` (3) where a volume is missing, `.sourceDamaged` (13)
    /// where a small file is, `FileError`.
    package init(_ bundle: VerifiedBundle, media: UnverifiedBundle) throws {
        let missing = bundle.missingVolumes.map(\.name)
        guard missing.isEmpty else { throw CopyError.sourceIncomplete(missing) }
        guard let release = bundle.digests["release.json"] else { throw CopyError.sourceDamaged("release.json") }
        (self.bundle, self.release, self.media) = (bundle, release, media.media)
        common = try CopySource.common(bundle, media.media)
        items = CopySource.volumes(bundle) + (try CopySource.parity(media.media))
    }

    /// Where a volume or parity file may be read as a file; `nil` where it is only in pieces.
    func path(of item: CopyItem) -> FilePath? {
        if let folder = item.folder { return folder.path(of: item.name) }
        return media.lazy.compactMap { folder in
            (try? folder.status(of: item.name))??.size == item.length ? folder.path(of: item.name) : nil
        }.first
    }

    private static func volumes(_ bundle: VerifiedBundle) -> [CopyItem] {
        let all = bundle.index.volumes.enumerated().map { number, volume in
            CopyItem(name: "volumes/\(volume.name)", length: volume.length, volume: number, folder: nil)
        }
        let first = "volumes/\(bundle.release.folderName).001.tar.zst"
        return all.filter { $0.name == first } + all.filter { $0.name != first }
    }

    private static func parity(_ media: [MediaFolder]) throws -> [CopyItem] {
        var items: [CopyItem] = []
        for folder in media where folder.hasOwnNames {
            let path = folder.path.appending("parity")
            guard try path.statusIfPresent(followingLinks: false)?.isDirectory == true else { continue }
            for name in try path.entries().map({ "parity/\($0)" }) where !name.hasPrefix("parity/.") {
                guard let status = try folder.status(of: name), status.isRegular,
                    !items.contains(where: { $0.name == name })
                else { continue }
                items.append(CopyItem(name: name, length: status.size, volume: nil, folder: folder))
            }
        }
        return items
    }

    private static let copied = ["release.json", "index", "SHA256SUMS", "SHA256SUMS.sig"]

    private static func common(_ bundle: VerifiedBundle, _ media: [MediaFolder]) throws -> [CommonFile] {
        var files: [CommonFile] = []
        for (name, digest) in bundle.digests where !name.hasPrefix("volumes/") {
            let isCopied = name.hasPrefix("trust/") || copied.contains(name)
            let places =
                media.map { CommonFile.Place(folder: $0, name: name) }
                + (isCopied ? media.map { CommonFile.Place(folder: $0, name: "copies/\(name)") } : [])
            let there = try places.filter { try $0.folder.status(of: $0.name)?.isRegular == true }
            guard let first = there.first, let size = try first.folder.status(of: first.name)?.size else {
                throw CopyError.sourceDamaged(name)
            }
            let isExecutable = try first.folder.path(of: first.name).isExecutable()
            for target in isCopied ? [name, "copies/\(name)"] : [name] {
                // a second copy comes from a second copy, where there is one
                let sorted = there.filter { $0.name == target } + there.filter { $0.name != target }
                files.append(
                    CommonFile(name: target, digest: digest, length: size, isExecutable: isExecutable, places: sorted))
            }
        }
        return files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}
