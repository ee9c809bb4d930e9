// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import OCI

/// What a pack says about itself in `pack.json` (reference/palette.md, section 3.1); other keys are left alone.
package struct PackMetadata: Sendable, Equatable {
    /// The most bytes that `pack.json` may have; real ones have a few hundred.
    package static let maximumSize = 1 << 20

    /// `[a-z0-9]([a-z0-9._-]*[a-z0-9])?`, at most 128 bytes; the last part of the pack's repository.
    package let name: String
    /// Valid as a tag.
    package let version: String
    package let displayName: String
    /// `kernel`, `os`, `k8s`, `cni`, `csi` or `addon` so far.
    package let layer: String
    package let addonType: String?
    package let cloudTypes: [String]

    private struct Document: Decodable {
        var name: String
        var version: String
        var displayName: String?
        var layer: String
        var addonType: String?
        var cloudTypes: [String]?
    }

    /// Reads the bytes of a `pack.json`. Throws `PackMetadataError`.
    package init(parsing bytes: [UInt8]) throws(PackMetadataError) {
        guard bytes.count <= PackMetadata.maximumSize else { throw .tooLarge(bytes.count) }
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(bytes))
        } catch {
            throw .unreadable(PackMetadata.explain(error))
        }
        guard PackMetadata.isName(document.name) else { throw .badName(String(document.name.prefix(200))) }
        guard Reference.isTag(document.version) else { throw .badVersion(String(document.version.prefix(200))) }
        let texts =
            [document.layer, document.displayName ?? "", document.addonType ?? ""] + (document.cloudTypes ?? [])
        guard texts.allSatisfy({ $0.utf8.count <= 256 }) else { throw .unreadable("a text of over 256 bytes") }
        name = document.name
        version = document.version
        displayName = document.displayName ?? document.name
        layer = document.layer
        addonType = document.addonType
        cloudTypes = document.cloudTypes ?? []
    }

    /// Whether `text` can be the name of a pack.
    package static func isName(_ text: String) -> Bool {
        text.utf8.count <= 128 && text.wholeMatch(of: /[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?/) != nil
    }

    private static func explain(_ error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\"\(context.codingPath.first?.stringValue ?? "")\" has the wrong type"
        default: "it is no JSON"
        }
    }
}

/// Why a `pack.json` can't be used.
package enum PackMetadataError: Error, Equatable {
    case tooLarge(Int)
    case unreadable(String)
    case badName(String)
    case badVersion(String)
}

extension PackMetadataError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLarge(let size): "pack.json has \(size) bytes, over \(PackMetadata.maximumSize); is it the right file?"
        case .unreadable(let why): "pack.json can't be used: \(why); correct it"
        case .badName(let name):
            "pack.json has the name \"\(name)\"; use a-z, 0-9, dots, dashes and underscores, at most 128, "
                + "a letter or digit first and last"
        case .badVersion(let version):
            "pack.json has the version \"\(version)\", which can't be a tag; use letters, digits, dots, dashes and "
                + "underscores, at most 128"
        }
    }
}
