// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

/// A change to the bytes of a genuine file, and the offset at which the grammar must stop.
struct GrammarCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let change: @Sendable (String) -> String
    let offset: @Sendable (String) -> Int

    init(
        _ name: String, _ change: @escaping @Sendable (String) -> String, at offset: @escaping @Sendable (String) -> Int
    ) {
        (testDescription, self.change, self.offset) = (name, change, offset)
    }

    static let id = String(repeating: "a", count: 64)
    static let head = "{\"signatures\":["

    static func body(_ file: String) -> Int {
        file.utf8.count - Forge.body(Array(file.utf8)).utf8.count - 1
    }

    static func replacing(_ old: String, _ new: String) -> @Sendable (String) -> String {
        { $0.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false).joined(separator: new) }
    }

    static let all: [GrammarCase] = [
        GrammarCase("nothing", { _ in "" }, at: { _ in 0 }),
        GrammarCase("a byte order mark", { "\u{FEFF}" + $0 }, at: { _ in 0 }),
        GrammarCase("a space in front", { " " + $0 }, at: { _ in 0 }),
        GrammarCase("a space inside", replacing("[{", "[ {"), at: { _ in 15 }),
        GrammarCase("a newline at the end", { $0 + "\n" }, at: { $0.utf8.count }),
        GrammarCase("CRLF at the end", { $0 + "\r\n" }, at: { $0.utf8.count }),
        GrammarCase("a NUL at the end", { $0 + "\0" }, at: { $0.utf8.count }),
        GrammarCase("only the head", { _ in head }, at: { _ in 15 }),
        GrammarCase(
            "members in another order", replacing("{\"signatures\"", "{\"signed\":1,\"signatures\""), at: { _ in 6 }),
        GrammarCase("an escape in the body", replacing("\"_type\":\"t", "\"_type\":\"\\u0074"), at: { body($0) + 11 }),
        GrammarCase(
            "a short key id", { _ in "\(head){\"keyid\":\"aa\",\"sig\":\"00\"}],\"signed\":{}}" }, at: { _ in 25 }),
        GrammarCase(
            "a long key id", { _ in "\(head){\"keyid\":\"\(id)aa\",\"sig\":\"00\"}],\"signed\":{}}" }, at: { _ in 89 }),
        GrammarCase(
            "an upper-case key id", { _ in "\(head){\"keyid\":\"A\(id.dropLast())\",\"sig\":\"00\"}],\"signed\":{}}" },
            at: { _ in 25 }),
        GrammarCase(
            "an empty signature", { _ in "\(head){\"keyid\":\"\(id)\",\"sig\":\"\"}],\"signed\":{}}" }, at: { _ in 98 }),
        GrammarCase(
            "an odd number of digits", { _ in "\(head){\"keyid\":\"\(id)\",\"sig\":\"000\"}],\"signed\":{}}" },
            at: { _ in 98 }),
        GrammarCase(
            "a huge signature",
            { _ in "\(head){\"keyid\":\"\(id)\",\"sig\":\"\(String(repeating: "0", count: 2050))\"}],\"signed\":{}}" },
            at: { _ in 98 + 2048 }),
        GrammarCase(
            "a third member in a signature",
            { _ in "\(head){\"keyid\":\"\(id)\",\"sig\":\"00\",\"x\":1}],\"signed\":{}}" }, at: { _ in 101 }),
        GrammarCase(
            "a comma after the last signature",
            { _ in "\(head){\"keyid\":\"\(id)\",\"sig\":\"00\"},],\"signed\":{}}" }, at: { _ in 103 }),
        GrammarCase(
            "17 signatures",
            { _ in
                let list = (0..<17).map { "{\"keyid\":\"\($0 + 10)\(id.dropLast(2))\",\"sig\":\"00\"}" }
                return "\(head)\(list.joined(separator: ","))],\"signed\":{}}"
            }, at: { _ in 15 + 16 * 88 }),
        GrammarCase("no body", { _ in "\(head)],\"signed\":" }, at: { _ in 26 }),
        GrammarCase("a backslash at the end of the body", { String($0.dropLast()) + "\\}" }, at: { $0.utf8.count }),
    ]
}

