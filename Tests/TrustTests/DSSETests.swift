// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Support
import Testing
import Trust

struct DSSETests {
    private static let predicate = "urn:dray:test:1"
    private let key: PrivateKey
    private var known: TrustKey { TrustKey(key.publicKey) }
    private let statement = Statement(
        about: [.init(name: "a", sha256: String(repeating: "0a", count: 32))], predicate, ["text": "ä \"quoted\"\n"])

    init() throws { key = try PrivateKey.generate() }

    private func text(_ envelope: DSSEEnvelope) -> String { String(decoding: envelope.encoded, as: UTF8.self) }

    @Test func `what was signed comes back, with who signed`() throws {
        let envelope = try DSSEEnvelope(parsing: statement.signed(by: key).encoded)
        let (found, signers) = try envelope.statement(Self.predicate, by: [TrustKey(OtherKey.rsa().publicKey), known])
        #expect(found == statement)
        #expect(signers == [known.id])
    }

    @Test func `the signed bytes are those of the protocol's test vector`() throws {
        let envelope = try DSSEEnvelope(
            signing: Array("hello world".utf8), type: "http://example.com/HelloWorld", by: key)
        #expect(
            String(decoding: envelope.signedBytes, as: UTF8.self)
                == "DSSEv1 29 http://example.com/HelloWorld 11 hello world")
    }

    @Test func `every changed byte of the payload is refused, and so is another type`() throws {
        let envelope = try statement.signed(by: key)
        let payload = envelope.unverifiedPayload
        for place in stride(from: 0, to: payload.count, by: 7) {
            var other = payload
            other[place] ^= 1
            let forged = try DSSEEnvelope(
                parsing: Array(text(envelope).replacing(try base64(payload), with: try base64(other)).utf8))
            #expect(throws: DSSEError.badSignature(keyID: known.id.hex)) {
                try forged.verified(as: Statement.payloadType, by: [known])
            }
        }
        #expect(throws: DSSEError.payloadType(found: Statement.payloadType, expected: "text/plain")) {
            try envelope.verified(as: "text/plain", by: [known])
        }
        let retyped = try DSSEEnvelope(
            parsing: Array(text(envelope).replacing("vnd.in-toto+json", with: "vnd.in-tota+json").utf8))
        #expect(throws: DSSEError.badSignature(keyID: known.id.hex)) {
            try retyped.verified(as: "application/vnd.in-tota+json", by: [known])
        }
    }

    /// The base64 that an envelope has of these bytes.
    private func base64(_ bytes: [UInt8]) throws -> String {
        let line = text(try DSSEEnvelope(signing: bytes, type: "t", by: key))
        return String(line.dropFirst(#"{"payload":""#.count).prefix { $0 != "\"" })
    }

    @Test func `a key that didn't sign, and a signature under another's id, are told apart`() throws {
        let (envelope, other) = (try statement.signed(by: key), TrustKey(try PrivateKey.generate().publicKey))
        #expect(throws: DSSEError.unknownKey([known.id.hex])) {
            try envelope.verified(as: Statement.payloadType, by: [other])
        }
        let renamed = try DSSEEnvelope(parsing: Array(text(envelope).replacing(known.id.hex, with: other.id.hex).utf8))
        #expect(throws: DSSEError.badSignature(keyID: other.id.hex)) {
            try renamed.verified(as: Statement.payloadType, by: [other, known])
        }
    }

    @Test func `a second signature is added beside the first, and the same key's takes its place`() throws {
        var envelope = try statement.signed(by: key)
        let second = try OtherKey.rsa()
        try envelope.addSignature(by: second)
        try envelope.addSignature(by: second)
        #expect(envelope.signatures.count == 2)
        let keys = [TrustKey(second.publicKey), known]
        let signers = try envelope.statement(Self.predicate, by: keys).signers
        #expect(Set(signers) == Set(keys.map(\.id)))
        for _ in 0..<14 { try envelope.addSignature(by: PrivateKey.generate(.p256)) }
        #expect(throws: DSSEError.tooManySignatures(16)) { try envelope.addSignature(by: PrivateKey.generate()) }
    }

    @Test(
        arguments: [
            ("\"payload\":", "\"payload\":\"\",\"payload\":"), ("{\"payload\"", "{\"extra\":1,\"payload\""),
            ("\"sig\":\"", "\"sig\":\"*"), ("\"signatures\":[{", "\"signatures\":[[{"), ("\"payloadType\"", "\"type\""),
            ("\"keyid\":\"", "\"keyid\":\"\u{e9}"), ("{\"payload\":\"", "{\"payload\":\"="), ("]}", "]}{}"),
            ("{\"payload\":\"", "{\"payload\":\"\\n"), ("\"keyid\"", "\"cert\":1,\"keyid\""),
        ])
    func `what is no envelope is refused before anything is checked`(_ part: String, _ other: String) throws {
        let text = text(try statement.signed(by: key))
        let forged = text.replacing(part, with: other, maxReplacements: 1)
        #expect(forged != text)
        let error = #expect(throws: DSSEError.self) { try DSSEEnvelope(parsing: Array(forged.utf8)) }
        #expect(error?.isDamage == true, "\(String(describing: error))")
    }

    @Test func `base64 with loose bits, no signature, and one key's twice are refused`() throws {
        let text = text(try DSSEEnvelope(signing: [0], type: "t", by: key))
        #expect(text.contains("\"AA==\""))
        let list = try #require(text.firstRange(of: "\"signatures\":["))
        let entry = text[list.upperBound...].prefix { $0 != "]" }
        for forged in [
            text.replacing("\"AA==\"", with: "\"AB==\""), text.replacing("\"AA==\"", with: "\"AA\""),
            text.replacing(entry, with: ""), text.replacing(entry, with: "\(entry),\(entry)"),
        ] {
            #expect(throws: DSSEError.self, "\(forged)") { try DSSEEnvelope(parsing: Array(forged.utf8)) }
        }
    }

    @Test(
        arguments: [
            "{}",
            #"{"_type":"https://in-toto.io/Statement/v0.1","subject":[],"predicateType":"urn:dray:test:1","predicate":{}}"#,
            #"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"urn:dray:test:1","predicate":{}}"#,
            #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"A"}}],"predicateType":"urn:dray:test:1","predicate":{}}"#,
            #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha512":"00"}}],"predicateType":"urn:dray:test:1","predicate":{}}"#,
        ])
    func `a signed payload that is no statement is refused`(_ payload: String) throws {
        let envelope = try DSSEEnvelope(signing: Array(payload.utf8), type: Statement.payloadType, by: key)
        let error = #expect(throws: DSSEError.self) { try envelope.statement(Self.predicate, by: [known]) }
        guard case .statement = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a statement of another kind is refused, whoever signed`() throws {
        let envelope = try statement.signed(by: key)
        #expect(throws: DSSEError.predicateType(found: Self.predicate, expected: "urn:dray:approval:1")) {
            try envelope.statement("urn:dray:approval:1", by: [known])
        }
    }

    @Test func `an envelope that is too large isn't looked into`() {
        let bytes = [UInt8](repeating: 0x20, count: DSSEEnvelope.maximumSize + 1)
        #expect(throws: DSSEError.tooLarge(limit: DSSEEnvelope.maximumSize)) { try DSSEEnvelope(parsing: bytes) }
    }
}

