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
