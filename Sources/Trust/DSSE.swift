// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import FoundationEssentials

/// A DSSE envelope (protocol 1.0.2): a payload with its type, and signatures over both. Nothing is known of the payload until
/// `verified` gives it out.
package struct DSSEEnvelope: Sendable, Equatable {
    /// What one key says about the payload.
    package struct Signature: Sendable, Equatable {
        /// As the envelope claims it; 64 hex digits where the signer is Dray. Up to 64 characters.
        package let keyID: String
        package let bytes: [UInt8]
    }

    /// The most bytes of a payload.
    package static let maximumPayload = 64 << 20
    /// The most bytes of an envelope's file: the payload in base64, and signatures.
    package static let maximumSize = maximumPayload / 3 * 4 + (1 << 20)

    package let payloadType: String
    /// The payload as it came, for showing it and for nothing else: nobody vouches for it.
    package let unverifiedPayload: [UInt8]
    package private(set) var signatures: [Signature]

    /// Signs a payload of at most `maximumPayload` bytes. Throws `DSSEError.tooLarge` and `signing`.
    package init(signing payload: [UInt8], type: String, by key: PrivateKey) throws(DSSEError) {
        guard payload.count <= DSSEEnvelope.maximumPayload else { throw .tooLarge(limit: DSSEEnvelope.maximumPayload) }
        (payloadType, unverifiedPayload, signatures) = (type, payload, [])
        try addSignature(by: key)
    }

    /// Adds the signature of one more key over the same payload, or puts a fresh one in place of that key's. Throws
    /// `DSSEError.signing`, and `tooManySignatures` for a seventeenth.
    package mutating func addSignature(by key: PrivateKey) throws(DSSEError) {
        let id = TrustKey(key.publicKey).id.hex
        signatures.removeAll { $0.keyID == id }
        guard signatures.count < TrustLimits.signatures else { throw .tooManySignatures(TrustLimits.signatures) }
        do throws(KeyError) {
            signatures.append(Signature(keyID: id, bytes: try key.sign(signedBytes)))
        } catch {
            throw .signing(error)
        }
    }

    /// The bytes that are signed (DSSE 1.0.2, "PAE").
    package var signedBytes: [UInt8] {
        Array("DSSEv1 \(payloadType.utf8.count) \(payloadType) \(unverifiedPayload.count) ".utf8) + unverifiedPayload
    }

    /// The payload, and the ids of those of `keys` that signed it, at least one.
    ///
    /// Throws `DSSEError.payloadType` for another type, `badSignature` where a signature under the id of one of `keys` isn't
    /// of that key, and `unknownKey` where none of them signed. Signatures of other keys don't count and don't harm.
    package func verified(
        as type: String, by keys: [TrustKey]
    ) throws(DSSEError) -> (payload: [UInt8], signers: [KeyID]) {
        guard payloadType == type else { throw .payloadType(found: payloadType, expected: type) }
        let message = signedBytes
        var signers: [KeyID] = []
        for signature in signatures {
            guard let key = keys.first(where: { $0.id.hex == signature.keyID }) else { continue }
            do throws(KeyError) {
                try key.key.verify(signature: signature.bytes, over: message)
            } catch {
                throw .badSignature(keyID: signature.keyID)
            }
            signers.append(key.id)
        }
        guard !signers.isEmpty else { throw .unknownKey(signatures.map(\.keyID)) }
        return (unverifiedPayload, signers)
    }
}

// The file.
extension DSSEEnvelope {
    /// The one form that is written: canonical JSON and a newline.
    package var encoded: [UInt8] {
        let list: [JSONValue] = signatures.map {
            ["keyid": .string($0.keyID), "sig": .string(Data($0.bytes).base64EncodedString())]
        }
        let document: JSONValue = [
            "payload": .string(Data(unverifiedPayload).base64EncodedString()), "payloadType": .string(payloadType),
            "signatures": .array(list),
        ]
        return document.canonicalBytes + [UInt8(ascii: "\n")]
    }

    /// Reads an envelope; checks no signature. Throws `DSSEError`: no member twice, none that DSSE doesn't know, 1 to 16
    /// signatures of distinct key ids, base64 of the standard alphabet with its padding and no loose bits.
    package init(parsing bytes: [UInt8]) throws(DSSEError) {
        guard bytes.count <= DSSEEnvelope.maximumSize else { throw .tooLarge(limit: DSSEEnvelope.maximumSize) }
        do throws(JSONError) {
            let limits = JSONLimits.document(bytes: DSSEEnvelope.maximumSize, depth: 3, values: 64)
            try self.init(JSONCursor(try JSONValue(parsing: bytes, limits)))
        } catch {
            throw .malformed(error)
        }
    }

    private init(_ document: JSONCursor) throws(JSONError) {
        try document.allow(only: ["payload", "payloadType", "signatures"])
        let type = try document["payloadType"]
        payloadType = try type.string()
        guard (1...128).contains(payloadType.utf8.count) else { throw type.invalid("from 1 to 128 bytes") }
        unverifiedPayload = try document["payload"].base64(limit: DSSEEnvelope.maximumPayload)
        let list = try document["signatures"]
        let entries = try list.elements()
        guard (1...TrustLimits.signatures).contains(entries.count) else {
            throw list.invalid("a list of 1 to \(TrustLimits.signatures) signatures")
        }
        signatures = try entries.map { entry throws(JSONError) in try Signature(entry) }
        guard Set(signatures.map(\.keyID)).count == signatures.count else {
            throw list.invalid("a list without two signatures of one key")
        }
    }

    /// Whether a document is an envelope rather than what is kept without a signature.
    package static func isEnvelope(_ document: JSONValue) -> Bool {
        guard case .object(let members) = document else { return false }
        return members["payloadType"] != nil
    }
}

extension DSSEEnvelope.Signature {
    fileprivate init(_ entry: JSONCursor) throws(JSONError) {
        try entry.allow(only: ["keyid", "sig"])
        let id = try entry["keyid"]
        keyID = try id.string()
        guard (1...64).contains(keyID.utf8.count), keyID.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw id.invalid("1 to 64 printable characters")
        }
        let text = try entry["sig"]
        bytes = try text.base64(limit: TrustLimits.signatureDigits / 2)
        guard !bytes.isEmpty else { throw text.invalid("a signature") }
    }
}

extension JSONCursor {
    /// The bytes of standard base64 (RFC 4648 section 4), in its only form.
    fileprivate func base64(limit: Int) throws(JSONError) -> [UInt8] {
        let text = try string()
        guard text.utf8.count <= (limit + 2) / 3 * 4 else { throw invalid("base64 of at most \(limit) bytes") }
        // Foundation passes over loose bits at the end: what was read must be what would be written.
        guard let data = Data(base64Encoded: text), data.count <= limit, data.base64EncodedString() == text else {
            throw invalid("strict base64")
        }
        return [UInt8](data)
    }
}
