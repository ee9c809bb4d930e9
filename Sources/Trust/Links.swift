// SPDX-License-Identifier: Apache-2.0

internal import Cryptography

/// What one metadata file says about the next one.
package struct Link: Equatable, Sendable {
    package let version: Int64
    package let length: Int64
    package let sha256: [UInt8]
    package let sha512: [UInt8]

    /// The link to a file of this version.
    package init(version: Int64, to bytes: [UInt8]) {
        (self.version, length) = (version, Int64(bytes.count))
        (sha256, sha512) = (Hasher.hash(bytes, .sha256), Hasher.hash(bytes, .sha512))
    }

    init(_ cursor: JSONCursor) throws(JSONError) {
        version = try cursor["version"].int(in: 1...JSONValue.largestInteger)
        length = try cursor["length"].int()
        sha256 = try cursor["hashes"]["sha256"].digest(count: 32)
        sha512 = try cursor["hashes"]["sha512"].digest(count: 64)
    }

    var json: JSONValue {
        [
            "version": .int(version), "length": .int(length),
            "hashes": ["sha256": .string(sha256.hex), "sha512": .string(sha512.hex)],
        ]
    }

    /// Returns if these are the bytes that the link means.
    func check(_ bytes: [UInt8], file: String) throws(TrustError) {
        guard bytes.count == length else {
            throw .linkMismatch(file: file, .length(expected: length, found: Int64(bytes.count)))
        }
        guard Hasher.hash(bytes, .sha256) == sha256 else { throw .linkMismatch(file: file, .sha256) }
        guard Hasher.hash(bytes, .sha512) == sha512 else { throw .linkMismatch(file: file, .sha512) }
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

    package init(header: MetadataHeader, targets: Link) { (self.header, self.targets) = (header, targets) }

    package init(header: MetadataHeader, document: JSONCursor) throws(JSONError) {
        try document["meta"].allow(only: ["targets.json"])
        self.init(header: header, targets: try Link(document["meta"]["targets.json"]))
    }

    package var members: [String: JSONValue] { ["meta": ["targets.json": targets.json]] }
}
