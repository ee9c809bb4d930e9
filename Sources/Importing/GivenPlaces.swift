// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import OCI
package import SystemPackage
package import Trust

/// What the user gave beside the bundle from which the bytes of a delta may be taken.
package struct GivenPlaces: Sendable {
    /// Bundles that must be usable: `--base`.
    package var bases: [UnverifiedBundle] = []
    /// Other bundles among the media, which may be.
    package var others: [UnverifiedBundle] = []
    /// ISO images and archives: `--seed`.
    package var seeds: [FilePath] = []

    package init() {}

    /// Where this site may have what `bundle` leaves out; `nil` for a full bundle.
    ///
    /// Bases are verified by the roots that the site trusts, expired or not: all that is taken from them is compared with what the
    /// delta's publisher has signed. Throws what verification throws, `SourceError`, and `FileError`.
    package func sources(
        for bundle: VerifiedBundle, target: (any LoadTarget)?, state: SiteState, now: UTCTime, jobs: Int = 4
    ) throws -> SiteSources? {
        guard bundle.index.isDelta else { return nil }
        var verified: [VerifiedBundle] = []
        var findings: [String] = []
        for base in bases { verified.append(try GivenPlaces.verified(base, for: bundle, state, now)) }
        for other in others {
            do {
                verified.append(try GivenPlaces.verified(other, for: bundle, state, now))
            } catch let error as any ClassifiedError {
                findings.append("nothing is taken from \(other.name.printable): \(error)")
            }
        }
        return try SiteSources(
            for: bundle, bases: verified, seeds: seeds, target: target, state: state, jobs: jobs, findings: findings)
    }

    private static func verified(
        _ base: UnverifiedBundle, for bundle: VerifiedBundle, _ state: SiteState, _ now: UTCTime
    ) throws -> VerifiedBundle {
        let found = try base.verified(by: state.pinnedRoots(), now: now, expiry: .report)
        let named = bundle.release.base?.releases.map(\.name.product) ?? []
        guard ([bundle.release.product] + named).contains(found.release.product) else {
            throw SourceError.otherProduct(base.name, found.release.product, wanted: bundle.baseNames ?? "")
        }
        return found
    }
}

/// Why something can't serve a delta.
package enum SourceError: Error, Equatable {
    /// A base bundle of a product that the delta doesn't build on; its folder, the product, and what the delta builds on.
    case otherProduct(String, String, wanted: String)
    /// A seed that is no regular file.
    case noFile(FilePath)
}

extension SourceError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .otherProduct: .refused
        case .noFile: .usage
        }
    }

    package var description: String {
        switch self {
        case .otherProduct(let folder, let product, let wanted):
            "\(folder.printable) is of \(product.printable), and this delta builds on \(wanted); give that bundle with --base"
        case .noFile(let path):
            "\(path.printable) is no regular file; --seed takes the ISO image or the vendor's archive that the site has"
        }
    }
}
