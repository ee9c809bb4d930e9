// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import Importing
import Support
import SystemPackage
import Testing
import Trust

struct ApprovalTests {
    private let state = TemporaryFolder()
    private var site: SiteState { SiteState(state.path) }
    private let (grace, alan, mallory): (PrivateKey, PrivateKey, PrivateKey)
    private let plan = Array(#"{"format":"dray-plan 1","product":"palette","reason":"urgent"}"#.utf8)
    private let now = UTCTime(secondsSince1970: 1_795_000_000)

    init() throws { (grace, alan, mallory) = (try .generate(), try .generate(.p256), try .generate()) }

    private func approver(_ name: String, _ key: PrivateKey) -> Approver {
        Approver(name: name, key: TrustKey(key.publicKey))
    }

    @Test func `who signed the plan and is known is told, whoever else signed`() throws {
        var approval = try Approval(of: plan, by: mallory, at: now)
        try approval.addSignature(by: grace, plan: plan)
        try approval.addSignature(by: alan, plan: plan)
        let known = [approver("Grace", grace), approver("Alan", alan)]
        let read = try Approval(parsing: approval.encoded)
        #expect(try read.verified(plan: plan, approvers: known, siteKey: nil) == known)
        // neither the operator's own word nor the site's key is a second person's
        #expect(try read.verified(plan: plan, approvers: known, siteKey: nil, person: "grace") == [known[1]])
        #expect(try read.verified(plan: plan, approvers: known, siteKey: known[1].key.id) == [known[0]])
        #expect(throws: ApprovalError.onlyTheSame) {
            try read.verified(plan: plan, approvers: known, siteKey: known[1].key.id, person: "Grace")
        }
        #expect(throws: ApprovalError.noApprovers) { try read.verified(plan: plan, approvers: [], siteKey: nil) }
    }

