// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import Files
package import SystemPackage
package import Trust

/// The trust-only bundle: metadata without a release, small enough for any way across the gap (docs/format.md, "Trust").
package struct TrustExport {
    /// The most bytes of all its files together.
    package static let byteLimit = 65_535

    private let set: TrustedMetadata
    private let seal: BundleSeal
    private static let recipe = "README-VERIFY.txt"

    /// The page for people: the steps from the fingerprint to the list of files are those of every bundle.
    static let page: [UInt8] = {
        let recipe = String(decoding: PackageResources.README_VERIFY_txt, as: UTF8.self)
        let steps = recipe.split(separator: "\n", omittingEmptySubsequences: false)
            .drop { !$0.hasPrefix("1. ") }.prefix { !$0.hasPrefix("4. ") }.joined(separator: "\n")
        let frame = String(decoding: PackageResources.README_TRUST_txt, as: UTF8.self)
        let parts = frame.split(separator: "@STEPS@\n", omittingEmptySubsequences: false)
        return Array(parts.joined(separator: steps + "\n4. From the list to the files:\n\n").utf8)
    }()

    /// Throws `SigningError.nothingPublished`, `PackError.expired`.
    package init(_ trust: PublishedTrust, at path: FilePath, now: UTCTime) throws {
        guard let published = trust.published else { throw SigningError.nothingPublished(path) }
        guard trust.isCurrent else {
            throw PackError.trustUnusable(
                path, why: "the keys of its newest root have signed nothing yet; sign with dray trust renew first")
        }
        for (what, end) in [
            ("root", trust.root.root.header.expires), ("set", published.targets.content.header.expires),
        ] {
            guard end > now else { throw PackError.expired("the newest \(what) in \(path) expired at \(end)") }
        }
        set = published
        seal = BundleSeal(published, others: [TrustExport.recipe: TrustExport.page])
    }

    /// The folder's name.
    package var name: String {
        "\(set.root.root.product)-trust-\(set.root.root.header.version)-\(set.timestamp.content.header.version)"
    }

    /// Writes the folder below `out`, signed by one of these keys; one that is there with the same content is fine.
    ///
    /// Throws `SigningError.noReleaseKey` when none is a release key, `.tooLarge` (14) above 64 KiB, `.exportExists` for other
    /// content.
    package func write(below out: FilePath, keys: [PrivateKey]) throws -> (folder: FilePath, bytes: Int) {
        let root = set.root.root
        guard let signer = root.sumsSigner(among: keys) else {
            let version = root.header.version
            throw SigningError.noReleaseKey(
                root: version, keys.uncounted(by: [], for: .targets, root: version))
        }
        let signature = try signer.signDetached(seal.sums)
        let small = [seal.sums, signature, TrustExport.page].map(\.count).reduce(0, +)
        let bytes = set.files.reduce(small) { $0 + $1.bytes.count }
        guard bytes <= TrustExport.byteLimit else {
            throw SigningError.tooLarge(bytes: bytes, limit: TrustExport.byteLimit)
        }
        try out.createDirectories()
        let (final, partial) = (out.appending(name), out.appending(".\(name).partial"))
        if try final.exists() {
            let there = try MediaFolder(final).contents(of: "SHA256SUMS", limit: TrustExport.byteLimit)
            guard there == seal.sums else { throw SigningError.exportExists(final) }
            return (final, bytes)
        }
        try partial.createDirectories()
        try partial.removeTree()
        try seal.writeFiles(to: partial, signature: signature)
        try partial.appending(TrustExport.recipe).replaceContents(with: TrustExport.page)
        try partial.rename(to: final)
        try out.syncDirectory()
        return (final, bytes)
    }
}
