// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

@Suite struct PublicationTests {
    @Test func `counts versions on and keeps the supported releases listed`() throws {
        let publisher = try Publisher()
        let first = try publisher.publish("4.7.26")
        let second = try publisher.publish("4.7.27", after: first)
        #expect(second.targets.content.header.version == 2)
        #expect(second.snapshot.content.header.version == 2)
        #expect(second.timestamp.content.header.version == 2)
        #expect(second.targets.content.supported.keys.sorted() == ["4.7.26", "4.7.27"])
        #expect(
            second.targets.content.files.keys.sorted() == [
                "release.json", "releases/4.7.26/release.json", "releases/4.7.27/release.json",
                "volumes/a.001.tar.zst",
            ])
        #expect(second.targets.content.supported["4.7.26"] == first.targets.content.files["release.json"])
        let third = try publisher.publish("4.7.28", after: second, delisting: ["4.7.26"])
        #expect(third.targets.content.supported.keys.sorted() == ["4.7.27", "4.7.28"])
        #expect(third.files.map(\.name) == ["1.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json"])
    }

    @Test(arguments: [
        "../a", "/a", "a/", "", ".", "a/../b", "a\"b", "a\\b", "a\nb", "volumes/caf\u{e9}.iso",
        "releases/1/release.json",
        String(repeating: "a", count: 256),
    ]) func `refuses to sign a name that can't be a target`(_ name: String) throws {
        let publisher = try Publisher()
        let publication = Publication(
            of: SignedRelease(product: Publisher.product, edition: "palette", version: "1"),
            files: [name: Publisher.volume])
        #expect(throws: TrustError.unusableText(name)) {
            try publication.signed(
                under: publisher.pinned(), after: nil, issued: Forge.issued, expires: Forge.expires,
                by: publisher.releaseKeys)
        }
    }

    @Test(arguments: ["4/7", "..", "", "4.7\u{2026}"]) func `refuses to sign a version that can't be in a name`(
        _ version: String
    ) throws {
        let publisher = try Publisher()
        #expect(throws: TrustError.unusableText(version)) { try publisher.publish(version) }
    }

    @Test func `refuses to sign with another key than the root's`() throws {
        let publisher = try Publisher()
        #expect(throws: TrustError.threshold(file: "timestamp.json", role: .timestamp, valid: 0, needed: 1)) {
            try publisher.publish(by: [.generate()])
        }
    }

    @Test(arguments: [0, 2]) func `refuses to make a root with a threshold that can't be met`(_ threshold: Int) throws {
        let publisher = try Publisher(releaseThreshold: threshold)
        #expect(throws: TrustError.self) { try publisher.root() }
    }

    @Test func `refuses to make a root with one key twice`() throws {
        var publisher = try Publisher(releaseThreshold: 2)
        publisher.releaseKeys += publisher.releaseKeys
        #expect(throws: TrustError.self) { try publisher.root() }
    }

    @Test func `reads back what it signed`() throws {
        let publisher = try Publisher(rootKeys: 3, rootThreshold: 2, releaseKeys: 2)
        let root = try publisher.root()
        #expect(try TrustedRoot(pinned: root.signed(by: publisher.rootKeys)).root.members == root.members)
        let set = try publisher.publish()
        let again = try Medium(set).verify(from: set.root)
        #expect(again.targets.content == set.targets.content)
        #expect(again.targets.content.release.version == "4.7.27")
        #expect(again.targets.content.files["volumes/a.001.tar.zst"] == Publisher.volume)
    }
}

@Suite struct UTCTimeTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:34:56Z", 951_827_696), ("2026-06-01T00:00:00Z", 1_780_272_000),
            ("2038-01-19T03:14:08Z", 2_147_483_648), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] as [(String, Int64)]) func `reads and writes times`(_ text: String, _ seconds: Int64)
    {
        #expect(UTCTime(text)?.secondsSince1970 == seconds)
        #expect(UTCTime(secondsSince1970: seconds).description == text)
    }

    @Test func `reads and writes days of four centuries`() {
        for day in stride(from: Int64(0), to: 146_097 + 1000, by: 29) {
            let time = UTCTime(secondsSince1970: day * 86_400 + 3661)
            #expect(UTCTime(time.description) == time)
        }
    }

    @Test(arguments: [
        "", "2026-06-01", "2026-06-01T00:00:00", "2026-06-01t00:00:00z", "2026-06-01T00:00:00.0Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-06-31T00:00:00Z", "2026-06-01T24:00:00Z",
        "2026-06-01T00:00:60Z", "1969-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "+026-06-01T00:00:00Z",
        "2026-06-01T00:00:00Z ",
    ]) func `refuses what is no time`(_ text: String) { #expect(UTCTime(text) == nil) }

    @Test func `ends days, and adds them up to the last one`() {
        #expect(UTCTime.endOfDay("9999-12-31") == .latest)
        #expect(UTCTime.endOfDay("2026-02-30") == nil)
        #expect(UTCTime(secondsSince1970: 0).adding(days: 548).description == "1971-07-03T00:00:00Z")
        #expect(UTCTime(secondsSince1970: 0).adding(days: .max) == .latest)
    }
}