    @Test func `an unknown key, a changed plan and a forged signature don't count`() throws {
        let known = [approver("Grace", grace)]
        let unknown = try Approval(of: plan, by: mallory, at: now)
        let error = #expect(throws: ApprovalError.self) {
            try unknown.verified(plan: plan, approvers: known, siteKey: nil)
        }
        #expect(error?.failure == .notTrusted)
        let good = try Approval(of: plan, by: grace, at: now)
        let other = Array(String(decoding: plan, as: UTF8.self).replacing("urgent", with: "idle").utf8)
        #expect(throws: ApprovalError.otherPlan) { try good.verified(plan: other, approvers: known, siteKey: nil) }
        var again = good
        #expect(throws: ApprovalError.otherPlan) { try again.addSignature(by: alan, plan: other) }
        let forged = String(decoding: unknown.encoded, as: UTF8.self)
            .replacing(TrustKey(mallory.publicKey).id.hex, with: known[0].key.id.hex)
        #expect(throws: ApprovalError.untrusted(.badSignature(keyID: known[0].key.id.hex))) {
            try Approval(parsing: Array(forged.utf8)).verified(plan: plan, approvers: known, siteKey: nil)
        }
    }

    @Test func `a receipt is no approval, though the key that signed it is an approver's`() throws {
        let envelope = try Statement(
            about: [.init(name: "plan.json", sha256: String(repeating: "0", count: 64))], Receipt.predicateType, [:]
        ).signed(by: grace)
        let error = #expect(throws: ApprovalError.self) {
            try Approval(parsing: envelope.encoded)
                .verified(plan: plan, approvers: [approver("Grace", grace)], siteKey: nil)
        }
        #expect(error?.failure == .notTrusted)
        #expect(throws: DSSEError.self) { try Approval(parsing: [UInt8](repeating: 0x20, count: (1 << 20) + 1)) }
    }

    @Test func `approvers are named once, by one key, and removed by name or key id`() throws {
        let key = try site.makeSiteKey(name: "Site 7")
        #expect(try site.add(approver("Grace", grace)))
        #expect(try !site.add(approver("Grace", grace)))
        #expect(throws: SiteError.approverKnown("Grace", TrustKey(grace.publicKey).id)) {
            try site.add(approver("Grace", alan))
        }
        #expect(throws: SiteError.approverKnown("Grace", TrustKey(grace.publicKey).id)) {
            try site.add(approver("Grace H.", grace))
        }
        #expect(throws: SiteError.ownKey) { try site.add(Approver(name: "me", key: key.key)) }
        #expect(throws: SiteError.badName("a\u{1b}b")) { try site.add(approver("a\u{1b}b", alan)) }
        #expect(try site.add(approver("Alan", alan)))
        #expect(try site.approvers().map(\.name) == ["Alan", "Grace"])
        #expect(throws: SiteError.unknownApprover("Mallory", known: ["Alan", "Grace"])) {
            try site.removeApprover("Mallory")
        }
        #expect(try site.removeApprover(String(TrustKey(alan.publicKey).id.hex.prefix(12))).name == "Alan")
        #expect(try site.approvers().map(\.name) == ["Grace"])
    }

    @Test func `an approver's file that was renamed or changed is refused`() throws {
        _ = try site.add(approver("Grace", grace))
        let folder = state.appending("site/approvers")
        let file = folder.appending(try #require(try folder.entries().first))
        try file.replaceContents(
            with: Array(
                String(decoding: try file.contents(limit: 1 << 16), as: UTF8.self).replacing("M", with: "N").utf8))
        #expect(throws: StateError.self) { try site.approvers() }
    }

    @Test func `a site's key is made once, its owner's alone, and an interrupted run is finished`() throws {
        let made = try site.makeSiteKey(name: "Site 7")
        let file = state.appending("site/key.pem")
        #expect(try run(["stat", "-c", "%a", file.string]).output == "600\n")
        #expect(try site.siteKey() == made)
        #expect(throws: SiteError.hasKey(site.sitePublicKeyFile)) { try site.makeSiteKey(name: "Site 7") }
        let bytes = try file.contents(limit: 1 << 16)
        try site.sitePublicKeyFile.removeFile()  // as a kill before the last step leaves it
        #expect(try site.siteKey() == nil)
        #expect(try site.makeSiteKey(name: "Site 7") == made)
        #expect(try file.contents(limit: 1 << 16) == bytes)
        #expect(throws: SiteError.otherKey(file.string)) { try made.signer(alan) }
    }

    @Test func `a plan is shown with every member, and what is none is refused`() throws {
        let shown = try ApprovablePlan(
            parsing: Array(
                #"{"format":"dray-plan 1","tags":[{"name":"a:1","to":"x\u001b"}],"bytes":5,"fips":true}"#.utf8),
            "plan.json")
        for part in ["bytes:     5", "fips:      yes", "tags.name: a:1", "tags.to:   x"] {
            #expect(shown.text.contains(part))
        }
        #expect(!shown.text.contains("\u{1b}"))
        for text in ["{}", #"{"format":"dray-plan 2"}"#, #"{"format":"dray-plan 1","a":1,"a":2}"#, "[]", ""] {
            let error = #expect(throws: StateError.self) { try ApprovablePlan(parsing: Array(text.utf8), "plan.json") }
            #expect(error?.failure == .damaged)
        }
    }
}

/// Inventories that cross back, and who is believed there.
struct SitesTests {
    private let folder = TemporaryFolder()
    private var sites: Sites { Sites(folder.appending("sites")) }
    private var inventory: FilePath { folder.appending("inventory.jsonl") }
    private let key: PrivateKey

    init() throws {
        key = try PrivateKey.generate()
        try inventory.replaceContents(with: Array("{\"format\":\"dray-inventory 1\"}\n".utf8))
        let site = SiteKey(name: "Site 7", key: TrustKey(key.publicKey), place: .token("pkcs11:"))
        _ = try Inventory.sign(inventory, by: site.signer(key), at: UTCTime(secondsSince1970: 1_795_000_000))
    }

    @Test func `an inventory of a known site is believed, and no other`() throws {
        #expect(throws: SiteError.unknownSite("at all", known: [])) { try sites.verify(inventory: inventory) }
        #expect(try sites.add("other", PrivateKey.generate().publicKey))
        let error = #expect(throws: SiteError.self) { try sites.verify(inventory: inventory) }
        #expect(error?.failure == .notTrusted)
        #expect(try sites.add("seven", key.publicKey))
        #expect(try !sites.add("seven", key.publicKey))
        #expect(throws: SiteError.siteKnown("seven", folder.appending("sites/seven.pem"))) {
            try sites.add("seven", PrivateKey.generate().publicKey)
        }
        let verified = try sites.verify(inventory: inventory)
        #expect(verified.site.name == "seven" && verified.time == "2026-11-18T11:06:40Z")
        #expect(try sites.verify(inventory: inventory, site: "seven") == verified)
        #expect(
            try #require(throws: SiteError.self) { try sites.verify(inventory: inventory, site: "other") }.failure
                == .notTrusted)
        #expect(throws: SiteError.badName("../x")) { try sites.add("../x", key.publicKey) }
        #expect(try sites.all().map(\.name) == ["other", "seven"])
    }

    @Test func `changed bytes are damage, and a missing signature is no trust`() throws {
        _ = try sites.add("seven", key.publicKey)
        try inventory.replaceContents(with: Array("{\"format\":\"dray-inventory 1\"} \n".utf8))
        let changed = #expect(throws: SiteError.self) { try sites.verify(inventory: inventory) }
        #expect(changed == .inventoryChanged(inventory) && changed?.failure == .damaged)
        let signature = Inventory.signatureFile(of: inventory)
        try signature.replaceContents(with: Array("{}".utf8))
        #expect(try #require(throws: SiteError.self) { try sites.verify(inventory: inventory) }.failure == .damaged)
        try signature.removeFile()
        let missing = #expect(throws: SiteError.self) { try sites.verify(inventory: inventory) }
        #expect(missing == .inventoryUnsigned(signature) && missing?.failure == .notTrusted)
    }
}
