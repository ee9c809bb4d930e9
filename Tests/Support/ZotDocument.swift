// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import OCI

/// A manifest or index as Zot reads it: by the schema, and no more.
struct ZotDocument: Decodable, Sendable {
    struct Descriptor: Decodable, Sendable {
        var mediaType: String
        var digest: String
        var size: Int
    }

    var schemaVersion: Int
    var config: Descriptor?
    var layers: [Descriptor]?
    var manifests: [Descriptor]?
    var subject: Descriptor?
    var artifactType: String?
    var annotations: [String: String]?

    /// `nil` for what is no manifest of this type.
    init?(_ bytes: [UInt8], mediaType: String) {
        do {
            self = try JSONDecoder().decode(ZotDocument.self, from: Data(bytes))
        } catch {
            return nil
        }
        guard MediaType.isIndex(mediaType) ? manifests != nil : config != nil && layers != nil else { return nil }
    }

    /// Everything it names, beside its subject.
    var references: [Descriptor] { (config.map { [$0] } ?? []) + (layers ?? []) + (manifests ?? []) }

    /// What must be there before it is accepted: of manifests that are neither image nor of the empty configuration
    /// nothing is looked at.
    var required: [Descriptor] {
        guard let config else { return references }
        let known = [MediaType.imageConfig, Self.emptyConfig, Self.dockerConfig]
        guard known.contains(config.mediaType) else { return [] }
        return references.filter {
            !$0.mediaType.contains("nondistributable") && !$0.mediaType.hasSuffix(".foreign.diff.tar.gzip")
        }
    }

    private static let emptyConfig = "application/vnd.oci.empty.v1+json"
    private static let dockerConfig = "application/vnd.docker.container.image.v1+json"
}

extension ZotStore.Entry {
    init(mediaType: String, digest: String, size: Int, tag: String? = nil) {
        (self.mediaType, self.digest, self.size, self.tag) = (mediaType, digest, size, tag)
        var text = #"{"mediaType":\#(jsonText(mediaType)),"digest":"\#(digest)","size":\#(size)"#
        if let tag { text += #","annotations":{"org.opencontainers.image.ref.name":\#(jsonText(tag))}"# }
        json = text + "}"
    }

    /// The lines of an `index.json`; `nil` for what is none.
    static func all(_ bytes: [UInt8]) -> [ZotStore.Entry]? {
        struct Index: Decodable {
            struct Line: Decodable {
                var mediaType, digest: String
                var size: Int
                var annotations: [String: String]?
            }
            var manifests: [Line]
        }
        do {
            return try JSONDecoder().decode(Index.self, from: Data(bytes)).manifests.map {
                ZotStore.Entry(
                    mediaType: $0.mediaType, digest: $0.digest, size: $0.size,
                    tag: $0.annotations?["org.opencontainers.image.ref.name"])
            }
        } catch {
            return nil
        }
    }
}
