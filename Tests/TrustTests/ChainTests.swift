// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

@Suite struct ChainTests {
    @Test func `follows a rotation that both roots' keys signed`() throws {
        let (old, new) = (try Publisher(), try Publisher())
        var root = try old.pinned()
        try root.extend(with: new.root(version: 2, signedAlsoBy: old.rootKeys))
        #expect(root.root.header.version == 2)
        #expect(root.nextName == "3.root.json")
        #expect(root.signers == [TrustKey(new.rootKeys[0].publicKey).id])
        #expect(throws: TrustError.threshold(file: "timestamp.json", role: .timestamp, valid: 0, needed: 1)) {
            try Medium(old.publish()).verify(from: root)
        }
        let trusted = try Medium(new.publish(under: root)).verify(from: root)
        #expect(
            trusted.files.map(\.name)
                == ["1.root.json", "2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
    }

    @Test(arguments: [true, false]) func `refuses a rotation that only one root's keys signed, and keeps the old root`(
        _ byOld: Bool
    ) throws {
        let (old, new) = (try Publisher(), try Publisher())
        var root = try old.pinned()
        let bytes = try new.root(version: 2, signedAlsoBy: byOld ? old.rootKeys : [], own: !byOld)
        #expect(throws: TrustError.threshold(file: "2.root.json", role: .root, valid: 0, needed: 1)) {
            try root.extend(with: bytes)
        }
        #expect(root.root.header.version == 1)
        #expect(root.files.keys.sorted() == [1])
        try root.extend(with: new.root(version: 2, signedAlsoBy: old.rootKeys))
        #expect(root.root.header.version == 2)
    }

    @Test(arguments: [1, 3, 9_007_199_254_740_991] as [Int64]) func `refuses a root whose version isn't the next`(
        _ version: Int64
    ) throws {
        let publisher = try Publisher()
        var root = try publisher.pinned()
        #expect(throws: TrustError.rootVersion(file: "2.root.json", expected: 2, found: version)) {
            try root.extend(with: publisher.root(version: version))
        }
    }

    @Test func `refuses the 257th rotation`() throws {
        let publisher = try Publisher()
        var root = try publisher.pinned()
        for version in 2...257 as ClosedRange<Int64> { try root.extend(with: publisher.root(version: version)) }
        #expect(throws: TrustError.tooManyRoots(limit: 256)) { try root.extend(with: publisher.root(version: 258)) }
        #expect(root.root.header.version == 257)
    }

    @Test func `refuses a rotation to another product`() throws {
        let publisher = try Publisher()
        var root = try publisher.pinned()
        let bytes = try Forge.altered(
            publisher.root(version: 2), "palette-enterprise", "vertex", by: publisher.rootKeys)
        #expect(
            throws: TrustError.otherProduct(file: "2.root.json", expected: "palette-enterprise", found: "vertex")
        ) { try root.extend(with: bytes) }
    }

    @Test func `refuses another file under the version of a root that is trusted`() throws {
        let (publisher, other) = (try Publisher(), try Publisher())
        let root = try publisher.pinned()
        try root.check(try #require(root.files[1]), isVersion: 1)
        #expect(throws: TrustError.otherRoot(file: "1.root.json")) {
            try root.check(other.root().signed(by: other.rootKeys), isVersion: 1)
        }
    }

    @Test func `counts distinct keys towards a threshold`() throws {
        let publisher = try Publisher(releaseKeys: 3, releaseThreshold: 2)
        let keys = publisher.releaseKeys
        let trusted = try publisher.publish(by: [keys[2], keys[0]])
        #expect(Set(trusted.targets.signers) == [TrustKey(keys[0].publicKey).id, TrustKey(keys[2].publicKey).id])
        #expect(throws: TrustError.threshold(file: "timestamp.json", role: .timestamp, valid: 1, needed: 2)) {
            try publisher.publish(by: [keys[1]])
        }
        let body = Forge.body(trusted.timestamp.bytes)
        let ids = keys.map { TrustKey($0.publicKey).id.hex }
        let root = trusted.root
        #expect(throws: TrustError.duplicateSignature(file: "timestamp.json", keyID: ids[0])) {
            try root.verified(timestamp: Forge.sign(body, by: [keys[0], keys[0]]), now: Forge.now)
        }
        // the same key's second signature under another key's id, and under one that nobody has
        for other in [ids[1], String(repeating: "1", count: 64)] {
            let bytes = try Forge.sign(body, by: [keys[0], keys[0]], ids: [ids[0], other])
            #expect(throws: TrustError.threshold(file: "timestamp.json", role: .timestamp, valid: 1, needed: 2)) {
                try root.verified(timestamp: bytes, now: Forge.now)
            }
        }
    }

    @Test func `refuses the keys of another role`() throws {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        for (path, role) in [(\Medium.timestamp, Role.timestamp), (\.snapshot, .snapshot), (\.targets, .targets)] {
            let byRoot = try Forge.sign(Forge.body(Medium(genuine)[keyPath: path]), by: publisher.rootKeys)
            var medium = Medium(genuine)
            switch role {
            case .targets: medium = try Medium(targets: byRoot, by: publisher.releaseKeys)
            case .snapshot:
                medium = try Medium(targets: medium.targets, snapshot: byRoot, by: publisher.releaseKeys)
            default: medium.timestamp = byRoot
            }
            #expect(
                throws: TrustError.threshold(file: role.fileName(version: 1), role: role, valid: 0, needed: 1)
            ) { try medium.verify(from: genuine.root) }
        }
        var root = genuine.root
        #expect(throws: TrustError.threshold(file: "2.root.json", role: .root, valid: 0, needed: 1)) {
            try root.extend(with: Forge.sign(Forge.body(publisher.root(version: 2)), by: publisher.releaseKeys))
        }
    }

    @Test func `refuses the genuine release of another product`() throws {
        var other = try Publisher()
        let publisher = try Publisher()
        other.releaseKeys = publisher.releaseKeys  // one key for two products must not mix them
        let vertex = try TrustedRoot(pinned: other.root(product: "vertex").signed(by: other.rootKeys))
        #expect(
            throws: TrustError.otherProduct(file: "1.targets.json", expected: "vertex", found: "palette-enterprise")
        ) { try Medium(publisher.publish()).verify(from: vertex) }
    }
}
