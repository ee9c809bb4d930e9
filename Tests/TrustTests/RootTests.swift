// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

@Suite struct RootTests {
    /// Throws what root 2 with one text replaced, signed as it must be, is refused for.
    private func extended(_ publisher: Publisher, _ old: String, _ new: String) throws -> TrustedRoot {
        var root = try publisher.pinned()
        try root.extend(
            with: Forge.altered(publisher.root(version: 2), old, new, by: publisher.rootKeys))
        return root
    }

    @Test(arguments: [
        ("0", true), ("-1", true), ("9007199254740991", true), ("2", true), ("17", true), ("true", false),
        ("\"1\"", false), ("null", false), ("[1]", false),
    ]) func `refuses a threshold that is no number from 1 to the number of keys`(
        _ threshold: String, _ isInteger: Bool
    ) throws {
        let publisher = try Publisher()
        let path = "roles.root.threshold"
        let expected =
            isInteger
            ? JSONError.invalid(path: path, expected: "from 1 to 1")
            : .wrongType(path: path, expected: "an integer")
        #expect(throws: TrustError.malformed(file: "2.root.json", expected)) {
            try extended(publisher, "\"threshold\":1", "\"threshold\":\(threshold)")
        }
    }

    @Test(arguments: ["9223372036854775808", "1.0", "1e0"]) func `refuses a threshold that is no plain integer`(
        _ threshold: String
    ) throws {
        let publisher = try Publisher()
        let body = try Forge.body(publisher.root(version: 2))
        let offset = try #require(body.range(ofASCII: "\"threshold\":1")) + 12
        #expect(throws: TrustError.malformed(file: "2.root.json", .syntax(.number, offset: offset))) {
            try extended(publisher, "\"threshold\":1", "\"threshold\":\(threshold)")
        }
    }

    @Test func `refuses one key under two ids`() throws {
        let publisher = try Publisher()
        let id = TrustKey(publisher.releaseKeys[0].publicKey).id.hex
        let false2 = String(repeating: "f", count: 64)
        let body = try Forge.body(publisher.root(version: 2))
        let object = try #require(body.object(named: id))
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json",
                .invalid(path: "keys.\(false2)", expected: "under the id of its key, \(id)"))
        ) { try extended(publisher, "\"\(id)\":\(object)", "\"\(id)\":\(object),\"\(false2)\":\(object)") }
    }

    @Test(arguments: [
        ("-----END PUBLIC KEY-----\\n", "-----END PUBLIC KEY-----"),
        ("-----BEGIN PUBLIC KEY-----\\n", "x\\n-----BEGIN PUBLIC KEY-----\\n"),
    ]) func `refuses a key whose PEM is written in another way, since its id would be another`(
        _ old: String, _ new: String
    ) throws {
        let publisher = try Publisher()
        let id = [publisher.rootKeys, publisher.releaseKeys].map { TrustKey($0[0].publicKey).id.hex }.sorted()[0]
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json", .invalid(path: "keys.\(id)", expected: "a key object in its one canonical form"))
        ) { try extended(publisher, old, new) }
    }

    @Test func `refuses a key id that is named twice in a role, or not in the root`() throws {
        let publisher = try Publisher()
        let id = TrustKey(publisher.rootKeys[0].publicKey).id.hex
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json", .invalid(path: "roles.root.keyids[1]", expected: "a key named once"))
        ) { try extended(publisher, "\"root\":{\"keyids\":[", "\"root\":{\"keyids\":[\"\(id)\",") }
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json", .invalid(path: "roles.root.keyids[0]", expected: "the id of a key in this root"))
        ) { try extended(publisher, "\"root\":{\"keyids\":[", "\"root\":{\"keyids\":[\"zz\",") }
    }

    @Test(arguments: [
        ("\"scheme\":\"ecdsa-sha2-nistp256\"", "\"scheme\":\"ecdsa-sha2-nistp384\""),
        ("\"keytype\":\"ecdsa\"", "\"keytype\":\"ecdsa-sha2-nistp256\""),
        ("\"keytype\":\"ecdsa\",\"keyval\":{", "\"keytype\":\"ecdsa\",\"keyval\":{\"private\":\"\","),
    ]) func `refuses a key object that isn't exactly ours`(_ old: String, _ new: String) throws {
        let publisher = try Publisher()
        let keys = publisher.rootKeys + (old.contains("scheme") ? [] : publisher.releaseKeys)
        let id = keys.map { TrustKey($0.publicKey).id.hex }.sorted()[0]
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json", .invalid(path: "keys.\(id)", expected: "a key object in its one canonical form"))
        ) { try extended(publisher, old, new) }
    }

    @Test func `refuses a root without a role, with another one, or without consistent snapshots`() throws {
        let publisher = try Publisher()
        #expect(throws: TrustError.malformed(file: "2.root.json", .unknown(path: "roles.mirrors"))) {
            try extended(publisher, "\"snapshot\":{\"keyids\"", "\"mirrors\":{\"keyids\"")
        }
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json", .invalid(path: "consistent_snapshot", expected: "true"))
        ) { try extended(publisher, "\"consistent_snapshot\":true", "\"consistent_snapshot\":false") }
    }

    @Test(arguments: [
        ("EC -pkeyopt ec_paramgen_curve:secp256k1", KeyError.unsupportedCurve), ("ED25519", .ed25519),
        ("RSA -pkeyopt rsa_keygen_bits:2048", .rsaSize(bits: 2048, allowed: 3072...8192)),
    ]) func `refuses a whole root for one key that isn't accepted`(_ algorithm: String, _ error: KeyError) throws {
        let publisher = try Publisher()
        let pem = try OtherKey.publicPEM(algorithm)
        let escaped = pem.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
        let id = String(repeating: "0", count: 64)
        let object = "{\"keytype\":\"ecdsa\",\"keyval\":{\"public\":\"\(escaped)\"},\"scheme\":\"x\"}"
        #expect(
            throws: TrustError.malformed(
                file: "2.root.json",
                .invalid(path: "keys.\(id).keyval.public", expected: "a key for trust: \(error)"))
        ) { try extended(publisher, "\"keys\":{", "\"keys\":{\"\(id)\":\(object),") }
    }

    @Test func `compares the fingerprint of the pinned root`() throws {
        let publisher = try Publisher()
        let bytes = try publisher.root().signed(by: publisher.rootKeys)
        let fingerprint = Hasher.hash(bytes)
        #expect(try TrustedRoot(pinned: bytes, fingerprint: fingerprint).root.product == Publisher.product)
        #expect(throws: TrustError.self) {
            try TrustedRoot(pinned: bytes, fingerprint: Array(fingerprint.dropLast()) + [fingerprint[31] ^ 1])
        }
        #expect(throws: TrustError.self) { try TrustedRoot(pinned: bytes, fingerprint: []) }
    }

    @Test func `refuses a pinned root that its own keys didn't sign`() throws {
        let publisher = try Publisher()
        let bytes = try publisher.root().signed(by: publisher.releaseKeys)
        #expect(throws: TrustError.threshold(file: "1.root.json", role: .root, valid: 0, needed: 1)) {
            try TrustedRoot(pinned: bytes)
        }
    }

    @Test func `takes RSA keys beside elliptic ones`() throws {
        var publisher = try Publisher()
        publisher.releaseKeys = [try OtherKey.rsa()]
        let trusted = try publisher.publish()
        #expect(trusted.timestamp.signers == [TrustKey(publisher.releaseKeys[0].publicKey).id])
        let signature = try publisher.releaseKeys[0].signDetached([1, 2, 3])
        #expect(
            try trusted.root.root.verifyDetached(signature: signature, over: [1, 2, 3]) == trusted.targets.signers[0])
    }

    @Test func `takes a detached signature of any one release key`() throws {
        let publisher = try Publisher(releaseKeys: 3, releaseThreshold: 2)
        let root = try publisher.root()
        let sums = Array("00  a\n".utf8)
        for key in publisher.releaseKeys {
            let id = try root.verifyDetached(signature: key.signDetached(sums), over: sums)
            #expect(id == TrustKey(key.publicKey).id)
        }
        let foreign = try publisher.rootKeys[0].signDetached(sums)
        #expect(throws: TrustError.detachedSignature(file: "SHA256SUMS")) {
            try root.verifyDetached(signature: foreign, over: sums)
        }
        #expect(root.releaseKeys == publisher.releaseKeys.map(\.publicKey))
    }
}

extension String {
    /// The key object of a P-384 key that follows its id.
    fileprivate func object(named name: String) -> String? {
        guard let start = range(ofASCII: "\"\(name)\":{") else { return nil }
        let rest = Array(utf8)[(start + name.utf8.count + 3)...]
        let last = "\"scheme\":\"ecdsa-sha2-nistp384\"}"
        guard let end = String(decoding: rest, as: UTF8.self).range(ofASCII: last) else { return nil }
        return String(decoding: rest.prefix(end + last.utf8.count), as: UTF8.self)
    }
}
