// SPDX-License-Identifier: Apache-2.0

package import OCI
package import Trust

/// What a bundle's signed small files say, without a look at anything else of it: enough to compare releases, and to make a
/// delta that builds on it. Nothing can be read with it; that takes a `VerifiedBundle`.
package struct BundleDescription: Sendable {
    package let release: Release
    package let index: BundleIndex
    package let metadata: TrustedMetadata
    /// SHA-256 of `release.json`.
    package let releaseDigest: Digest
    /// What should be known and stops nothing.
    package let findings: [Finding]

    init(release: Release, index: BundleIndex, metadata: TrustedMetadata, findings: [Finding]) {
        guard let document = metadata.targets.content.files["release.json"] else {
            preconditionFailure("a release was read by its line in the targets")
        }
        (self.release, self.index, self.metadata) = (release, index, metadata)
        (releaseDigest, self.findings) = (Digest(hashed: document.sha256), findings)
    }
}

/// What a site said that it has, read from its inventory or the receipt of a load.
package struct SiteHolding: Sendable {
    /// A blob, and where it is.
    package struct Blob: Sendable, Equatable {
        /// Bytes.
        package var size: UInt64
        /// Numbers in `repositories`, ascending.
        package var repositories: [UInt32]

        package init(size: UInt64, repositories: [UInt32]) { (self.size, self.repositories) = (size, repositories) }
    }

    /// Which file said it, and who signed that.
    package var source: Release.BaseSite
    /// Below the target's base path, each once.
    package var repositories: [String] = []
    /// Configurations and layers.
    package var blobs: [Digest: Blob] = [:]

    package init(source: Release.BaseSite) { self.source = source }
}
