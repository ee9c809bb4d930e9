// SPDX-License-Identifier: Apache-2.0

package import OCI
internal import Yams

/// A tag that the publisher says may move at the site: an entry of `movesTags`.
package struct ManifestTagMove: Sendable, Equatable {
    /// As the release delivers it, below the target's base path.
    package let repository: String
    package let tag: String
    /// Where the tag may point before, at least one; each once.
    package let from: [Digest]
    /// Where the entry stands in the manifest.
    package let place: ManifestPlace

    /// `<repository>:<tag>`.
    package var name: String { "\(repository):\(tag)" }
}

extension ManifestReader {
    /// The entries of `movesTags`; no two name the same tag.
    func movesTags(_ node: Node?) throws(ManifestError) -> [ManifestTagMove] {
        guard let node else { return [] }
        var moves: [ManifestTagMove] = []
        for entry in try sequence(node, "movesTags", of: "tags that may move") {
            let move = try tagMove(entry)
            if let other = moves.first(where: { $0.name == move.name }) {
                throw failure(.sameTag(move.name, other: other.place.line), at: entry)
            }
            moves.append(move)
        }
        return moves
    }

    private func tagMove(_ node: Node) throws(ManifestError) -> ManifestTagMove {
        let mapping = try mapping(node, "movesTags", known: ["tag", "from"])
        let name = try required("tag", of: mapping)
        let text = try text(name, "tag")
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, Reference.isRepository(parts[0]), Reference.isTag(parts[1]) else {
            throw badValue(name, "tag", text, "repository:tag as the release delivers it, without the base path")
        }
        let from = try required("from", of: mapping)
        var digests: [Digest] = []
        for entry in from.scalar == nil ? try sequence(from, "from", of: "digests") : [from] {
            let text = try self.text(entry, "from")
            guard text.hasPrefix("sha256:"), let digest = Digest(hex: text.dropFirst(7)) else {
                throw badValue(entry, "from", text, "a digest, sha256: and 64 hex digits in lower case")
            }
            guard !digests.contains(digest) else { throw failure(.sameDigest(text), at: entry) }
            digests.append(digest)
        }
        return ManifestTagMove(repository: parts[0], tag: parts[1], from: digests, place: place(of: node))
    }

    private func badValue(_ node: Node, _ key: String, _ value: String, _ expected: String) -> ManifestError {
        failure(.badValue(key: key, value: String(value.prefix(200)), expected: expected, suggestion: nil), at: node)
    }
}
