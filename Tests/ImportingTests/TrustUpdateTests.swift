// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// `trust update` and `trust status`.
struct TrustUpdateTests {
    @Test func `a trust folder brings new keys and takes a release away, without a release on it`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let (first, second) = (try publisher.release("1.0.0"), try publisher.release("1.0.1"))
        try scene.load(first)
        try publisher.rotate()
        publisher.supported["1.0.0"] = nil
        try publisher.sign(second, "1.0.1", versions: MadePublisher.Versions(2))
        let folder = try publisher.trustOnly()
        let size = try run(["du", "-sb", folder.string]).output.split(separator: "\t").first.flatMap { Int($0) }
        #expect(size.map { $0 < 64 << 10 } == true)
        let report = try scene.update(folder)
        for words in ["root 1 -> 2", "keys that sign no longer", "targets 1 -> 3"] {
            #expect(report.text.contains(words))
        }
        #expect(refusal { try scene.verified(first) }?.code == .notTrusted)
        try scene.verified(second)
        let again = try scene.update(folder)
        #expect(again.text.contains("nothing on it is newer"))
        #expect(try scene.update(second).text.contains("older than what this site knows") == false)
    }

    @Test func `a delisted release is refused after the update, one that stays is not`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let (first, second) = (try publisher.release("1.0.0"), try publisher.release("1.0.1"))
        try scene.load(first)
        try scene.load(second)
        publisher.supported["1.0.0"] = nil
        let report = try scene.update(try publisher.trustOnly())
        #expect(report.text.contains("targets 2 -> 3") && report.text.contains("no longer to be loaded: 1.0.0"))
        #expect(refusal { try scene.verified(first) }?.code == .replaced)
        try scene.verified(second)
        let old = try scene.update(first)
        #expect(old.text.contains("release 1.0.0 is not to be loaded any more"))
    }

    @Test func `what isn't genuine, has expired or is rolled back changes nothing`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        try scene.load(try publisher.release("1.0.0", versions: MadePublisher.Versions(5)))
        let before = try scene.snapshot()
        let expired = try publisher.trustOnly(expires: MadePublisher.now)
        #expect(refusal { try scene.update(expired) }?.code == .expired)
        let mixed = try publisher.trustOnly(
            versions: MadePublisher.Versions(timestamp: 9, snapshot: 9, targets: 4))
        #expect(refusal { try scene.update(mixed) }?.code == .replaced)
        var other = try MadePublisher()
        #expect(refusal { try scene.update(try other.trustOnly()) }?.code == .notTrusted)
        let flipped = try publisher.trustOnly()
        var bytes = try flipped.appending("trust/timestamp.json").contents(limit: 1 << 20)
        bytes[bytes.count / 2] ^= 1
        try write(bytes, to: flipped.appending("trust/timestamp.json"))
        #expect(refusal { try scene.update(flipped) }?.code == .notTrusted)
        #expect(try scene.snapshot() == before)
    }

    @Test func `verify and load say what a trust folder is, and beside a bundle it is in nobody's way`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        let folder = try publisher.trustOnly()
        for refused in [refusal { try scene.verified(folder) }, refusal { try scene.load(folder) }] {
            #expect(refused?.code == .usage)
            #expect(refused?.text.contains("dray-import trust update \(folder)") == true)
        }
        let medium = scene.folder.appending("medium")
        try medium.createDirectories()
        for part in [bundle, folder] {
            #expect(try run(["cp", "-r", part.string, medium.string]).status == 0)
        }
        try scene.verified(medium)
        let report = try scene.update(medium)
        #expect(report.text.split(separator: "\n").count == 2)
        #expect(try scene.accepted(publisher) == 2)
    }

    @Test func `the status says in words what is trusted, until when, and what is next`() throws {
        var publisher = try MadePublisher(keys: 3, threshold: 2)
        let scene = try TrustScene(publisher)
        let status = { (now: UTCTime) in
            try TrustStatus(scene.state, clock: now, machineFile: "/nonexistent").report(["--state", "s"])
        }
        let fresh = try status(MadePublisher.now)
        #expect(fresh.text.contains("palette-enterprise is trusted") && fresh.text.contains("nothing yet"))
        #expect(fresh.next.last == "dray-import load MEDIA --to TARGET --state s")
        try scene.load(try publisher.release("1.0.0"))
        let good = try status(MadePublisher.now)
        let grouped = RootCandidate.grouped(Digest(of: publisher.pinned).hex)
        for words in [
            grouped, "2 of 3 must sign", "1 of 1 must sign", "targets 1, snapshot 1, timestamp 1", "(500 days)",
            "1.0.0", "takes palette-enterprise", "approval:", "clock: \(MadePublisher.now)",
        ] { #expect(good.text.contains(words), "\(words) in\n\(good.text)") }
        #expect(good.warnings.isEmpty && good.next.first?.hasPrefix("# all is in order until 2028-01") == true)
        let soon = try status(MadePublisher.now.adding(days: 450))
        #expect(soon.warnings.count == 1 && soon.warnings[0].contains("(50 days)"), "\(soon.warnings)")
        #expect(soon.next.last == "dray-import trust update MEDIA --state s")
        let late = try status(MadePublisher.now.adding(days: 600))
        #expect(late.warnings.contains { $0.contains("what was accepted EXPIRED at") })
        let behind = try status(UTCTime(secondsSince1970: 0))
        #expect(behind.text.contains("IT IS BEHIND") && behind.warnings.contains { $0.contains("Set the clock") })
        try scene.forget("accepted")
        let lost = try status(MadePublisher.now)
        #expect(lost.warnings.contains { $0.contains("targets 1 were accepted here") }, "\(lost.warnings)")
    }

    @Test func `the status of a site that trusts nothing begins with trust add`() throws {
        let scene = try TrustScene()
        let report = try TrustStatus(scene.state, clock: MadePublisher.now, machineFile: "/nonexistent").report([])
        #expect(report.text.hasPrefix("no root is trusted in"))
        #expect(report.next.last == "dray-import trust add MEDIA")
    }

    @Test func `a policy is turned on, stays on, and is the same whoever wrote it`() throws {
        let scene = try TrustScene()
        let machine = scene.folder.appending("machine.json")
        try write(Array(#"{"sandbox":"none"}"#.utf8), to: machine)
        let state = scene.state
        let tighten = { (change: (inout SitePolicy) -> Void) in try state.tighten(machineFile: machine, change) }
        let first = try tighten { $0.requireApproval = true }
        #expect(first.requireApproval && first.sandbox == .none && !first.fips)
        let second = try tighten { ($0.fips, $0.fipsModule) = (true, "/opt/fips.so") }
        #expect(second.requireApproval && second.fips && second.fipsModule == "/opt/fips.so")
        #expect(refusal { _ = try tighten { $0.requireApproval = false } }?.code == .refused)
        #expect(refusal { _ = try tighten { $0.fipsModule = "/tmp/other.so" } }?.code == .refused)
        #expect(try state.policy(machineFile: machine) == second)
    }
}
