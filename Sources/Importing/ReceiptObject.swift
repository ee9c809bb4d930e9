// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import OCI
package import Trust

/// A blob or manifest that a release puts into a repository, as a receipt lists it.
package struct ReceiptObject: Sendable, Equatable {
    /// How the target showed that it has the object.
    package enum Proof: String, Sendable {
        /// It was not asked, or denied it.
        case none
        /// It took the object; a blob of no bytes, which older Zot can't show.
        case answer
        /// It names it with its size.
        case head
        /// It gave the bytes back, and they have the digest.
        case bytes
    }

    package var repository: String
    package var digest: Digest
    /// Bytes.
    package var size: Int64
    /// `nil` for a blob.
    package var manifestType: String?
    /// The manifest that this one is about, if it is about one.
    package var subject: Digest?
    package var proof: Proof
    /// Whether this load put it there.
    package var isAdded: Bool
    /// Names of the volumes that hold it.
    package var volumes: [String]

    package init(
        repository: String, digest: Digest, size: Int64, manifestType: String?, proof: Proof = .none,
        isAdded: Bool = false, volumes: [String] = []
    ) {
        (self.repository, self.digest, self.size) = (repository, digest, size)
        (self.manifestType, self.proof) = (manifestType, proof)
        (self.isAdded, self.volumes) = (isAdded, volumes)
    }

    package var place: Place { Place(repository, digest) }

    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "repository": .string(repository), "digest": .string(digest.description), "bytes": .int(size),
            "manifest": manifestType.map(JSONValue.string) ?? .null, "confirmed": .string(proof.rawValue),
            "added": .bool(isAdded), "volumes": .array(volumes.map(JSONValue.string)),
        ]
        if let subject { members["subject"] = .string(subject.description) }
        return .object(members)
    }

    /// Throws `JSONError`.
    package init(_ cursor: JSONCursor) throws {
        let manifest = try cursor["manifest"]
        let proof = try cursor["confirmed"]
        guard let known = Proof(rawValue: try proof.string()) else {
            throw proof.invalid("none, answer, head or bytes")
        }
        self.init(
            repository: try cursor["repository"].string(), digest: try Self.digest(cursor["digest"]),
            size: try cursor["bytes"].int(in: 0...Manifest.largestContent),
            manifestType: manifest.value == .null ? nil : try manifest.string(), proof: known,
            isAdded: try cursor["added"].bool(),
            volumes: try cursor["volumes"].elements().map { cursor throws(JSONError) in try cursor.string() })
        subject = try cursor.optional("subject").map(Self.digest)
    }

    private static func digest(_ cursor: JSONCursor) throws -> Digest {
        guard let digest = try? Digest(parsing: cursor.string()) else { throw cursor.invalid("a digest") }
        return digest
    }
}

extension Load {
    /// All that the release puts into the target, with what is known of it by now.
    func receiptObjects() throws -> [ReceiptObject] {
        let counts = tally.counts
        let isProven = counts.readBack.isComplete
        var volumes: [Digest: [String]] = [:]
        let names = { (digest: Digest) throws in
            if let known = volumes[digest] { return known }
            let found = try bundle.volumeNumbers(for: [digest]).sorted().map { bundle.index.volumes[$0].name }
            volumes[digest] = found
            return found
        }
        let manifests = try content.placedManifests.map { place, descriptor in
            var object = ReceiptObject(
                repository: place.repository, digest: descriptor.digest, size: descriptor.size,
                manifestType: descriptor.mediaType, proof: isProven ? .bytes : .none,
                isAdded: counts.added.contains(place), volumes: try names(descriptor.digest))
            object.subject = content.manifests[descriptor.digest]?.subject?.digest
            return object
        }
        let blobs = try content.placedBlobs.map { blob in
            ReceiptObject(
                repository: blob.repository, digest: blob.digest, size: blob.size, manifestType: nil,
                proof: !isProven ? .none : blob.size == 0 ? .answer : isDeep ? .bytes : .head,
                isAdded: counts.added.contains(Place(blob.repository, blob.digest)), volumes: try names(blob.digest))
        }
        return manifests + blobs
    }
}

extension RegistryContent {
    /// The images that each pack names, by the pack's reference.
    var packImages: [String: [String]] {
        let packs = items.compactMap { item in item.reference.images.map { (item.reference.name, $0) } }
        return Dictionary(packs) { $1 }
    }
}
