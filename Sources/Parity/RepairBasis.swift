// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import OCI
internal import SystemPackage
package import Trust

/// What repair and parity go by: the signed small files of a bundle, and the media that it is on.
///
/// It is no `VerifiedBundle`, and nothing can be loaded or extracted with it: where nobody named a root, the bundle is judged
/// by its own, which shows damage and says nothing of where the bundle is from.
package struct RepairBasis: Sendable {
    package let name: String
    package let description: BundleDescription
    package let media: [MediaFolder]
    /// Whether a root that is trusted here vouches for it; else integrity alone was checked.
    package let isOriginChecked: Bool
    private let bundle: UnverifiedBundle
    private let roots: PinnedRoots

    /// Checks `trust/`, `release.json` and `index` by roots that are trusted here; whether their time is over is not asked.
    /// Throws as `UnverifiedBundle.described`.
    package init(_ bundle: UnverifiedBundle, by roots: PinnedRoots, now: UTCTime) throws {
        try self.init(bundle, by: roots, now: now, isOriginChecked: true)
    }

    /// Checks the same by the bundle's own first root: integrity alone. Throws as `UnverifiedBundle.described`.
    package init(judgedByItself bundle: UnverifiedBundle, now: UTCTime) throws {
        var fault: any Error = BundleError.unsigned(FilePath(bundle.name).appending("trust"))
        for root in bundle.firstRoots() {
            do {
                try self.init(bundle, by: PinnedRoots(rootFiles: [root]), now: now, isOriginChecked: false)
                return
            } catch let error as any ClassifiedError {
                fault = error  // this copy of the root may be the damaged one
            }
        }
        throw fault
    }

    private init(_ bundle: UnverifiedBundle, by roots: PinnedRoots, now: UTCTime, isOriginChecked: Bool) throws {
        description = try bundle.described(by: roots, now: now)
        (name, media) = (bundle.name, bundle.media)
        (self.bundle, self.roots, self.isOriginChecked) = (bundle, roots, isOriginChecked)
    }

    package var binding: ParityBinding {
        ParityBinding(release: description.releaseDigest, index: description.release.index.sha256)
    }

    package var volumes: ParityVolumes { ParityVolumes(description.index, binding, media: media) }

    /// What is lost with such blocks, in names; `nil` where the media are in no state to tell.
    func lost(with blocks: [Int: Set<Int>]) throws -> (objects: [Digest], names: [String])? {
        do {
            return try bundle.verified(by: roots, now: .now, expiry: .report).lost(with: blocks)
        } catch let error as any ClassifiedError where error.failure != .interrupted {
            return nil
        }
    }
}

extension UnverifiedBundle {
    /// What stands on the media in the place of the first root, each content once.
    fileprivate func firstRoots() -> [[UInt8]] {
        let name = "trust/\(Role.root.fileName(version: 1))"
        var roots: [[UInt8]] = []
        for folder in media {
            for name in [name, "copies/\(name)"] {
                do throws(FileError) {
                    guard let bytes = try folder.contents(of: name, limit: Role.root.byteLimit) else { continue }
                    if !roots.contains(bytes) { roots.append(bytes) }
                } catch { continue }  // unreadable here: another copy may be good
            }
        }
        return roots
    }
}
