// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// An in-toto Statement, version 1: something is said (the predicate) about things that are named by their SHA-256.
package struct Statement: Sendable, Equatable {
    /// A thing that the statement is about.
    package struct Subject: Sendable, Equatable, Hashable {
        package let name: String
        /// 64 lower-case hex digits.
        package let sha256: String

        package init(name: String, sha256: String) { (self.name, self.sha256) = (name, sha256) }
    }

    /// What `_type` says (in-toto attestation framework, "Statement").
    package static let type = "https://in-toto.io/Statement/v1"
    /// The payload type of an envelope that holds a statement.
    package static let payloadType = "application/vnd.in-toto+json"
    /// The most subjects that are read.
    package static let maximumSubjects = 100_000

    package let subjects: [Subject]
    package let predicateType: String
    package let predicate: JSONValue

    package init(about subjects: [Subject], _ predicateType: String, _ predicate: JSONValue) {
        (self.subjects, self.predicateType, self.predicate) = (subjects, predicateType, predicate)
    }

    /// Canonical JSON: what is signed.
    package var bytes: [UInt8] {
        let document: JSONValue = [
            "_type": .string(Statement.type), "predicateType": .string(predicateType), "predicate": predicate,
            "subject": .array(
                subjects.map { ["name": .string($0.name), "digest": ["sha256": .string($0.sha256)]] }),
        ]
        return document.canonicalBytes
    }

    /// Reads a statement of one predicate type. Throws `DSSEError.statement`, and `predicateType` for another one.
    package init(parsing bytes: [UInt8], _ predicateType: String) throws(DSSEError) {
        let found: String
        do throws(JSONError) {
            let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: DSSEEnvelope.maximumPayload)))
            try document.allow(only: ["_type", "subject", "predicateType", "predicate"])
            let type = try document["_type"]
            guard try type.string() == Statement.type else { throw type.invalid(Statement.type) }
            found = try document["predicateType"].string()
            predicate = try document["predicate"].value
            let list = try document["subject"]
            let entries = try list.elements()
            guard (1...Statement.maximumSubjects).contains(entries.count) else {
                throw list.invalid("a list of 1 to \(Statement.maximumSubjects) subjects")
            }
            subjects = try entries.map { entry throws(JSONError) in try Subject(entry) }
        } catch {
            throw .statement(error)
        }
        guard found == predicateType else { throw .predicateType(found: found, expected: predicateType) }
        self.predicateType = predicateType
    }

    /// The envelope of this statement, signed. Throws `DSSEError.tooLarge` and `signing`.
    package func signed(by key: PrivateKey) throws(DSSEError) -> DSSEEnvelope {
        try DSSEEnvelope(signing: bytes, type: Statement.payloadType, by: key)
    }
}

extension Statement.Subject {
    fileprivate init(_ entry: JSONCursor) throws(JSONError) {
        try entry.allow(only: ["name", "digest"])
        name = try entry.optional("name")?.string() ?? ""
        let digest = try entry["digest"]["sha256"]
        sha256 = try digest.string()
        guard sha256.utf8.count == 64, [UInt8](hex: Array(sha256.utf8)) != nil else {
            throw digest.invalid("64 lower-case hex digits")
        }
    }
}

extension DSSEEnvelope {
    /// The statement of one predicate type that one or more of `keys` signed, and the ids of those. Throws as `verified(as:by:)`
    /// does, and for another kind of statement.
    package func statement(
        _ predicateType: String, by keys: [TrustKey]
    ) throws(DSSEError) -> (statement: Statement, signers: [KeyID]) {
        let (payload, signers) = try verified(as: Statement.payloadType, by: keys)
        return (try Statement(parsing: payload, predicateType), signers)
    }

    /// The same of nobody: for showing what an envelope claims.
    package func unverifiedStatement(_ predicateType: String) throws(DSSEError) -> Statement {
        guard payloadType == Statement.payloadType else {
            throw .payloadType(found: payloadType, expected: Statement.payloadType)
        }
        return try Statement(parsing: unverifiedPayload, predicateType)
    }
}