@Suite(.enabled(if: PythonTUF.isExpected, "securesystemslib is missing: scripts/setup --test"))
struct DSSEInteroperationTests {
    @Test(arguments: ["ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256", "rsassa-pss-sha256"])
    func `securesystemslib takes our envelopes, and refuses changed ones`(_ scheme: String) throws {
        let key =
            switch scheme {
            case "ecdsa-sha2-nistp384": try PrivateKey.generate()
            case "ecdsa-sha2-nistp256": try PrivateKey.generate(.p256)
            default: try OtherKey.rsa()
            }
        let shell = Shell()
        let statement = Statement(
            about: [.init(name: "a", sha256: String(repeating: "0a", count: 32))], "urn:dray:test:1", ["b": 1])
        try shell.write(statement.signed(by: key).encoded, "envelope.json")
        try shell.write(Array(key.publicKey.pem.utf8), "key.pem")
        let check =
            "\(PythonTUF.interpreter) \(SourceTree.root)/Tests/python/check_dsse.py envelope.json key.pem urn:dray:test:1"
        #expect(shell.run(check))
        #expect(String(decoding: try shell.read("log"), as: UTF8.self) == "ok \(scheme) 1\n")
        try shell.write(Array(try PrivateKey.generate().publicKey.pem.utf8), "key.pem")
        #expect(shell.run(check))
        #expect(String(decoding: try shell.read("log"), as: UTF8.self) == "VerificationError\n")
    }
}
