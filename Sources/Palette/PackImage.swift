// SPDX-License-Identifier: Apache-2.0

package import OCI

/// An image that a pack's values name, as what a node will ask the appliance's registry for.
package struct PackImage: Hashable, Sendable {
    /// Below the base path.
    package let repository: String
    /// Absent where the pack names a digest: a node then asks for that, whatever the tag.
    package let tag: String?
    package let digest: Digest?

    /// Throws `MappingError` when a registry could not take the path.
    package init(_ source: Reference) throws(MappingError) {
        let delivered = try DeliveredReference(source: source)
        repository = delivered.repository
        digest = source.digest
        tag = source.digest == nil ? delivered.tag : nil
    }

    private init(repository: String, tag: String?, digest: Digest?) {
        (self.repository, self.tag, self.digest) = (repository, tag, digest)
    }

    /// `<repository>:<tag>` or `<repository>@<digest>`.
    package var name: String { tag.map { "\(repository):\($0)" } ?? "\(repository)@\(digest?.description ?? "")" }

    /// The same image where the other list writes Docker Hub's `library/` and this one doesn't, or the other way round;
    /// `nil` for an image that has a host or a folder of its own.
    package var otherSpelling: PackImage? {
        let library = "library/"
        let rest = repository.hasPrefix(library) ? String(repository.dropFirst(library.count)) : repository
        guard !rest.contains("/") else { return nil }
        return PackImage(repository: rest == repository ? library + rest : rest, tag: tag, digest: digest)
    }
}

/// Which of the vendor's two builds a pack is of: they share names and tags and must not stand in one registry
/// (reference/palette.md, section 6).
package enum PackFlavour {
    /// Whether the images are of the FIPS build, by the vendor's repositories that they come from
    /// (`us-docker.pkg.dev/palette-images-fips/...` against `.../palette-images/...`); `nil` where none does, or some
    /// of both.
    package static func isFIPS(_ repositories: some Sequence<String>) -> Bool? {
        var found: Set<Bool> = []
        for repository in repositories {
            let parts = repository.split(separator: "/", maxSplits: 2)
            guard parts.count == 3, ["us-docker.pkg.dev", "gcr.io"].contains(parts[0]) else { continue }
            guard parts[1].hasPrefix("palette-images") || parts[1].hasPrefix("spectro-images") else { continue }
            found.insert(parts[1].hasSuffix("-fips"))
        }
        return found.count == 1 ? found.first : nil
    }
}
