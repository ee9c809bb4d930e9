// SPDX-License-Identifier: Apache-2.0

internal import OCI
internal import PaletteSources

/// One manifest that is wanted, under the name it will have in the layout.
struct MirrorTarget: Sendable, Equatable {
    /// The full source reference: with its tag, or with a digest alone.
    var name: String
    let source: SourceRepository
    /// What the registry is asked for where no digest is known.
    let tag: String?
    /// What the manifest pins.
    let digest: Digest?
    /// `nil` for all.
    var platforms: [MirrorPlatform]?
    var referrers: Bool
    var wantedBy: [String]

    init(_ reference: Reference, of selection: MirrorSelection) {
        name = (reference.tag == nil ? reference : Reference(name: reference.name, tag: reference.tag)).description
        source = SourceRepository(of: reference)
        (tag, digest) = (reference.tag, reference.digest)
        (platforms, referrers, wantedBy) = (selection.platforms, selection.referrers, selection.wantedBy)
    }

    /// What the registry is asked for.
    var question: String { digest?.description ?? tag ?? "latest" }

    /// Takes in another wish for the same.
    mutating func merge(_ other: MirrorTarget) {
        wantedBy += other.wantedBy.filter { !wantedBy.contains($0) }
        referrers = referrers || other.referrers
        if let mine = platforms, let theirs = other.platforms {
            platforms = mine + theirs.filter { !mine.contains($0) }
        } else {
            platforms = nil
        }
    }
}

/// A child that an index lists and the mirror leaves out.
struct LeftOut: Sendable, Equatable {
    let digest: Digest
    let platform: String
}

/// Everything of one root manifest.
struct MirroredTree: Sendable, Equatable {
    /// With the root, each once.
    var manifests: [Descriptor] = []
    var blobs: [Descriptor] = []
    var leftOut: [LeftOut] = []
}

/// A target, found.
struct Resolved: Sendable {
    enum State: String, Sendable { case new, unchanged, changed }

    let target: MirrorTarget
    let root: Descriptor
    let state: State
    /// Where the tag led before, if elsewhere.
    var former: Digest?
    let tree: MirroredTree
    /// Referrers, each with all that it needs; `nil` where nobody asked.
    var referrers: [(root: Descriptor, tree: MirroredTree)]?
    var signatureTags: [(tag: String, root: Descriptor, tree: MirroredTree)] = []
    /// Whether its referrers are those of an earlier run.
    var keepsReferrers = false

    /// All trees, its own first.
    var trees: [MirroredTree] { [tree] + (referrers ?? []).map(\.tree) + signatureTags.map(\.tree) }
}
