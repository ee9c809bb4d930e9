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

/// Plans that a second person signs, and what is carried out then.
struct ApprovedPlanTests {
    /// A site with a planned release, and its approver.
    private struct Planned {
        var publisher: MadePublisher
        let scene: TrustScene
        let bundle: FilePath
        let approver: PrivateKey
        var file: FilePath { scene.folder.appending("plan.json") }

        init() throws {
            publisher = try MadePublisher()
            scene = try TrustScene(publisher)
            bundle = try publisher.release("1.0.0", image: "library/a:1")
            approver = try scene.approver("Second Person")
            try scene.plan(bundle, out: "plan.json")
        }
    }

    @Test func `an approved plan is carried out, again too, and stands in the receipt`() throws {
        let made = try Planned()
        let load = {
            try made.scene.load(made.bundle) {
                ($0.plan, $0.requiresApproval) = (made.file, true)
            }
        }
        #expect(refusal { _ = try load() }?.code == .refused)
        try made.scene.approve("plan.json", by: made.approver)
        let nameless = refusal {
            try made.scene.load(made.bundle) { ($0.plan, $0.person) = (made.file, nil) }
        }
        #expect(nameless?.code == .refused && nameless?.text.contains("--operator NAME") == true)
        let receipt = try load()
        #expect(receipt.approval?.plan == Digest(of: try made.file.contents(limit: 1 << 20)).hex)
        #expect(receipt.approval?.approvers.map(\.name) == ["Second Person"])
        // what a stopped load has done already is what the plan makes of it
        #expect(try load().nothingToDo)
    }

    @Test func `a policy that asks for approval lets nothing else load`() throws {
        let made = try Planned()
        let policy = try made.scene.state.tighten(machineFile: "/nonexistent") { $0.requireApproval = true }
        #expect(policy.requireApproval)
        #expect(refusal { try made.scene.load(made.bundle) }?.code == .refused)
        #expect(refusal { try made.scene.load(made.bundle) { $0.plan = made.file } }?.code == .refused)
        try made.scene.approve("plan.json", by: made.approver)
        try made.scene.load(made.bundle) { $0.plan = made.file }
    }

    @Test func `an approval of strangers, of another plan, or of a changed one is none`() throws {
        let made = try Planned()
        let code = { refusal { try made.scene.load(made.bundle) { $0.plan = made.file } }?.code }
        #expect(code() == nil)  // nobody asked for one
        try made.scene.approve("plan.json", by: try .generate(.p384))
        #expect(code() == .notTrusted)
        try made.scene.plan(made.bundle, out: "other.json") { $0.tool = "another" }
        try made.scene.approve("other.json", by: made.approver)
        let other = Approval.file(of: made.scene.folder.appending("other.json"))
        try other.rename(to: Approval.file(of: made.file))
        #expect(code() == .refused)
        try made.scene.approve("plan.json", by: made.approver)
        var bytes = try made.file.contents(limit: 1 << 20)
        bytes.insert(UInt8(ascii: " "), at: 1)
        try write(bytes, to: made.file)
        #expect(code() == .damaged)
    }

    @Test func `another release, target, allowance or tag than planned is refused and nothing is sent`() throws {
        var made = try Planned()
        let scene = made.scene
        let file = made.file
        let text = { (media: FilePath, target: (any LoadTarget)?, patterns: [String]) -> String in
            let refused = refusal {
                try scene.load(media, to: target) {
                    ($0.plan, $0.replaceTags) = (file, patterns.map { TagPattern($0) })
                }
            }
            #expect(refused?.code == .refused)
            return refused?.text ?? ""
        }
        let elsewhere = LayoutTarget(scene.folder.appending("elsewhere"))
        #expect(text(made.bundle, elsewhere, []).contains("target: planned"))
        #expect(text(made.bundle, nil, ["library/*"]).contains("allowed to move here only: library/*"))
        let next = try made.publisher.release("1.0.1", image: "library/a:1")
        let other = text(next, nil, [])
        for line in ["release: planned", "trust: planned", "tag library/a:1: planned to become"] {
            #expect(other.contains(line), "\(other)")
        }
        for folder in ["layout", "elsewhere"] {
            let place = scene.folder.appending(folder).appending("index.json")
            #expect(try !place.exists())
        }
        // somebody sets the tag after the plan was made
        try scene.load(next)
        #expect(text(made.bundle, nil, []).contains("tag library/a:1: planned from nothing, found sha256:"))
    }

    @Test func `the plan's allowances hold without being given again`() throws {
        var made = try Planned()
        let scene = made.scene
        try scene.load(made.bundle)
        let next = try made.publisher.release("1.0.1", image: "library/a:1")
        try scene.plan(next, out: "moving.json") { $0.replaceTags = [TagPattern("library/*")] }
        let plan = try PlanDocument(parsing: scene.folder.appending("moving.json").contents(limit: 1 << 20))
        #expect(plan.tags.count == 1 && plan.tags.first?.from != nil)
        #expect(plan.text.contains("moves:") && plan.text.contains("may move:"))
        let receipt = try scene.load(next) { $0.plan = scene.folder.appending("moving.json") }
        #expect(receipt.counts.tags.map(\.action) == ["move"])
    }

