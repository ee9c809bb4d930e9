// SPDX-License-Identifier: Apache-2.0

internal import Cryptography

/// What one metadata file says about the next one.
package struct Link: Equatable, Sendable {
    package let version: Int64
    /// The one file that is meant. `nil` where several people have signed both files apart: neither knew the other's
    /// signatures, so the version and the threshold of signatures must do (TUF sections 4.4 and 4.6 allow that).
    package let content: LinkContent?

    /// The link to a file of this version.
    package init(version: Int64, to bytes: [UInt8]) {
        self.version = version
        content = LinkContent(
            length: Int64(bytes.count), sha256: Hasher.hash(bytes, .sha256), sha512: Hasher.hash(bytes, .sha512))
    }

    /// A link as another dialect has read it.
    package init(version: Int64, content: LinkContent?) { (self.version, self.content) = (version, content) }

    /// The link to whatever file of this version the keys of its role have signed.
    package init(version: Int64) { (self.version, content) = (version, nil) }

    init(_ cursor: JSONCursor) throws(JSONError) {
        version = try cursor["version"].int(in: 1...JSONValue.largestInteger)
        let named = [try cursor.optional("length"), try cursor.optional("hashes")].contains { $0 != nil }
        content = named ? try LinkContent(strict: cursor) : nil
    }

    var json: JSONValue {
        guard let content, let length = content.length, let sha256 = content.sha256, let sha512 = content.sha512 else {
            return ["version": .int(version)]
        }
        return [
            "version": .int(version), "length": .int(length),
            "hashes": ["sha256": .string(sha256.hex), "sha512": .string(sha512.hex)],
        ]
    }

    /// Returns if these are the bytes that the link means, as far as it names them.
    func check(_ bytes: [UInt8], file: String) throws(TrustError) {
        try content?.check(bytes, file: file)
    }
}

/// What is signed about a file's bytes; a link of the strict dialect has all three.
package struct LinkContent: Equatable, Sendable {
    package let length: Int64?
    package let sha256: [UInt8]?
    package let sha512: [UInt8]?

    /// A length in bytes, and digests of 32 and 64 bytes.
    package init(length: Int64?, sha256: [UInt8]?, sha512: [UInt8]?) {
        (self.length, self.sha256, self.sha512) = (length, sha256, sha512)
    }

    /// Throws `.linkMismatch` for bytes of another length or digest, as far as they are known.
    package func check(_ bytes: [UInt8], file: String) throws(TrustError) {
        if let length, bytes.count != length {
            throw .linkMismatch(file: file, .length(expected: length, found: Int64(bytes.count)))
        }
        if let sha256, Hasher.hash(bytes, .sha256) != sha256 { throw .linkMismatch(file: file, .sha256) }
        if let sha512, Hasher.hash(bytes, .sha512) != sha512 { throw .linkMismatch(file: file, .sha512) }
    }
}

extension LinkContent {
    /// With both digests.
    fileprivate init(strict cursor: JSONCursor) throws(JSONError) {
        try cursor["hashes"].allow(only: ["sha256", "sha512"])
        self.init(
            length: try cursor["length"].int(), sha256: try cursor["hashes"]["sha256"].digest(count: 32),
            sha512: try cursor["hashes"]["sha512"].digest(count: 64))
    }
}

/// Timestamp metadata: which snapshot is the newest.
package struct Timestamp: RoleMetadata {
    package static let role = Role.timestamp

    package let header: MetadataHeader
    package let snapshot: Link

    package init(header: MetadataHeader, snapshot: Link) { (self.header, self.snapshot) = (header, snapshot) }

    package init(header: MetadataHeader, document: JSONCursor) throws(JSONError) {
        try document["meta"].allow(only: ["snapshot.json"])
        self.init(header: header, snapshot: try Link(document["meta"]["snapshot.json"]))
    }

    package var members: [String: JSONValue] { ["meta": ["snapshot.json": snapshot.json]] }
}

/// Snapshot metadata: which targets belong together; without delegations there is one.
package struct Snapshot: RoleMetadata {
    package static let role = Role.snapshot

    package let header: MetadataHeader
    package let targets: Link
    /// Links to other roles' files by name; only another dialect than the strict one has any.
    package let others: [String: Link]

    package init(header: MetadataHeader, targets: Link, others: [String: Link] = [:]) {
        (self.header, self.targets, self.others) = (header, targets, others)
    }

    package init(header: MetadataHeader, document: JSONCursor) throws(JSONError) {
        try document["meta"].allow(only: ["targets.json"])
        self.init(header: header, targets: try Link(document["meta"]["targets.json"]))
    }

    package var members: [String: JSONValue] { ["meta": ["targets.json": targets.json]] }
}
