// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

@Suite struct FreshnessTests {
    @Test func `refuses files of two sets that are mixed`() throws {
        let publisher = try Publisher()
        let first = try publisher.publish("4.7.26")
        let second = try publisher.publish("4.7.27", after: first)
        var medium = Medium(second)
        medium.targets = first.targets.bytes
        #expect(try mismatch(medium, second.root) == "2.targets.json")
        medium = Medium(second)
        medium.timestamp = first.timestamp.bytes
        #expect(try mismatch(medium, second.root) == "1.snapshot.json")
    }

    /// The file whose length or digest is refused; which of the two depends on the random length of signatures.
    private func mismatch(_ medium: Medium, _ root: TrustedRoot) throws -> String? {
        let error = #expect(throws: TrustError.self) { try medium.verify(from: root) }
        guard case .linkMismatch(let file, _) = error else { return nil }
        return file
    }

    @Test func `refuses a length that isn't the signed one before any digest`() throws {
        let publisher = try Publisher()
        let set = try publisher.publish()
        var medium = Medium(set)
        let length = Int64(medium.snapshot.count)
        medium.snapshot.append(0)
        #expect(
            throws: TrustError.linkMismatch(
                file: "1.snapshot.json", .length(expected: length, found: length + 1))
        ) { try medium.verify(from: set.root) }
        medium = Medium(set)
        medium.timestamp = try Forge.altered(
            medium.timestamp, "\"length\":\(length)", "\"length\":\(length + 1)", by: publisher.releaseKeys)
        #expect(
            throws: TrustError.linkMismatch(
                file: "1.snapshot.json", .length(expected: length + 1, found: length))
        ) { try medium.verify(from: set.root) }
    }

    @Test func `refuses a second digest that is wrong`() throws {
        let publisher = try Publisher()
        let set = try publisher.publish()
        var medium = Medium(set)
        let body = Forge.body(medium.timestamp)
        let start = try #require(body.range(ofASCII: "\"sha512\":\"")) + 10
        let digit = Array(body.utf8)[start] == UInt8(ascii: "0") ? "1" : "0"
        medium.timestamp = try Forge.altered(
            medium.timestamp, "\"sha512\":\"" + String(decoding: [Array(body.utf8)[start]], as: UTF8.self),
            "\"sha512\":\"" + digit, by: publisher.releaseKeys)
        #expect(throws: TrustError.linkMismatch(file: "1.snapshot.json", .sha512)) { try medium.verify(from: set.root) }
    }

    @Test func `refuses another version inside than the link names`() throws {
        let publisher = try Publisher()
        let set = try publisher.publish()
        let medium = try Medium(targets: set.targets.bytes, version: 2, by: publisher.releaseKeys)
        #expect(throws: TrustError.version(file: "2.targets.json", expected: 2, found: 1)) {
            try medium.verify(from: set.root)
        }
    }

    @Test func `refuses what is older than what was accepted`() throws {
        let publisher = try Publisher()
        let keys = publisher.releaseKeys
        let first = try publisher.publish("4.7.26")
        let second = try publisher.publish("4.7.27", after: first)
        let root = second.root
        #expect(throws: TrustError.rollback(file: "timestamp.json", accepted: 2, found: 1)) {
            try Medium(first).verify(from: root, since: second.accepted)
        }
        // a newer timestamp for the older snapshot, then a newer snapshot for the older targets
        let oldSnapshot = try Medium(
            targets: first.targets.bytes, snapshot: first.snapshot.bytes, timestampVersion: 3, by: keys)
        #expect(throws: TrustError.rollback(file: "1.snapshot.json", accepted: 2, found: 1)) {
            // the timestamp alone gives it away, no snapshot is read
            try root.verified(timestamp: oldSnapshot.timestamp, now: Forge.now, since: second.accepted)
        }
        let header = MetadataHeader(version: 3, issued: Forge.issued, expires: Forge.expires)
        let link = Link(version: 1, to: first.targets.bytes)
        let oldTargets = try Medium(
            targets: first.targets.bytes, snapshot: Snapshot(header: header, targets: link).signed(by: keys),
            version: 3, timestampVersion: 3, by: keys)
        #expect(throws: TrustError.rollback(file: "1.targets.json", accepted: 2, found: 1)) {
            try oldTargets.verify(from: root, since: second.accepted)
        }
        try Medium(second).verify(from: root, since: second.accepted)
        try Medium(second).verify(from: root, since: first.accepted)
        try Medium(first).verify(from: root)
    }

    @Test func `refuses other content under the version that was accepted`() throws {
        let publisher = try Publisher()
        let (one, other) = (try publisher.publish("4.7.26"), try publisher.publish("4.7.27"))
        #expect(throws: TrustError.versionReused(file: "timestamp.json", version: 1)) {
            try Medium(other).verify(from: one.root, since: one.accepted)
        }
    }

    @Test func `recovers from versions that a thief raised, once the keys are replaced`() throws {
        var publisher = try Publisher()
        let genuine = try publisher.publish()
        let last = JSONValue.largestInteger
        let stolen = try Medium(
            targets: genuine.targets.bytes, timestampVersion: last, by: publisher.releaseKeys
        ).verify(from: genuine.root)
        #expect(throws: TrustError.versionsExhausted(.timestamp)) { try publisher.publish(after: stolen) }
        #expect(throws: TrustError.rollback(file: "timestamp.json", accepted: last, found: 2)) {
            try Medium(publisher.publish(after: genuine)).verify(from: genuine.root, since: stolen.accepted)
        }
        publisher.releaseKeys = [try .generate()]
        var root = genuine.root
        try root.extend(with: publisher.root(version: 2))
        let fresh = try Medium(publisher.publish(under: root)).verify(from: root, since: stolen.accepted)
        #expect(fresh.timestamp.content.header.version == 1)
    }

    @Test(arguments: [
        ("2026-06-01T00:00:00Z", nil), ("2027-10-31T23:59:59Z", nil), ("1970-01-01T00:00:00Z", nil),
        ("2027-11-01T00:00:00Z", "1.root.json"), ("2099-01-01T00:00:00Z", "1.root.json"),
    ]) func `judges expiry by the clock`(_ clock: String, _ expired: String?) throws {
        let publisher = try Publisher()
        let set = try publisher.publish()
        let now = Forge.time(clock)
        if let expired {
            #expect(throws: TrustError.expired(file: expired, at: Forge.expires, now: now)) {
                try Medium(set).verify(from: set.root, now: now)
            }
        } else {
            let trusted = try Medium(set).verify(from: set.root, now: now)
            #expect(trusted.time == max(now, Forge.issued))
        }
    }

    @Test(arguments: Role.allCases) func `refuses each file that has expired`(_ role: Role) throws {
        let publisher = try Publisher()
        let keys = publisher.releaseKeys
        let early = Forge.time("2026-05-15T00:00:00Z")
        func header(_ own: Role) -> MetadataHeader {
            MetadataHeader(version: 1, issued: Forge.issued, expires: own == role ? early : Forge.expires)
        }
        let release = SignedRelease(product: Publisher.product, edition: "palette", version: "1")
        let targets = try Targets(header: header(.targets), release: release, files: [:]).signed(by: keys)
        let link = Link(version: 1, to: targets)
        let snapshot = try Snapshot(header: header(.snapshot), targets: link).signed(by: keys)
        var medium = try Medium(targets: targets, snapshot: snapshot, by: keys)
        medium.timestamp = try Timestamp(header: header(.timestamp), snapshot: Link(version: 1, to: snapshot))
            .signed(by: keys)
        let root = try publisher.pinned(expires: role == .root ? early : Forge.expires)
        let file = role.fileName(version: 1)
        #expect(throws: TrustError.expired(file: file, at: early, now: Forge.now)) { try medium.verify(from: root) }
        try medium.verify(from: root, now: Forge.issued)
    }

    @Test func `takes an expired root when a newer one follows`() throws {
        let publisher = try Publisher()
        let pinned = try publisher.pinned(expires: Forge.issued)
        let set = try publisher.publish()
        #expect(throws: TrustError.expired(file: "1.root.json", at: Forge.issued, now: Forge.now)) {
            try Medium(set).verify(from: pinned)
        }
        var medium = Medium(set)
        medium.roots = [try publisher.root(version: 2)]
        try medium.verify(from: pinned)
    }

    @Test func `doesn't believe a clock that is behind what was signed`() throws {
        let publisher = try Publisher()
        let late = Forge.time("2028-01-01T00:00:00Z")
        let root = try publisher.pinned()  // expired by then
        #expect(throws: TrustError.expired(file: "1.root.json", at: Forge.expires, now: late)) {
            try publisher.publish(under: root, issued: late, expires: late.adding(days: 1))
        }
        let release = SignedRelease(product: Publisher.product, edition: "palette", version: "1")
        let header = MetadataHeader(version: 1, issued: late, expires: .latest)
        let targets = try Targets(header: header, release: release, files: [:]).signed(by: publisher.releaseKeys)
        #expect(throws: TrustError.expired(file: "1.root.json", at: Forge.expires, now: late)) {
            try Medium(targets: targets, by: publisher.releaseKeys).verify(
                from: root, now: UTCTime(secondsSince1970: 0))
        }
    }
}