    @Test func `a plan that can't be carried out, or would take a file's place, is not written`() throws {
        var made = try Planned()
        let scene = made.scene
        #expect(refusal { try scene.plan(made.bundle, out: "plan.json") }?.code == .refused)
        try scene.load(made.bundle)
        let next = try made.publisher.release("1.0.1", image: "library/a:1")
        let report = try scene.plan(next, out: "refused.json")
        #expect(report.failure == .refused && report.warnings.contains { $0.contains("was not written") })
        #expect(try !scene.folder.appending("refused.json").exists())
    }
}

/// The file of a plan.
struct PlanDocumentTests {
    private func document() -> PlanDocument {
        var plan = PlanDocument()
        plan.target = "https://host/base"
        plan.reason = "because"
        plan.expired = [ExpiredFile(file: "timestamp.json", expires: MadePublisher.now)]
        plan.allowances = PlanDocument.Allowances(replaceTags: ["b", "a", "a"], insecureSkipTLSVerify: true)
        plan.tags = [
            PlanDocument.Tag(name: "a:1", from: nil, to: "sha256:x"),
            PlanDocument.Tag(name: "b:1", from: "sha256:y", to: "sha256:x"),
        ]
        plan.objects = PlanDocument.Objects(manifests: 1, blobs: 2, bytes: 3)
        plan.profile = PlanDocument.Profile(fips: true, sandbox: .none)
        return plan
    }

    @Test func `what was written is read, and differs in nothing`() throws {
        let plan = document()
        let read = try PlanDocument(parsing: plan.encoded)
        #expect(read == plan)
        #expect(plan.differences(to: read).isEmpty)
    }

    @Test(arguments: [
        ("{\"acceptExpired\"", "{ \"acceptExpired\""), ("\"tool\":\"\"", "\"tool\":\"\",\"x\":1"),
        ("dray-plan 1", "dray-plan 2"), ("\"bytes\":3", "\"bytes\":-3"), ("\"reason\":\"because\"", "\"reason\":\" \""),
        ("\"sandbox\":\"none\"", "\"sandbox\":\"maybe\""), ("[\"a\",\"b\"]", "[\"b\",\"a\"]"),
        ("\"fips\":true", "\"fips\":true,\"fips\":false"), ("\"from\":null,", ""), ("sha256:x\"}]", "sha256:x\"}] "),
    ]) func `any other writing is no plan`(_ old: String, _ new: String) throws {
        let text = String(decoding: document().encoded, as: UTF8.self)
        let range = try #require(text.firstRange(of: old))
        let changed = String(text[..<range.lowerBound]) + new + String(text[range.upperBound...])
        #expect(throws: JSONError.self) { try PlanDocument(parsing: Array(changed.utf8)) }
    }

    /// A change of what would be done, and a word of the line that tells of it.
    struct Change: Sendable {
        let word: String
        let apply: @Sendable (inout PlanDocument) -> Void

        init(_ word: String, _ apply: @escaping @Sendable (inout PlanDocument) -> Void) {
            (self.word, self.apply) = (word, apply)
        }
    }

    @Test(arguments: [
        Change("target") { $0.target = "x" },
        Change("release") { $0.release.sha256 = "x" },
        Change("trust") { $0.trust.targetsVersion = 9 },
        Change("objects") { $0.objects.bytes = 4 },
        Change("FIPS") { $0.profile.fips = false },
        Change("2.root.json") { $0.expired[0] = ExpiredFile(file: "2.root.json", expires: MadePublisher.now) },
        Change("c") { $0.allowances.replaceTags = ["c"] },
        Change("only the plan has it") { $0.tags = [] },
        Change("the plan doesn't have it") { $0.tags.append(PlanDocument.Tag(name: "c:1", from: nil, to: "x")) },
        Change("found nothing") { $0.tags[1] = PlanDocument.Tag(name: "b:1", from: nil, to: "sha256:x") },
    ]) func `each difference has its line`(_ change: Change) {
        var now = document()
        change.apply(&now)
        let lines = document().differences(to: now)
        #expect(lines.contains { $0.contains(change.word) }, "\(lines)")
    }

    @Test func `what is stricter than planned is no difference`() {
        var now = document()
        now.allowances = PlanDocument.Allowances()
        now.profile.sandbox = .required
        now.tags[1] = PlanDocument.Tag(name: "b:1", from: "sha256:x", to: "sha256:x")
        #expect(document().differences(to: now).isEmpty)
    }
}
