// SPDX-License-Identifier: Apache-2.0

package import OCI

/// What a manifest is to the appliance. The order is the order in which tags are written: a pack whose images are
/// missing must never be seen.
package enum ContentKind: String, Sendable, Codable, CaseIterable, Comparable {
    case image
    /// Anything else with a reference, for example a cluster definition.
    case artifact
    case pack
    case bundleDefinition

    package static func < (left: ContentKind, right: ContentKind) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .image: 0
        case .artifact: 1
        case .pack: 2
        case .bundleDefinition: 3
        }
    }
}

/// Where a manifest goes in the appliance's registry, below the base path (reference/palette.md, section 2).
package struct DeliveredReference: Hashable, Sendable {
    /// Without the base path and without a leading slash; valid as a repository name.
    package let repository: String
    /// Valid as a tag.
    package let tag: String
    package let kind: ContentKind

    /// The folder of packs below the base path; Palette's catalogue looks nowhere else.
    package static let packFolder = "spectro-packs/archive"
    /// The repository in which each bundle leaves a description of itself.
    package static let bundleDefinitions = "bundle-definition"
    /// The tag that every single pack's bundle uses, so that it only ever describes the last one; it may move freely.
    package static let sharedBundleTag = "bundle"
    /// The annotation by which the vendor's tool tells what a manifest is.
    package static let typeAnnotation = "io.image.ref.spectrocloud.type"

    private init(repository: String, tag: String, kind: ContentKind) {
        (self.repository, self.tag, self.kind) = (repository, tag, kind)
    }

    /// Where a manifest with this source reference goes: an image to its full source path, without Docker Hub's host as
    /// the appliance does; a pack or a bundle definition, known by its repository, to where the appliance keeps those.
    ///
    /// Without a tag it gets `latest`, or `digest-<hex>` when the reference has a digest alone: `sha256-<hex>` is where
    /// registries without a referrers API keep what refers to that digest (distribution-spec 1.1, "Referrers Tag
    /// Schema"). `type` is the value of `typeAnnotation`, if there is one. Throws `MappingError` when a registry could
    /// not take the path.
    package init(source: Reference, type: String? = nil) throws(MappingError) {
        let tag = source.tag ?? source.digest.map { "digest-\($0.hex)" } ?? "latest"
        let path = DeliveredReference.dockerHubRemoved(from: source.name)
        if let pack = DeliveredReference.pack(in: path) {
            try self.init(pack: pack, version: tag)
        } else if DeliveredReference.isBundleDefinition(path) {
            try self.init(bundleDefinition: tag)
        } else {
            guard Reference.isRepository(path), Reference.isTag(tag) else { throw .unusable(source.description) }
            self.init(repository: path, tag: tag, kind: type == "spc" ? .artifact : .image)
        }
    }

    /// Where a pack goes. Throws `MappingError` for a name or a version outside `PackMetadata`'s rules.
    package init(pack name: String, version: String) throws(MappingError) {
        guard PackMetadata.isName(name), Reference.isRepository(name), Reference.isTag(version) else {
            throw .unusablePack(name: String(name.prefix(200)), version: String(version.prefix(200)))
        }
        self.init(repository: "\(DeliveredReference.packFolder)/\(name)", tag: version, kind: .pack)
    }

    /// Where a bundle's definition goes. Throws `MappingError` for a name that is no tag.
    package init(bundleDefinition name: String) throws(MappingError) {
        guard Reference.isTag(name) else {
            throw .unusable("\(DeliveredReference.bundleDefinitions):\(name.prefix(200))")
        }
        self.init(repository: DeliveredReference.bundleDefinitions, tag: name, kind: .bundleDefinition)
    }

    /// Whether the tag may point elsewhere than before without anyone having said so.
    package var mayMoveFreely: Bool { kind == .bundleDefinition && tag == DeliveredReference.sharedBundleTag }

    private static func dockerHubRemoved(from name: String) -> String {
        for host in ["docker.io/", "index.docker.io/"] where name.hasPrefix(host) {
            return String(name.dropFirst(host.count))
        }
        return name
    }

    // What was copied out of a registry has its host and base path before the pack folder.
    private static func pack(in path: String) -> String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts.suffix(3).dropLast().elementsEqual(["spectro-packs", "archive"]) else {
            return nil
        }
        return parts.last.map(String.init)
    }

    // Only below the appliance's own base path: elsewhere the name may be anybody's image.
    private static func isBundleDefinition(_ path: String) -> Bool {
        path == bundleDefinitions || path.hasSuffix("/spectro-content/\(bundleDefinitions)")
            || path == "spectro-content/\(bundleDefinitions)"
    }
}

extension DeliveredReference: CustomStringConvertible {
    package var description: String { "\(repository):\(tag)" }
}

/// Why a source reference has no place in the appliance's registry.
package enum MappingError: Error, Equatable {
    /// The reference as written: its path or tag is none that a registry takes.
    case unusable(String)
    case unusablePack(name: String, version: String)
}

extension MappingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unusable(let reference):
            "\(reference) can't be a path in the appliance's registry (a port or capitals in the host, perhaps); "
                + "copy it under another reference and pack again"
        case .unusablePack(let name, let version):
            "the pack \"\(name)\" version \"\(version)\" can't be a repository and a tag; correct its pack.json"
        }
    }
}
