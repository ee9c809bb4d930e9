// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// The canonical bytes of one role's content: what holders of keys sign.
package struct UnsignedBody: Equatable, Sendable {
    package let role: Role
    /// As they will stand in the file.
    package let bytes: [UInt8]

    /// What a key's holder gives back. Throws `TrustError.signing`.
    package func signature(by key: PrivateKey) throws(TrustError) -> [UInt8] {
        do throws(KeyError) {
            return try key.sign(Envelope.message(of: bytes[...]))
        } catch { throw .signing(error) }
    }

    /// Whether this key made this signature of these bytes.
    package func isSigned(by key: PublicKey, _ signature: [UInt8]) -> Bool {
        do throws(KeyError) {
            try key.verify(signature: signature, over: Envelope.message(of: bytes[...]))
            return true
        } catch {
            return false  // whatever the reason, it isn't a signature of this
        }
    }

    /// The file with these signatures, in the order of the keys' ids.
    package func file(signed signatures: [KeyID: [UInt8]]) -> [UInt8] {
        let sorted = signatures.sorted { $0.key.hex < $1.key.hex }.map { (keyID: $0.key, bytes: $0.value) }
        return Envelope.file(sorted, body: bytes)
    }
}

/// One role's content before it is signed, and its bytes.
package struct UnsignedMetadata<Content: RoleMetadata>: Sendable {
    package let content: Content
    package let body: UnsignedBody

    /// Throws what the importer would refuse in it.
    package init(_ content: Content) throws(TrustError) { try self.init(parsing: content.body) }

    /// Reads a body with the importer's code: the grammar, the strict parser, the canonical form.
    ///
    /// Throws `TrustError.grammar`, `.tooLarge`, `.malformed`, `.notCanonical`; nothing is believed of a body.
    package init(parsing bytes: [UInt8]) throws(TrustError) {
        let name = "\(Content.role.rawValue).body"
        let unsigned = Envelope.file([], body: bytes)
        let envelope = try Envelope(parsing: unsigned, limit: Content.role.byteLimit, file: name)
        content = try Content(content: envelope)
        body = UnsignedBody(role: Content.role, bytes: bytes)
    }

    /// The content of a signed file, whoever signed it. Throws as `init(parsing:)`.
    package init(unsigning file: [UInt8]) throws(TrustError) {
        let name = "\(Content.role.rawValue).json"
        try self.init(parsing: Array(Envelope(parsing: file, limit: Content.role.byteLimit, file: name).body))
    }
}

extension Root {
    /// The content of a file that a threshold of this root's keys has signed; versions, links and expiry aren't asked.
    ///
    /// Throws `TrustError.threshold`, and as `UnsignedMetadata.init(parsing:)`.
    package func content<Content: RoleMetadata>(
        _ type: Content.Type = Content.self, signedIn file: [UInt8], name: String
    ) throws(TrustError) -> Content {
        let envelope = try Envelope(parsing: file, limit: Content.role.byteLimit, file: name)
        _ = try envelope.signers(Content.role, self[Content.role])
        return try Content(content: envelope)
    }
}
