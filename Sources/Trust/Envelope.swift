// SPDX-License-Identifier: Apache-2.0

internal import Cryptography

/// A metadata file split into its signatures and its signed bytes by a fixed grammar, before any JSON is parsed:
///
///     {"signatures":[{"keyid":"<64 hex>","sig":"<hex>"},... at most 16],"signed":<BODY>}
///
/// BODY is bytes from 0x20 to 0x7E, a backslash only as `\n`. What is signed is BODY with each `\n` replaced by 0x0A.
package struct Envelope: Sendable {
    /// What a file says that a key made; nothing is known of it yet.
    package struct Signature: Equatable, Sendable {
        let keyID: String
        let bytes: [UInt8]

        /// A signature under the id that the file gives.
        package init(keyID: String, bytes: [UInt8]) { (self.keyID, self.bytes) = (keyID, bytes) }
    }

    /// The file's name, for messages.
    package let file: String
    let signatures: [Signature]
    /// What follows `"signed":`, as it stands in the file; empty in a file of another dialect.
    let body: ArraySlice<UInt8>
    /// The bytes that are signed.
    let message: [UInt8]
    /// The signed content where another dialect had to parse it to know what is signed.
    package let document: JSONValue?

    /// A file of another dialect than the strict one. Throws `.duplicateSignature`.
    package init(
        file: String, signatures: [Signature], message: [UInt8], document: JSONValue
    ) throws(TrustError) {
        var ids: Set<String> = []
        for signature in signatures where !ids.insert(signature.keyID).inserted {
            throw .duplicateSignature(file: file, keyID: signature.keyID)
        }
        (self.file, self.signatures, self.message, self.document) = (file, signatures, message, document)
        body = []
    }

    init(parsing bytes: [UInt8], limit: Int, file: String) throws(TrustError) {
        guard bytes.count <= limit else { throw .tooLarge(file: file, limit: limit) }
        var reader = EnvelopeReader(bytes: bytes, file: file)
        signatures = try reader.signatures()
        body = try reader.body()
        message = Envelope.message(of: body)
        (self.file, document) = (file, nil)
    }

    /// The bytes that are signed: the OLPC canonical form that other TUF clients compute.
    static func message(of body: ArraySlice<UInt8>) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(body.count)
        var escaped = false
        for byte in body {
            if escaped {
                message.append(0x0a)
                escaped = false
            } else if byte == UInt8(ascii: "\\") {
                escaped = true
            } else {
                message.append(byte)
            }
        }
        return message
    }

    /// The file of signatures and body.
    static func file(_ signatures: [(keyID: KeyID, bytes: [UInt8])], body: [UInt8]) -> [UInt8] {
        let list = signatures.map { "{\"keyid\":\"\($0.keyID)\",\"sig\":\"\($0.bytes.hex)\"}" }
        return Array("{\"signatures\":[\(list.joined(separator: ","))],\"signed\":".utf8) + body + [UInt8(ascii: "}")]
    }

    /// The ids of the keys of `role` that signed, at least as many as its threshold.
    ///
    /// Signatures by keys that the role doesn't have, or that don't verify, don't count and don't harm: a root carries
    /// those of its predecessor's keys.
    func signers(_ role: Role, _ keys: RoleKeys) throws(TrustError) -> [KeyID] {
        var signers: [KeyID] = []
        for key in keys.all {
            guard let signature = signatures.first(where: { $0.keyID == key.id.hex }) else { continue }
            if key.isSigner(message, signature.bytes) { signers.append(key.id) }
        }
        guard keys.threshold > 0, signers.count >= keys.threshold else {
            throw .threshold(file: file, role: role, valid: signers.count, needed: keys.threshold)
        }
        return signers
    }
}

extension RoleKeys {
    /// Each key of the role once.
    fileprivate var all: [DialectKey] {
        keys.map { key in DialectKey(key.id) { key.key.isSigner(of: $0, $1) } } + foreign
    }
}

extension PublicKey {
    fileprivate func isSigner(of message: [UInt8], _ signature: [UInt8]) -> Bool {
        do {
            try verify(signature: signature, over: message)
            return true
        } catch {
            return false  // whatever the reason, it doesn't count towards the threshold
        }
    }
}

/// Walks a file by the grammar; knows no JSON.
private struct EnvelopeReader {
    let bytes: [UInt8]
    let file: String
    var offset = 0

    init(bytes: [UInt8], file: String) { (self.bytes, self.file) = (bytes, file) }

    private func fault(at place: Int? = nil) -> TrustError { .grammar(file: file, offset: place ?? offset) }

    private mutating func expect(_ text: StaticString) throws(TrustError) {
        for byte in text.description.utf8 {
            guard offset < bytes.count, bytes[offset] == byte else { throw fault() }
            offset += 1
        }
    }

    private func isNext(_ byte: UInt8) -> Bool { offset < bytes.count && bytes[offset] == byte }

    private mutating func hexDigits(atMost limit: Int) throws(TrustError) -> ArraySlice<UInt8> {
        let rest = bytes[offset...]
        let digits = rest.prefix(limit).prefix { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard !digits.isEmpty, digits.count.isMultiple(of: 2) else { throw fault() }
        offset = digits.endIndex
        return digits
    }

    mutating func signatures() throws(TrustError) -> [Envelope.Signature] {
        try expect("{\"signatures\":[")
        var found: [Envelope.Signature] = []
        if !isNext(UInt8(ascii: "]")) {
            while true {
                let start = offset
                let signature = try self.signature()
                guard !found.contains(where: { $0.keyID == signature.keyID }) else {
                    throw .duplicateSignature(file: file, keyID: signature.keyID)
                }
                guard found.count < TrustLimits.signatures else { throw fault(at: start) }
                found.append(signature)
                guard isNext(UInt8(ascii: ",")) else { break }
                offset += 1
            }
        }
        try expect("],\"signed\":")
        return found
    }

    private mutating func signature() throws(TrustError) -> Envelope.Signature {
        try expect("{\"keyid\":\"")
        let start = offset
        let keyID = try hexDigits(atMost: 64)
        guard keyID.count == 64 else { throw fault(at: start) }
        try expect("\",\"sig\":\"")
        let digits = try hexDigits(atMost: TrustLimits.signatureDigits)
        guard let signature = [UInt8](hex: digits) else { throw fault() }
        try expect("\"}")
        return Envelope.Signature(keyID: String(decoding: keyID, as: UTF8.self), bytes: signature)
    }

    mutating func body() throws(TrustError) -> ArraySlice<UInt8> {
        let end = bytes.count - 1
        guard offset < end else { throw fault() }
        let start = offset
        var escaped = false
        while offset < end {
            let byte = bytes[offset]
            if escaped {
                guard byte == UInt8(ascii: "n") else { throw fault() }
                escaped = false
            } else {
                guard (0x20...0x7e).contains(byte) else { throw fault() }
                escaped = byte == UInt8(ascii: "\\")
            }
            offset += 1
        }
        guard !escaped, isNext(UInt8(ascii: "}")) else { throw fault() }
        return bytes[start..<end]
    }
}
