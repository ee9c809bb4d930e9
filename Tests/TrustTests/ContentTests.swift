// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

/// A text in a signed body that is replaced and signed again by the right keys: what a faulty or hostile publisher makes.
struct ContentCase: Sendable, CustomTestStringConvertible {
    let old: String
    let new: String
    let expected: JSONError?

    var testDescription: String { "\(old.prefix(60)) -> \(new.prefix(60))" }

    /// Without an expected error the body must be refused as not canonical.
    init(_ old: String, _ new: String, _ expected: JSONError? = nil) {
        (self.old, self.new, self.expected) = (old, new, expected)
    }

    static func type(_ path: String, _ expected: String) -> JSONError { .wrongType(path: path, expected: expected) }
    static func invalid(_ path: String, _ expected: String) -> JSONError { .invalid(path: path, expected: expected) }
    static let version = "from 1 to 9007199254740991"
    static let volume = "volumes/a.001.tar.zst"
    static let name = "under a name that is a relative path"

    static let targets: [ContentCase] = [
        ContentCase("\"_type\":\"targets\"", "\"_type\":\"snapshot\"", invalid("_type", "\"targets\"")),
        ContentCase("\"_type\":\"targets\",", "", .missing(path: "_type")),
        ContentCase("\"version\":1", "\"version\":0", invalid("version", version)),
        ContentCase("\"version\":1", "\"version\":-1", invalid("version", version)),
        ContentCase("\"version\":1", "\"version\":true", type("version", "an integer")),
        ContentCase("\"version\":1", "\"version\":\"1\"", type("version", "an integer")),
        ContentCase("\"spec_version\":\"1.", "\"spec_version\":\"2.", invalid("spec_version", "a version 1 of TUF")),
        ContentCase(
            "2027-11-01T00:00:00Z", "2027-02-30T00:00:00Z", invalid("expires", "a time like 2031-05-01T00:00:00Z")),
        ContentCase(
            "2027-11-01T00:00:00Z", "2027-11-01T00:00:00+00:00",
            invalid("expires", "a time like 2031-05-01T00:00:00Z")),
        ContentCase("\"length\":5", "\"length\":-5", invalid("targets.\(volume).length", "from 0 to 9007199254740991")),
        ContentCase(",\"length\":5", "", .missing(path: "targets.\(volume).length")),
        ContentCase(
            "\"hashes\":{\"sha256\":\"2cf2", "\"hashes\":{\"sha256\":\"2CF2",
            invalid("targets.\(volume).hashes.sha256", "a digest of 64 lower-case hex digits")),
        ContentCase(
            "\"hashes\":{\"sha256\":\"2cf2", "\"hashes\":{\"md5\":\"2cf2",
            .missing(path: "targets.\(volume).hashes.sha256")),
        ContentCase(
            "\"hashes\":{\"sha256\":\"2cf2", "\"hashes\":{\"md5\":\"00\",\"sha256\":\"2cf2",
            .unknown(path: "targets.\(volume).hashes.md5")),
        ContentCase("\"spec_version\":\"1.", "\"spec_version\":\"1.x", invalid("spec_version", "a version 1 of TUF")),
        ContentCase("\"spec_version\":\"1.", "\"spec_version\":\"1..", invalid("spec_version", "a version 1 of TUF")),
        ContentCase(volume, "../a", invalid("targets.../a", name)),
        ContentCase(volume, "/a", invalid("targets./a", name)),
        ContentCase(volume, "a//b", invalid("targets.a//b", name)),
        ContentCase(volume, "a/./b", invalid("targets.a/./b", name)),
        ContentCase(volume, "", invalid("targets.", name)),
        ContentCase(volume, "a\\nb", invalid("targets.a\nb", name)),
        ContentCase(
            "\"product\":\"palette-enterprise\"", "\"product\":\"\"",
            invalid("x-dray.product", "a text that says something")),
        ContentCase("\"targets\":{", "\"delegations\":{},\"targets\":{", .unknown(path: "delegations")),
    ]

    /// What the strict JSON reader must refuse, with the byte it must stop at counted from the changed text.
    static let syntax: [(old: String, new: String, fault: JSONFault, at: Int)] = [
        ("\"version\":1", "\"version\":1.0", .number, 10), ("\"version\":1", "\"version\":1e0", .number, 10),
        ("\"version\":1", "\"version\":01", .number, 10), ("\"version\":1", "\"version\":-0", .number, 10),
        ("\"version\":1", "\"version\":9007199254740992", .number, 10),
        ("\"version\":1", "\"version\":99999999999999999999999", .number, 10),
        ("\"version\":1", "\"version\":1,\"version\":2", .duplicateName, 12),
        ("\"_type\":\"targets\"", "\"_type\": \"targets\"", .unexpectedByte, 8),
        ("\"_type\":\"targets\"", "\"_type\":NaN", .unexpectedByte, 8),
        ("\"_type\":\"targets\"", "\"_type\":\"targets\",", .unexpectedByte, 18),
        (
            "\"_type\":\"targets\"", "\"_type\":" + String(repeating: "[", count: 100_000), .depth, 8 + 15
        ),
    ]
}

