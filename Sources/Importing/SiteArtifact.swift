// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import FoundationEssentials
package import OCI
internal import RegistryClient
internal import Trust

/// What a target keeps of the site itself, so that it outlives the machine that loads: the receipts, the newest metadata that was
/// accepted, and which products the target is bound to (docs/trust.md, "Receipts and inventories").
///
/// Whoever may write to the registry may write it: nothing in it counts before it is checked like a medium.
package struct SiteArtifact: Sendable {
    /// What was accepted under one product's root.
    package struct Accepted: Sendable {
        /// The pinned root's file, then those of later roots, in order; at least one.
        package let roots: [[UInt8]]
        package let metadata: PinnedRoots.AcceptedMetadata

        package init(roots: [[UInt8]], metadata: PinnedRoots.AcceptedMetadata) {
            (self.roots, self.metadata) = (roots, metadata)
        }

        /// The SHA-256 of the pinned root.
        package var fingerprint: Digest { Digest(of: roots.first ?? []) }
    }

    package var accepted: [Accepted] = []
    /// The products that the target is bound to, sorted.
    package var products: [String] = []

    package init(accepted: [Accepted] = [], products: [String] = []) {
        (self.accepted, self.products) = (accepted, products)
    }

    /// Where it is, below the target's base path.
    package static let repository = "dray/site"
    /// The same as the target's mapping has it.
    static func repository(in target: any LoadTarget) -> String { target.mapping.destination(of: repository) }
    static let type = "application/vnd.dray.site.v1+json"
    static let stateTag = "state"
    /// What the names of tags with receipts begin with.
    static let receiptPrefix = "receipt-"

    /// A layer of the artifact, and the most bytes that are read of it.
    enum Part: String, CaseIterable {
        case receipt = "application/vnd.dray.receipt.v1+json"
        case accepted = "application/vnd.dray.accepted.v1+json"
        case binding = "application/vnd.dray.binding.v1+json"

        var limit: Int {
            switch self {
            case .receipt: DSSEEnvelope.maximumSize
            case .accepted: 64 << 20
            case .binding: 64 << 10
            }
        }
    }

    private static let maximumProducts = 100

    /// What the target keeps; `nil` where it keeps nothing, as a target that is no registry.
    ///
    /// Throws `SiteArtifactError.unreadable` for what is no such artifact, which whoever calls should report and pass over: a
    /// registry's owner may remove it as well. Throws `RegistryError` where the target doesn't answer.
    package static func read(from target: any LoadTarget) throws -> SiteArtifact? {
        guard target.keepsEvidence else { return nil }
        let session = try target.session()
        guard let layers = try layers(stateTag, session, target) else { return nil }
        do {
            var artifact = SiteArtifact()
            if let part = layers[.accepted] {
                artifact.accepted = try accepted(bytes(part, .accepted, session, target))
            }
            if let part = layers[.binding] { artifact.products = try products(bytes(part, .binding, session, target)) }
            return artifact
        } catch let error as JSONError {
            throw SiteArtifactError.unreadable(target.address, stateTag, "\(error)")
        } catch let error as Unusable {
            throw SiteArtifactError.unreadable(target.address, stateTag, error.why)
        }
    }

    /// The file of a receipt that the target keeps under a tag; `nil` where there is none. Throws as `read` does.
    static func receipt(_ tag: String, _ session: any TargetSession, _ target: any LoadTarget) throws -> [UInt8]? {
        guard let layers = try layers(tag, session, target), let part = layers[.receipt] else { return nil }
        do {
            return try bytes(part, .receipt, session, target)
        } catch let error as Unusable {
            throw SiteArtifactError.unreadable(target.address, tag, error.why)
        }
    }

    private struct Unusable: Error { let why: String }

    /// The descriptors of the parts that the manifest under a tag names.
    private static func layers(
        _ tag: String, _ session: any TargetSession, _ target: any LoadTarget
    ) throws -> [Part: Descriptor]? {
        guard case .present(let bytes, let type) = try session.manifest(Place(repository(in: target), tag)) else {
            return nil
        }
        do throws(ManifestError) {
            let manifest = try Manifest(parsing: Data(bytes), mediaType: type)
            let parts = manifest.blobs.dropFirst().compactMap { blob in
                Part(rawValue: blob.mediaType).map { ($0, blob) }
            }
            return Dictionary(parts) { first, _ in first }
        } catch {
            throw SiteArtifactError.unreadable(target.address, tag, "\(error)")
        }
    }

    private static func bytes(
        _ blob: Descriptor, _ part: Part, _ session: any TargetSession, _ target: any LoadTarget
    ) throws -> [UInt8] {
        guard blob.size <= Int64(part.limit) else { throw Unusable(why: "a part has \(blob.size) bytes") }
        guard let bytes = try session.contents(of: blob.digest, size: blob.size, in: repository(in: target)) else {
            throw Unusable(why: "the registry hasn't got \(blob.digest)")
        }
        return bytes
    }
}

// Its parts.
extension SiteArtifact {
    var acceptedPart: [UInt8] {
        let entries: [JSONValue] = accepted.map { entry in
            [
                "roots": .array(entry.roots.map { .string(String(decoding: $0, as: UTF8.self)) }),
                "timestamp": .string(String(decoding: entry.metadata.timestamp, as: UTF8.self)),
                "snapshot": .string(String(decoding: entry.metadata.snapshot, as: UTF8.self)),
                "targets": .string(String(decoding: entry.metadata.targets, as: UTF8.self)),
            ]
        }
        return JSONValue.object(["accepted": .array(entries)]).canonicalBytes
    }

    fileprivate static func accepted(_ bytes: [UInt8]) throws(JSONError) -> [Accepted] {
        let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: Part.accepted.limit)))
        let list = try document["accepted"]
        let entries = try list.elements()
        guard entries.count <= maximumProducts else { throw list.invalid("at most \(maximumProducts) entries") }
        return try entries.map { entry throws(JSONError) in
            let roots = try entry["roots"]
            let files = try roots.elements().map { root throws(JSONError) in Array(try root.string().utf8) }
            guard (1...TrustLimits.rotations + 1).contains(files.count) else { throw roots.invalid("a chain of roots") }
            return Accepted(
                roots: files,
                metadata: PinnedRoots.AcceptedMetadata(
                    timestamp: Array(try entry["timestamp"].string().utf8),
                    snapshot: Array(try entry["snapshot"].string().utf8),
                    targets: Array(try entry["targets"].string().utf8)))
        }
    }

    func bindingPart(_ address: String) -> [UInt8] {
        let document: JSONValue = [
            "address": .string(address), "products": .array(products.map(JSONValue.string)),
        ]
        return document.canonicalBytes
    }

    fileprivate static func products(_ bytes: [UInt8]) throws(JSONError) -> [String] {
        let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: Part.binding.limit)))
        return try ProductBinding(document).products
    }
}

/// Why a target's artifact tells nothing.
package enum SiteArtifactError: Error, Equatable {
    /// The address, the tag, and why.
    case unreadable(String, String, String)
    /// The target doesn't keep it.
    case notKept(String)
}

extension SiteArtifactError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .unreadable: .damaged
        case .notKept: .usage
        }
    }

    package var description: String {
        switch self {
        case .unreadable(let address, let tag, let why):
            "what \(address) keeps as \(SiteArtifact.repository):\(tag.printable) can't be read (\(why.printable)); the next load "
                + "writes it anew"
        case .notKept(let address): "\(address) is no registry: receipts are in the state's folder alone"
        }
    }
}
