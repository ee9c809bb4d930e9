// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import OCI

/// The tag by which clients list a manifest's referrers in registries without the referrers API, and the index that it
/// names (distribution-spec 1.1, "Pushing Manifests with Subject", "Referrers Tag Schema").
package enum ReferrersTag {
    /// The tag for the referrers of `subject`.
    package static func name(for subject: Digest) -> String { "sha256-\(subject.hex)" }

    /// The descriptor under which a manifest is listed: its artifact type, or else its configuration's type, and its
    /// annotations. Throws `ManifestError.unreadable`.
    package static func descriptor(
        of manifest: Data, mediaType: String, digest: Digest
    ) throws(ManifestError) -> Descriptor {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: manifest)
        } catch {
            throw .unreadable(String(describing: error))
        }
        let type = document.artifactType.flatMap { $0.isEmpty ? nil : $0 } ?? document.config?.mediaType
        return Descriptor(
            mediaType: mediaType, digest: digest, size: Int64(manifest.count), artifactType: type,
            annotations: document.annotations)
    }

    private struct Document: Decodable {
        struct Config: Decodable { var mediaType: String? }
        var artifactType: String?
        var config: Config?
        var annotations: [String: String]?
    }

    /// The index that lists `referrer` after what `index`, `nil` for none, lists already; `nil` when that lists it too.
    /// Throws `ManifestError` where `index` is none, or the longer one would be too large for registries.
    package static func index(_ index: Data?, adding referrer: Descriptor) throws(ManifestError) -> Data? {
        var members: [String: JSON] = [
            "schemaVersion": .int(2), "mediaType": .string(MediaType.index), "manifests": .array([]),
        ]
        if let index {
            let manifest = try Manifest(parsing: index, mediaType: MediaType.index)
            guard !manifest.manifests.contains(where: { $0.digest == referrer.digest }) else { return nil }
            guard case .object(let known) = try JSON(parsing: index) else { throw .incomplete(MediaType.index) }
            members.merge(known) { $1 }
        }
        guard case .array(let manifests)? = members["manifests"] else { throw .incomplete(MediaType.index) }
        members["manifests"] = .array(manifests + [try JSON(parsing: encoded(referrer))])
        let longer = try encoded(JSON.object(members))
        guard longer.count <= Manifest.maximumSize else { throw .tooLarge(longer.count) }
        return longer
    }

    private static func encoded(_ value: some Encodable) throws(ManifestError) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(value)
        } catch {
            throw .unreadable(String(describing: error))
        }
    }
}

/// Any JSON, so that members we don't know stay in an index.
private indirect enum JSON: Codable {
    case object([String: JSON])
    case array([JSON])
    case string(String)
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case null

    init(parsing bytes: Data) throws(ManifestError) {
        do {
            self = try JSONDecoder().decode(JSON.self, from: bytes)
        } catch {
            throw .unreadable(String(describing: error))
        }
    }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let int = try? value.decode(Int64.self) {
            self = .int(int)
        } else if let double = try? value.decode(Double.self) {
            self = .double(double)
        } else if let text = try? value.decode(String.self) {
            self = .string(text)
        } else if let elements = try? value.decode([JSON].self) {
            self = .array(elements)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .object(let members): try container.encode(members)
        case .array(let elements): try container.encode(elements)
        case .string(let text): try container.encode(text)
        case .int(let number): try container.encode(number)
        case .double(let number): try container.encode(number)
        case .bool(let value): try container.encode(value)
        case .null: try container.encodeNil()
        }
    }
}

extension RegistryConnection {
    /// Sees to it that the referrers of `subject` can be found with `referrer` among them, where the registry doesn't keep
    /// that list itself (`ManifestReceipt.subjectKept`): asks its referrers API, else extends the index at the fallback tag.
    /// `digestOf` hashes. The caller lets only one thread do this for a subject.
    ///
    /// Throws `referrersTagTaken` where that tag holds anything but an index that can be extended.
    package func ensureReferrer(
        _ repository: String, of subject: Digest, _ referrer: Descriptor, digestOf: (Data) -> Digest
    ) throws(RegistryError) {
        if let listed = try referrers(repository, subject), listed.contains(where: { $0.digest == referrer.digest }) {
            return
        }
        let tag = ReferrersTag.name(for: subject)
        let known = try manifest(repository, tag)
        let longer: Data?
        do throws(ManifestError) {
            longer = try ReferrersTag.index(known?.bytes, adding: referrer)
        } catch {
            throw .referrersTagTaken(request("GET", .manifest(repository, tag)).line, why: "\(error)")
        }
        guard let longer else { return }
        try putManifest(repository, tag, longer, mediaType: MediaType.index, digest: digestOf(longer))
    }
}
