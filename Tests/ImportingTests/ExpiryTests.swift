// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// The time policy (docs/trust.md, "Time"), and what two people may accept all the same.
struct ExpiryTests {
    private static let late = MadePublisher.expires.adding(days: 1)

    @Test func `28: a clock of 1970 is told and passed over, one of 2099 refuses`() throws {
        var publisher = try MadePublisher()
        var scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        scene.now = UTCTime(secondsSince1970: 0)
        let receipt = try scene.load(bundle)
        #expect(receipt.findings.contains { $0.contains("1970-01-01T00:00:00Z, and it is 2026-11-18") })
        scene.now = UTCTime("2099-01-01T00:00:00Z") ?? .latest
        let before = try scene.snapshot()
        #expect(refusal { try scene.verified(bundle) }?.code == .expired)
        #expect(refusal { try scene.load(bundle) }?.code == .expired)
        #expect(try scene.snapshot() == before)
    }

    @Test func `28: time doesn't go back behind what was accepted, nor behind the tool`() throws {
        var publisher = try MadePublisher()
        var scene = try TrustScene(publisher)
        let short = try publisher.release("1.0.0", expires: MadePublisher.now.adding(days: 30))
        let later = try publisher.release("1.0.1", issued: MadePublisher.now.adding(days: 40))
        try scene.verified(short)
        try scene.load(later)
        #expect(refusal { try scene.verified(short) }?.code == .expired)
        let ancient = try publisher.release(
            "1.0.2", issued: UTCTime(secondsSince1970: 1_600_000_000), expires: UTCTime.toolDate)
        scene.now = UTCTime(secondsSince1970: 0)
        #expect(refusal { try TrustScene(publisher).verified(ancient) }?.code == .expired)
    }

    @Test func `27: what has expired is refused, and taken with a reason and a second person's signature`() throws {
        var publisher = try MadePublisher()
        var scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        let approver = try scene.approver("Second Person")
        scene.now = ExpiryTests.late
        #expect(refusal { try scene.plan(bundle) }?.code == .expired)
        #expect(refusal { try scene.load(bundle) }?.code == .expired)
        let report = try scene.plan(bundle, out: "plan.json") { $0.reason = "the air gap was closed for a year" }
        #expect(report.warnings.count { $0.contains("expired at") } == 3)
        let file = scene.folder.appending("plan.json")
        let plan = try PlanDocument(parsing: file.contents(limit: 1 << 20))
        #expect(plan.expired.map(\.file) == ["timestamp.json", "1.snapshot.json", "1.targets.json"])
        // nobody has signed it
        let refused = try #require(refusal { try scene.load(bundle) { $0.plan = file } })
        #expect(refused.code == .expired && refused.text.contains("second person's signature"))
        try scene.approve("plan.json", by: try .generate(.p384))
        #expect(refusal { try scene.load(bundle) { $0.plan = file } }?.code == .expired)
        try scene.approve("plan.json", by: approver)
        // the approver is no second person where they run it themselves
        #expect(
            refusal {
                try scene.load(bundle) {
                    $0.plan = file
                    $0.person = "second person"
                }
            }?.code == .expired)
        let receipt = try scene.load(bundle) { $0.plan = file }
        #expect(receipt.outcome == "done")
        #expect(receipt.expiredAccepted?.reason == "the air gap was closed for a year")
        #expect(receipt.expiredAccepted?.files.count == 3)
        #expect(receipt.approval?.approvers.map(\.name) == ["Second Person"])
        #expect(refusal { try scene.verified(bundle) }?.code == .expired)
    }

    @Test func `27: the site's own key is no second person`() throws {
        var publisher = try MadePublisher()
        var scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        let site = try scene.state.makeSiteKey(name: "here")
        _ = try scene.approver("Somebody")
        scene.now = ExpiryTests.late
        try scene.plan(bundle, out: "plan.json") { $0.reason = "needed" }
        let key = try PrivateKey(pem: FilePath(site.argument).contents(limit: 1 << 16))
        try scene.approve("plan.json", by: key)
        #expect(
            refusal {
                try scene.load(bundle) {
                    $0.plan = scene.folder.appending("plan.json")
                    $0.signer = try site.signer(key)
                }
            }?.code == .expired)
    }

    @Test func `27: expiry alone is relaxed, never version, threshold, digest or list`() throws {
        var publisher = try MadePublisher(keys: 3, threshold: 2)
        var scene = try TrustScene(publisher)
        let old = try publisher.release("1.0.0")
        publisher.supported["1.0.0"] = nil
        let bundle = try publisher.release("1.0.1")
        try scene.load(bundle)
        scene.now = ExpiryTests.late
        let plan = { (media: FilePath) in
            refusal { try scene.plan(media, out: "x.json") { $0.reason = "needed" } }?.code
        }
        #expect(plan(old) == .replaced)
        let fewer = try publisher.release("1.0.2")
        try publisher.sign(fewer, "1.0.2", by: Array(publisher.releaseKeys.prefix(1)))
        #expect(plan(fewer) == .notTrusted)
        let damaged = try publisher.release("1.0.3")
        for name in ["release.json", "copies/release.json"] {
            try write(Array("{}".utf8), to: damaged.appending(name))
        }
        #expect(plan(damaged) == .damaged)
        #expect(try !scene.folder.appending("x.json").exists())
        #expect(plan(bundle) == nil)
    }

    @Test func `a reason without need is refused, and what expires after the plan is not in it`() throws {
        var publisher = try MadePublisher()
        var scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        let refused = try #require(refusal { try scene.plan(bundle, out: "plan.json") { $0.reason = "just in case" } })
        #expect(refused.code == .usage && refused.text.contains("nothing on these media has expired"))
        let approver = try scene.approver("Second Person")
        scene.now = ExpiryTests.late
        try scene.plan(bundle, out: "plan.json") { $0.reason = "needed" }
        try scene.approve("plan.json", by: approver)
        scene.now = MadePublisher.now.adding(days: 31_000)  // the root is over by now as well
        let now = try #require(
            refusal { try scene.load(bundle) { $0.plan = scene.folder.appending("plan.json") } })
        #expect(now.code == .expired && now.text.contains("1.root.json"), "\(now.text)")
    }
}