@Suite struct ContentTests {
    @Test(arguments: ContentCase.targets) func `refuses signed targets with wrong content`(_ change: ContentCase) throws
    {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let targets = try Forge.altered(
            genuine.targets.bytes, change.old, change.new, by: publisher.releaseKeys)
        let medium = try Medium(targets: targets, by: publisher.releaseKeys)
        let expected = change.expected.map { TrustError.malformed(file: "1.targets.json", $0) }
        #expect(throws: expected ?? .notCanonical(file: "1.targets.json")) { try medium.verify(from: genuine.root) }
    }

    @Test(arguments: ContentCase.syntax.indices) func `refuses signed targets that are no strict JSON`(
        _ index: Int
    ) throws {
        let change = ContentCase.syntax[index]
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let body = Forge.body(genuine.targets.bytes)
        let start = try #require(body.range(ofASCII: change.old))
        let targets = try Forge.altered(genuine.targets.bytes, change.old, change.new, by: publisher.releaseKeys)
        let medium = try Medium(targets: targets, by: publisher.releaseKeys)
        let expected = JSONError.syntax(change.fault, offset: start + change.at)
        #expect(throws: TrustError.malformed(file: "1.targets.json", expected)) {
            try medium.verify(from: genuine.root)
        }
    }

    @Test func `refuses members in another order, though JSON doesn't mind`() throws {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let body = Forge.body(genuine.targets.bytes)
        let moved = "{\"version\":1," + body.dropFirst().split(separator: ",\"version\":1").joined(separator: "")
        let medium = try Medium(
            targets: Forge.sign(moved, by: publisher.releaseKeys), by: publisher.releaseKeys)
        #expect(throws: TrustError.notCanonical(file: "1.targets.json")) { try medium.verify(from: genuine.root) }
    }

    @Test func `passes over members that a later version may add`() throws {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let targets = try Forge.altered(
            genuine.targets.bytes, "\"x-dray\":", "\"x-added\":{\"deep\":[1,null,true]},\"x-dray\":",
            by: publisher.releaseKeys)
        let trusted = try Medium(targets: targets, by: publisher.releaseKeys).verify(from: genuine.root)
        #expect(trusted.targets.content == genuine.targets.content)
    }

    @Test func `refuses another role's genuine file`() throws {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let root = genuine.root
        #expect(
            throws: TrustError.malformed(
                file: "timestamp.json", .invalid(path: "_type", expected: "\"timestamp\""))
        ) { try root.verified(timestamp: genuine.snapshot.bytes, now: Forge.now) }
        let medium = try Medium(targets: genuine.snapshot.bytes, by: publisher.releaseKeys)
        #expect(
            throws: TrustError.malformed(file: "1.targets.json", .invalid(path: "_type", expected: "\"targets\""))
        ) { try medium.verify(from: root) }
    }

    @Test(arguments: [
        ("targets.json", "snapshot"), ("other.json", "snapshot"), ("snapshot.json", "timestamp"),
    ]) func `refuses a snapshot or timestamp that lists other roles`(_ name: String, _ role: String) throws {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let keys = publisher.releaseKeys
        var medium = Medium(genuine)
        if role == "snapshot" {
            let old = name == "targets.json" ? "\"targets.json\":" : "\"meta\":{"
            let new = name == "targets.json" ? "\"gone.json\":" : "\"meta\":{\"other.json\":{\"version\":1},"
            let snapshot = try Forge.altered(genuine.snapshot.bytes, old, new, by: keys)
            medium = try Medium(targets: genuine.targets.bytes, snapshot: snapshot, by: keys)
            let path = name == "targets.json" ? "meta.gone.json" : "meta.other.json"
            #expect(throws: TrustError.malformed(file: "1.snapshot.json", .unknown(path: path))) {
                try medium.verify(from: genuine.root)
            }
        } else {
            medium.timestamp = try Forge.altered(genuine.timestamp.bytes, "\"snapshot.json\":", "\"s.json\":", by: keys)
            #expect(throws: TrustError.malformed(file: "timestamp.json", .unknown(path: "meta.s.json"))) {
                try medium.verify(from: genuine.root)
            }
        }
    }

    @Test func `refuses a snapshot without its targets`() throws {
        let publisher = try Publisher()
        let genuine = try publisher.publish()
        let body = Forge.body(genuine.snapshot.bytes)
        let meta = try #require(body.range(ofASCII: "\"meta\":{"))
        let end = try #require(body.range(ofASCII: "},\"spec_version\""))
        let text = Array(body.utf8)
        let emptied = String(decoding: text[..<(meta + 8)] + text[end...], as: UTF8.self)
        let snapshot = try Forge.sign(emptied, by: publisher.releaseKeys)
        let medium = try Medium(targets: genuine.targets.bytes, snapshot: snapshot, by: publisher.releaseKeys)
        #expect(throws: TrustError.malformed(file: "1.snapshot.json", .missing(path: "meta.targets.json"))) {
            try medium.verify(from: genuine.root)
        }
    }
}

extension String {
    /// The offset in bytes of the first occurrence.
    func range(ofASCII text: String) -> Int? {
        let (bytes, wanted) = (Array(utf8), Array(text.utf8))
        return bytes.indices.first { bytes[$0...].starts(with: wanted) }
    }
}
