// SPDX-License-Identifier: Apache-2.0

package import OCI

/// What a bundle is and what it delivers: the file `release.json` (docs/format.md).
package struct Release: Sendable, Equatable {
    /// The only format that this version reads and writes.
    package static let format: Int64 = 1
    /// The most bytes of the file: some 100,000 references.
    package static let maximumSize = 64 << 20

    package var product: String
    package var version: String
    /// `palette` or `vertex`.
    package var edition: String
    /// `YYYY-MM-DD`.
    package var supportEnd: String?
    /// The feature of a bundle that leaves out what `base` has.
    package static let deltaFeature = "delta"

    /// Names of what a reader must know to use the bundle: `deltaFeature` or nothing.
    package var features: [String] { base == nil ? [] : [Release.deltaFeature] }
    /// What a delta builds on; `nil` for a full bundle.
    package var base: Base?
    package var index: IndexFile
    /// Bytes that no volume exceeds; 0 for no limit.
    package var volumeSize: UInt64
    /// SHA-256 of each vendor key file that signatures were checked with.
    package var vendorKeys: [Digest] = []
    package var contents: [Content] = []
    package var files: [DeliveredFile] = []
    package var references: [ReleaseReference] = []
    /// Tags that rightly move, by the publisher's word; sorted by repository, tag and `from`, each once.
    package var movesTags: [TagMove] = []
    package var requirements = Requirements()
    /// Absent in releases of before it was known.
    package var kind: Kind?
    /// Releases that a site must have before this one is of use.
    package var needs: [Name] = []
    /// Not for production, by the publisher's word.
    package var isPreview = false
    /// Versions of the same product from which a site may come to this one; empty where nothing is said.
    package var upgradesFrom: [String] = []
    package var profile: Profile?
    package var fipsEvidence: [FIPSEvidence] = []

    package init(product: String, version: String, edition: String, index: IndexFile, volumeSize: UInt64) {
        (self.product, self.version, self.edition) = (product, version, edition)
        (self.index, self.volumeSize) = (index, volumeSize)
    }

    /// `<product>-<version>`.
    package var name: String { "\(product)-\(version)" }
    /// The bundle's folder as `pack` calls it: the name, and for a delta `-delta-<label>`.
    package var folderName: String { base.map { "\(name)-delta-\($0.label)" } ?? name }

    /// A tag that the site may point from one manifest to the one that the release delivers, without asking anybody.
    package struct TagMove: Sendable, Hashable {
        /// Below the target's base path.
        package var repository: String
        package var tag: String
        /// Where the tag points before; another digest than `to`. One tag may have several.
        package var from: Digest
        /// What the release delivers under this name.
        package var to: Digest

        package init(repository: String, tag: String, from: Digest, to: Digest) {
            (self.repository, self.tag, self.from, self.to) = (repository, tag, from, to)
        }

        /// `<repository>:<tag>`.
        package var name: String { "\(repository):\(tag)" }
    }

    /// The index by length and hashes.
    package struct IndexFile: Sendable, Equatable {
        package var length: UInt64
        package var sha256: Digest
        /// 128 lower-case hex digits.
        package var sha512: String

        package init(length: UInt64, sha256: Digest, sha512: String) {
            (self.length, self.sha256, self.sha512) = (length, sha256, sha512)
        }
    }

    /// One input of the release.
    package struct Content: Sendable, Equatable {
        /// `iso`, `bundle`, `layout`, `packs` or `file`.
        package var kind: String
        package var name: String
        /// Of the file; absent for a folder.
        package var digest: Digest?
        package var size: UInt64?
        /// `file`, `registry` or both.
        package var delivered: [String]
        package var vendorSignature: VendorSignature
        /// What was read of a bundle, a layout or a pack folder.
        package var bundle: BundleFacts?
        /// What was read of an ISO image.
        package var iso: ISOFacts?
        /// Taken into a VerteX release although it is not of the FIPS build, by the manifest's word.
        package var isNonFIPSAllowed = false

        package init(
            kind: String, name: String, digest: Digest? = nil, size: UInt64? = nil, delivered: [String],
            vendorSignature: VendorSignature
        ) {
            (self.kind, self.name, self.digest, self.size) = (kind, name, digest, size)
            (self.delivered, self.vendorSignature) = (delivered, vendorSignature)
        }
    }

    package enum VendorSignature: Sendable, Equatable {
        /// Valid under the key of this SHA-256.
        case key(Digest)
        /// The publisher waived it: `signature: none`.
        case waived
        /// An input of this kind has none.
        case notApplicable
    }

    /// A file that can be written out.
    package struct DeliveredFile: Sendable, Equatable {
        package var name: String
        package var kind: String
        package var digest: Digest
        package var size: UInt64
        /// The vendor's signature file that goes with it.
        package var signature: SignatureFile?

        package init(name: String, kind: String, digest: Digest, size: UInt64, signature: SignatureFile?) {
            (self.name, self.kind, self.digest, self.size) = (name, kind, digest, size)
            self.signature = signature
        }
    }

    package struct SignatureFile: Sendable, Equatable {
        package var name: String
        package var digest: Digest
        package var size: UInt64

        package init(name: String, digest: Digest, size: UInt64) {
            (self.name, self.digest, self.size) = (name, digest, size)
        }
    }

    /// What the target must be able to do and hold.
    package struct Requirements: Sendable, Equatable {
        /// Media types of the manifests, sorted.
        package var mediaTypes: [String] = []
        /// Bytes.
        package var largestBlob: UInt64 = 0
        /// Bytes of all registry content, each blob once.
        package var registryBytes: UInt64 = 0

        package init() {}
    }
}

/// A manifest that `load` sends, and the tag it gives it.
package struct ReleaseReference: Sendable, Equatable {
    /// Below the target's base path.
    package var repository: String
    /// Absent for a manifest that is only sent by digest.
    package var tag: String?
    package var descriptor: Descriptor
    /// `image`, `artifact`, `pack` or `bundleDefinition`.
    package var kind: String
    /// The reference as the input had it.
    package var source: String
    /// Whether the tag may point elsewhere than before.
    package var mayMove: Bool
    /// The images that a pack names, as the registry delivers them: `<repository>:<tag>` or `<repository>@<digest>`,
    /// sorted, each once. Absent where the pack names no list, or none that could be read.
    package var images: [String]?
    /// Whether a pack is of the vendor's FIPS build; absent where its images don't tell.
    package var fips: Bool?

    package init(
        repository: String, tag: String?, descriptor: Descriptor, kind: String, source: String, mayMove: Bool = false
    ) {
        (self.repository, self.tag, self.descriptor) = (repository, tag, descriptor)
        (self.kind, self.source, self.mayMove) = (kind, source, mayMove)
    }

    /// `<repository>:<tag>` or `<repository>@<digest>`.
    package var name: String { tag.map { "\(repository):\($0)" } ?? "\(repository)@\(descriptor.digest)" }
}
