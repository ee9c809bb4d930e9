// SPDX-License-Identifier: Apache-2.0

package import OCI

/// What a bundle, a release, a site or a folder has, as far as it can be compared with another.
package struct ContentListing: Sendable {
    /// What names a manifest in a repository.
    package struct Name: Hashable, Sendable, Comparable {
        package var repository: String
        package var tag: String

        package init(repository: String, tag: String) { (self.repository, self.tag) = (repository, tag) }

        package static func < (left: Name, right: Name) -> Bool {
            (left.repository, left.tag) < (right.repository, right.tag)
        }
    }

    package struct File: Sendable, Equatable {
        package var digest: Digest
        /// Bytes.
        package var size: UInt64

        package init(digest: Digest, size: UInt64) { (self.digest, self.size) = (digest, size) }
    }

    /// What it is, for people: `bundle palette-enterprise 4.7.27`.
    package var title: String
    /// Whose word it is, or that it is nobody's.
    package var proof: String
    /// Whether somebody known vouches for it.
    package var isProven: Bool
    /// Tags with what they point to. What only a digest names is left out.
    package var tags: [Name: Digest] = [:]
    package var files: [String: File] = [:]
    package var profile: Release.Profile?
    /// Versions of what was read: `iso appliance.iso` to `4.7.27, kernel 6.8`.
    package var facts: [String: String] = [:]
    /// Blobs and manifests with their bytes; `nil` where the listing doesn't tell.
    package var blobs: [Digest: UInt64]?
    package var index: BundleIndex?

    package init(title: String, proof: String, isProven: Bool) {
        (self.title, self.proof, self.isProven) = (title, proof, isProven)
    }

    /// What a release says, and what its index has.
    package init(_ release: Release, index: BundleIndex?, title: String, proof: String, isProven: Bool) {
        self.init(title: title, proof: proof, isProven: isProven)
        for reference in release.references {
            guard let tag = reference.tag else { continue }
            tags[Name(repository: reference.repository, tag: tag)] = reference.descriptor.digest
        }
        for file in release.files { files[file.name] = File(digest: file.digest, size: file.size) }
        profile = release.profile
        for content in release.contents { facts["\(content.kind) \(content.name)"] = content.facts }
        guard let index else { return }
        self.index = index
        let delivered = Set(release.files.flatMap { [$0.digest] + ($0.signature.map { [$0.digest] } ?? []) })
        var blobs: [Digest: UInt64] = [:]
        for number in 0..<index.objectCount {
            let object = index.object(number)
            if !delivered.contains(object.digest) { blobs[object.digest] = object.size }
        }
        self.blobs = blobs
    }
}

extension Release.Content {
    /// What was read of it, in a line; `nil` where nothing was.
    fileprivate var facts: String? {
        let bundle = [
            self.bundle?.version, self.bundle?.agent.map { "agent \($0)" },
            self.bundle?.fips.map { $0 ? "FIPS" : "not FIPS" },
        ]
        let iso = [
            self.iso?.version, self.iso?.edition, self.iso?.kernel.map { "kernel \($0)" }, self.iso?.os,
            self.iso.map { "volume \($0.volumeID)" },
        ]
        let words = (bundle + iso).compactMap(\.self)
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }
}