@Suite struct GrammarTests {
    @Test(arguments: GrammarCase.all) func `refuses other bytes than the grammar's before parsing`(
        _ damage: GrammarCase
    ) throws {
        let publisher = try Publisher()
        let genuine = String(decoding: try publisher.publish().timestamp.bytes, as: UTF8.self)
        let root = try publisher.pinned()
        let bytes = Array(damage.change(genuine).utf8)
        let error = #expect(throws: TrustError.self) { try root.verified(timestamp: bytes, now: Forge.now) }
        guard case .grammar(let file, let offset) = error else {
            Issue.record("refused by \(String(describing: error))")
            return
        }
        #expect(file == "timestamp.json")
        #expect(offset == damage.offset(genuine))
    }

    @Test(arguments: [0x00, 0x0a, 0x1f, 0x7f, 0x80, 0xff] as [UInt8]) func `refuses a byte that is not printable`(
        _ byte: UInt8
    ) throws {
        let publisher = try Publisher()
        var bytes = try publisher.publish().timestamp.bytes
        bytes[bytes.count - 3] = byte
        #expect(throws: TrustError.grammar(file: "timestamp.json", offset: bytes.count - 3)) {
            try publisher.pinned().verified(timestamp: bytes, now: Forge.now)
        }
    }

    @Test func `refuses a file without signatures`() throws {
        let publisher = try Publisher()
        let bytes = try Forge.sign(Forge.body(publisher.publish().timestamp.bytes), by: [])
        #expect(throws: TrustError.threshold(file: "timestamp.json", role: .timestamp, valid: 0, needed: 1)) {
            try publisher.pinned().verified(timestamp: bytes, now: Forge.now)
        }
    }

    @Test func `refuses a file that was cut anywhere`() throws {
        let publisher = try Publisher()
        let root = try publisher.pinned()
        let bytes = try publisher.publish().timestamp.bytes
        for count in 0..<bytes.count {
            #expect(throws: TrustError.self, "\(count) bytes") {
                try root.verified(timestamp: Array(bytes.prefix(count)), now: Forge.now)
            }
        }
        _ = try root.verified(timestamp: bytes, now: Forge.now)
    }

    @Test func `refuses a file over its limit before looking at it`() throws {
        let publisher = try Publisher()
        let set = try publisher.publish()
        var root = try publisher.pinned()
        let endless = [UInt8](repeating: 0x20, count: Role.targets.byteLimit + 1)
        #expect(throws: TrustError.tooLarge(file: "timestamp.json", limit: 16_384)) {
            try root.verified(timestamp: Array(endless[..<16_385]), now: Forge.now)
        }
        #expect(throws: TrustError.tooLarge(file: "2.root.json", limit: 512_000)) {
            try root.extend(with: Array(endless[..<512_001]))
        }
        let medium = try Medium(targets: endless, by: publisher.releaseKeys)
        #expect(throws: TrustError.tooLarge(file: "1.targets.json", limit: 5_000_000)) {
            try medium.verify(from: set.root)
        }
    }

    @Test func `refuses every flipped bit of every file`() throws {
        let publisher = try Publisher()
        let genuine = Medium(try publisher.publish())
        let first = try publisher.pinned()
        let second = try publisher.root(version: 2)
        for (path, stride) in [(\Medium.timestamp, 5), (\.snapshot, 5), (\.targets, 5)] {
            for index in Swift.stride(from: 0, to: genuine[keyPath: path].count, by: stride) {
                var medium = genuine
                medium[keyPath: path][index] ^= 1 << UInt8(index % 8)
                #expect(throws: TrustError.self, "byte \(index)") { try medium.verify(from: first) }
            }
        }
        for index in stride(from: 0, to: second.count, by: 5) {
            var (root, bytes) = (first, second)
            bytes[index] ^= 1 << UInt8(index % 8)
            #expect(throws: TrustError.self, "byte \(index)") { try root.extend(with: bytes) }
        }
        try genuine.verify(from: first)
    }
}
