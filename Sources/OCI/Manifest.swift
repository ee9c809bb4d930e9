// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// An image manifest or index with the bytes it was read from, which are what its digest names and what is sent on.
package struct Manifest: Sendable {
    /// The most bytes a manifest may have: what registries take (distribution-spec 1.1, "Pushing Manifests").
    package static let maximumSize = 4 << 20

    /// The most bytes that a descriptor may announce, 1 TiB: sums over a release then fit.
    package static let largestContent: Int64 = 1 << 40

    /// The exact bytes.
    package let bytes: Data
    /// As the descriptor that led here says; equal to the document's own `mediaType` where it has one.
    package let mediaType: String
    /// Child manifests of an index, in order; empty for an image manifest.
    package let manifests: [Descriptor]
    /// Configuration first, then the layers in order; empty for an index.
    package let blobs: [Descriptor]
    /// The manifest that this one is about (referrers), if it names one.
    package let subject: Descriptor?

    private struct Document: Decodable {
        var schemaVersion: Int?
        var mediaType: String?
        var config: Descriptor?
        var layers: [Descriptor]?
        var manifests: [Descriptor]?
        var subject: Descriptor?
    }

    /// Reads a manifest; unknown fields are kept in `bytes` alone.
    ///
    /// Throws `ManifestError` when it is too large, no JSON, of another type than `mediaType` says, valid both as index
    /// and as manifest (CVE-2021-41190), or holds an impossible size.
    package init(parsing bytes: Data, mediaType: String) throws(ManifestError) {
        guard bytes.count <= Manifest.maximumSize else { throw .tooLarge(bytes.count) }
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: bytes)
        } catch {
            throw .unreadable(String(describing: error))
        }
        guard document.mediaType == nil || document.mediaType == mediaType else {
            throw .typeMismatch(said: mediaType, holds: document.mediaType ?? "")
        }
        let isIndex = MediaType.isIndex(mediaType)
        guard isIndex ? document.config == nil && document.layers == nil : document.manifests == nil else {
            throw .ambiguous
        }
        guard isIndex ? document.manifests != nil : document.config != nil else { throw .incomplete(mediaType) }
        self.bytes = bytes
        self.mediaType = mediaType
        manifests = document.manifests ?? []
        blobs = (document.config.map { [$0] } ?? []) + (document.layers ?? [])
        subject = document.subject
        guard (manifests + blobs).allSatisfy({ (0...Manifest.largestContent).contains($0.size) }) else {
            throw .impossibleSize
        }
    }

    /// Child manifests and blobs, in the order they must exist before this one.
    package var references: [Descriptor] { manifests + blobs }
}

/// Why bytes are no manifest.
package enum ManifestError: Error, Equatable {
    case tooLarge(Int)
    case unreadable(String)
    case typeMismatch(said: String, holds: String)
    case ambiguous
    case incomplete(String)
    case impossibleSize
}

extension ManifestError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLarge(let size):
            "the manifest has \(size) bytes; registries take at most \(Manifest.maximumSize)"
        case .unreadable(let why): "the manifest is no readable JSON: \(why)"
        case .typeMismatch(let said, let holds): "the manifest says it is \(holds), its descriptor says \(said)"
        case .ambiguous: "the manifest has the fields of an index and of an image manifest; it is refused"
        case .incomplete(let type): "the manifest lacks what a document of type \(type) must have"
        case .impossibleSize: "the manifest holds a descriptor with a negative size or one above 1 TiB"
        }
    }
}
