// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// What a `pack.json` says beyond `PackMetadata`: the files that are deployed, what else a cluster needs, whether the pack
/// is still kept up (reference/palette.md, section 3.1).
struct PackDetails: Sendable, Equatable, Decodable {
    struct Dependency: Sendable, Equatable, Decodable {
        let packName: String
        let layer: String?
        /// Empty or absent where any will do.
        let minVersion: String?
        let maxVersion: String?
        /// `required`, `optional`, `notSupported` or `upgrade` so far.
        let type: String?
    }

    private struct Constraints: Decodable {
        let dependencies: [Dependency]?
    }

    /// A text, or a value of another type, which practice has and nothing here needs.
    private struct Text: Decodable {
        let text: String?

        init(from decoder: any Decoder) throws { text = try? decoder.singleValueContainer().decode(String.self) }
    }

    private enum Key: String, CodingKey {
        case charts, kubeManifests, ansibleRoles, displayName, annotations, constraints, systemState = "system_state"
    }

    /// Archives below the pack's folder.
    let charts: [String]
    let kubeManifests: [String]
    let ansibleRoles: [String]
    let hasDisplayName: Bool
    let dependencies: [Dependency]
    /// `deprecated`, `deleted`, `disabled`; `nil` or `enabled` for a pack that is kept up.
    let systemState: String?

    /// Throws `DecodingError` for a key of another type.
    init(parsing json: [UInt8]) throws { self = try JSONDecoder().decode(PackDetails.self, from: Data(json)) }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        func list(_ key: Key) throws -> [String] { try container.decodeIfPresent([String].self, forKey: key) ?? [] }
        (charts, kubeManifests, ansibleRoles) = (try list(.charts), try list(.kubeManifests), try list(.ansibleRoles))
        hasDisplayName = try container.decodeIfPresent(String.self, forKey: .displayName)?.isEmpty == false
        dependencies = try container.decodeIfPresent(Constraints.self, forKey: .constraints)?.dependencies ?? []
        let annotations = try container.decodeIfPresent([String: Text].self, forKey: .annotations) ?? [:]
        systemState =
            try container.decodeIfPresent(Text.self, forKey: .systemState)?.text ?? annotations["system_state"]?.text
    }

    /// What is wrong with a `pack.json` that is JSON, by the path of its key.
    static func explain(_ error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, let context):
            "\"\((context.codingPath + [key]).map(\.stringValue).joined(separator: "."))\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" has the wrong type"
        default: "it is no JSON"
        }
    }
}
