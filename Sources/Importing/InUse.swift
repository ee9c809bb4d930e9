// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
package import SystemPackage
internal import Trust

/// The images that clusters run, as they list them: what no prune may take away.
///
/// A cluster names an image as its pods do: with the internal registry's address and base path before it or with the source's
/// host, short as Docker Hub's are, by tag or digest. What such a name might mean counts as in use.
package struct InUse: Sendable {
    /// The most bytes of a list, and the most images.
    package static let limit = (bytes: 16 << 20, images: 200_000)

    /// Images that the list names, each once.
    package let count: Int
    /// SHA-256 of the list, for the record.
    package let digest: Digest
    /// Manifests, and configurations as some runtimes name images.
    package private(set) var digests: Set<Digest> = []
    /// Tags, by the last element of the repository.
    private var tags: [String: Set<String>] = [:]

    /// Reads a list: images parted by white space, commas, quotes or brackets. Throws `InUseError`.
    package init(parsing bytes: [UInt8]) throws(InUseError) {
        digest = Digest(of: bytes)
        let separators = Set(" \t\r\n,\"'[]".utf8)
        let words = Set(bytes.split { separators.contains($0) }.map { String(decoding: $0, as: UTF8.self) })
        guard words.count <= InUse.limit.images else { throw .tooMany(words.count) }
        guard !words.isEmpty else { throw .empty }
        count = words.count
        for word in words { try add(word) }
    }

    /// Reads a file. Throws `InUseError`, `FileError`.
    package init(at file: FilePath) throws { try self.init(parsing: file.contents(limit: InUse.limit.bytes)) }

    private mutating func add(_ word: String) throws(InUseError) {
        guard word.utf8.count <= 1024, word.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .noImage(word)
        }
        // Some runtimes name images `docker-pullable://...`.
        let rest = word.firstRange(of: "://").map { String(word[$0.upperBound...]) } ?? word
        let parts = rest.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if let name = parts.first, let bare = try? Digest(parsing: name) {
            digests.insert(bare)
            return
        }
        if parts.count == 2 {
            guard let digest = try? Digest(parsing: parts[1]) else { throw .noImage(word) }
            digests.insert(digest)
        }
        guard let name = parts[0].split(separator: "/").last.map(String.init) else { throw .noImage(word) }
        let mark = name.firstIndex(of: ":")
        let element = mark.map { String(name[..<$0]) } ?? name
        guard !element.isEmpty else { throw .noImage(word) }
        // By a digest alone it needs no tag; with nothing, it is `latest`.
        if let tag = mark.map({ String(name[name.index(after: $0)...]) }) ?? (parts.count == 2 ? nil : "latest") {
            tags[element, default: []].insert(tag)
        }
    }

    /// Whether an image of the list may be this tag: its repository ends with the image's last element, at the end of a word, as
    /// registries of one level have whole paths in one name.
    package func mayBe(_ place: Place) -> Bool {
        guard !place.isDigest else { return (try? Digest(parsing: place.reference)).map(digests.contains) ?? false }
        let last = place.repository.split(separator: "/").last.map(String.init) ?? ""
        var rest = Substring(last)
        while true {
            if tags[String(rest)]?.contains(place.reference) == true { return true }
            guard let mark = rest.firstIndex(where: { "-_.".contains($0) }) else { return false }
            rest = rest[rest.index(after: mark)...]
        }
    }
}

/// Why a list of images in use can't be gone by.
package enum InUseError: Error, Equatable {
    /// A word that is no image.
    case noImage(String)
    case empty
    case tooMany(Int)
}

extension InUseError: ClassifiedError {
    package var failure: Failure { .usage }

    package var description: String {
        switch self {
        case .noImage(let word):
            "the list of images in use has \"\(String(word.prefix(100)).printable)\", which is no image; nothing was removed. It takes one image on "
                + "a line, as kubectl gives them"
        case .empty:
            "the list of images in use is empty, which no cluster that runs gives; nothing was removed. Look at the command that "
                + "made it"
        case .tooMany(let count): "the list of images in use has \(count) images, over \(InUse.limit.images)"
        }
    }
}
