// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import OCI

extension LoadPlan {
    package enum TagAction: String, Sendable {
        /// The tag does not exist.
        case new
        /// It points where it should.
        case equal
        /// It points elsewhere and may move.
        case move
        /// It points elsewhere and may not.
        case refuse
    }

    /// Who allows a tag to move.
    package enum Leave: String, Sendable {
        case nobody
        /// The release says so, signed: for this tag at any time, or from where it points now.
        case release
        /// `--replace-tags`.
        case admin
    }

    /// A tag of the release and what happens to it.
    package struct TagStep: Sendable, Equatable {
        package let repository: String
        package let tag: String
        package let descriptor: Descriptor
        package let kind: String
        package let action: TagAction
        /// Where it points now.
        package let before: TargetAnswers.Tagged?
        package let leave: Leave
        /// Whether the target must drop the tag before it can have it with the new media type.
        package var retypes: Bool { changesType && !targetRetypesTags }
        private let targetRetypesTags: Bool
        /// Whether it names a manifest of another media type now.
        let changesType: Bool
        /// Whether it is a pack of which this site has the vendor's other build, FIPS or not, under the same tag. Nothing
        /// allows that: the registry's relation to cluster profiles would break (Palette's known issues).
        package let isOtherBuild: Bool

        package var name: String { "\(repository):\(tag)" }

        /// Set when it may not get what the release has for it.
        package var refusal: LoadError.TagMove? {
            guard action == .refuse, let before else { return nil }
            return LoadError.TagMove(name: name, before: before.digest, digest: descriptor.digest)
        }
    }

    /// Decides what to do about a tag; `before` is where it points now.
    package static func action(before: Digest?, wanted: Digest, leave: Leave) -> TagAction {
        guard let before else { return .new }
        guard before != wanted else { return .equal }
        return leave == .nobody ? .refuse : .move
    }
}

extension LoadPlan.TagStep {
    /// `nil` for a manifest that gets no tag.
    init?(
        _ item: RegistryContent.Item, _ content: RegistryContent, _ answers: TargetAnswers, _ patterns: [TagPattern]
    ) {
        guard let tag = item.finalTag(content) else { return nil }
        (repository, self.tag, kind) = (item.reference.repository, tag, item.reference.kind)
        descriptor = item.reference.descriptor
        before = answers.tags[Place(repository, tag)]
        leave = Self.leave(item, tag, before: before?.digest, patterns)
        let wanted = LoadPlan.action(before: before?.digest, wanted: descriptor.digest, leave: leave)
        let build = answers.builds[Place(repository, tag)].flatMap { [before] in $0.digest == before?.digest ? $0 : nil
        }
        isOtherBuild = wanted != .equal && build.map { $0.fips != (item.reference.fips ?? $0.fips) } ?? false
        action = isOtherBuild ? .refuse : wanted
        let isOther =
            before.map { [descriptor] in !$0.mediaType.isEmpty && $0.mediaType != descriptor.mediaType } ?? false
        changesType = action == .move && isOther
        targetRetypesTags = answers.traits.retypesTags
    }

    private static func leave(
        _ item: RegistryContent.Item, _ tag: String, before: Digest?, _ patterns: [TagPattern]
    ) -> LoadPlan.Leave {
        if item.reference.mayMove || before.map(item.movesFrom.contains) == true { return .release }
        return patterns.contains { $0.matches("\(item.reference.repository):\(tag)") } ? .admin : .nobody
    }
}
