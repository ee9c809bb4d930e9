// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import FoundationEssentials
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// The commands about trust, plans and policy, as a user runs them.
struct TrustToolTests {
    private var publisher: MadePublisher
    private let folder = TemporaryFolder()
    private let bundle: FilePath

    init() throws {
        publisher = try MadePublisher()
        bundle = try publisher.release("1.0.0", expires: .latest)
    }

    private func tool(_ arguments: String...) throws -> CommandResult {
        try run(
            ["env", "-C", folder.path.string, SourceTree.tool("dray-import").string] + arguments
                + (arguments.first == "approve" ? [] : ["--state", "state"]),
            environment: ["DOCKER_CONFIG": "/nonexistent"])
    }

    private func trust() throws {
        let result = try tool("trust", "add", bundle.string, "--fingerprint", Digest(of: publisher.pinned).hex)
        #expect(result.status == 0, "\(result.errorOutput)")
    }

    @Test func `the status begins with what to do, and JSON says the same`() throws {
        let empty = try tool("trust", "status")
        #expect(empty.status == 0 && empty.output.hasPrefix("no root is trusted"))
        #expect(empty.errorOutput.contains("dray-import trust add MEDIA --state state"))
        try trust()
        #expect(try tool("load", bundle.string, "--to", "oci:layout").status == 0)
        let status = try tool("trust", "status")
        #expect(status.output.contains(RootCandidateText.grouped(Digest(of: publisher.pinned).hex)))
        #expect(status.output.contains("takes palette-enterprise"))
        let json = try tool("trust", "status", "--output", "json")
        for part in [
            #""command":"trust status""#, #""product":"palette-enterprise""#, #""rootKeys":{"#, #""targets":1"#,
        ] {
            #expect(json.output.contains(part), "\(json.output)")
        }
    }

    @Test mutating func `a trust folder is explained with a command that takes it`() throws {
        try trust()
        #expect(try tool("load", bundle.string, "--to", "oci:layout").status == 0)
        publisher.supported["1.0.0"] = nil
        publisher.supported["1.0.1"] = TargetFile(
            length: 1, sha256: Hasher.hash([1]), sha512: Hasher.hash([1], .sha512))
        let trust = try publisher.trustOnly(expires: .latest)
        let verify = try tool("verify", trust.string)
        #expect(verify.status == 64)
        #expect(verify.errorOutput.contains("and no release; it is taken with: dray-import trust update \(trust)"))
        let update = try tool("trust", "update", trust.string)
        #expect(update.status == 0 && update.output.contains("no longer to be loaded: 1.0.0"), "\(update.output)")
        #expect(try tool("verify", bundle.string).status == 12)
        #expect(try tool("load", bundle.string, "--to", "oci:layout").status == 12)
    }

    @Test func `a second person approves a plan, and the policy then takes nothing else`() throws {
        try trust()
        let key = folder.appending("key.pem")
        let approver = try PrivateKey.generate(.p384)
        try key.replaceContents(
            with: try approver.withPEM { unsafe $0.withUnsafeBytes { unsafe Array($0) } }, mode: 0o600)
        try write(Array(approver.publicKey.pem.utf8), to: folder.appending("key.pub.pem"))
        #expect(try tool("site", "approver", "add", "key.pub.pem", "--name", "Second").status == 0)
        let policy = try tool("site", "policy", "--require-approval")
        #expect(policy.status == 0 && policy.output.contains("approval: required"), "\(policy.errorOutput)")
        let load = ["load", bundle.string, "--to", "oci:layout"]
        let refused = try tool(load[0], load[1], load[2], load[3])
        #expect(refused.status == 14 && refused.errorOutput.contains("plan.json"))
        let plan = try tool("plan", bundle.string, "--to", "oci:layout", "--out", "plan.json")
        #expect(plan.status == 0 && plan.errorOutput.contains("dray-import approve plan.json --key KEY"))
        #expect(try tool(load[0], load[1], load[2], load[3], "--plan", "plan.json").status == 14)
        let approve = try tool("approve", "plan.json", "--key", "key.pem")
        #expect(approve.status == 0 && approve.output.contains("palette-enterprise 1.0.0"), "\(approve.errorOutput)")
        let nameless = try tool(load[0], load[1], load[2], load[3], "--plan", "plan.json")
        #expect(nameless.status == 14 && nameless.errorOutput.contains("--operator NAME"))
        let loaded = try tool(load[0], load[1], load[2], load[3], "--plan", "plan.json", "--operator", "First")
        #expect(loaded.status == 0, "\(loaded.errorOutput)")
        let shown = try tool("receipt", "show", "1.0.0", "--output", "json")
        #expect(shown.output.contains(#""approvers":[{"#) && shown.output.contains(#""name":"Second""#))
    }

    @Test func `another product's media need a word first`() throws {
        try trust()
        let other = try MadePublisher(product: "vertex-enterprise")
        let unknown = try tool("target", "bind", "oci:layout", "--product", other.product)
        #expect(unknown.status == 64 && unknown.errorOutput.contains("those are: palette-enterprise"))
        let bound = try tool("target", "bind", "oci:layout", "--product", publisher.product)
        #expect(bound.status == 0 && bound.output.contains("takes: palette-enterprise"), "\(bound.errorOutput)")
    }

    @Test func `expired media are explained, with the way that two people have`() throws {
        var old = try MadePublisher(product: "old-enterprise")
        let media = try old.release("1.0.0", expires: UTCTime.toolDate)
        let add = try tool("trust", "add", media.string, "--fingerprint", Digest(of: old.pinned).hex)
        #expect(add.status == 0)
        #expect(try tool("verify", media.string).status == 11)
        let plan = try tool("plan", media.string, "--to", "oci:layout")
        #expect(plan.status == 11 && plan.errorOutput.contains("--accept-expired --reason REASON --out plan.json"))
        let accepted = try tool(
            "plan", media.string, "--to", "oci:layout", "--accept-expired", "--reason", "a test", "--out", "plan.json")
        #expect(accepted.status == 0, "\(accepted.errorOutput)")
        #expect(try tool("load", media.string, "--to", "oci:layout", "--plan", "plan.json").status == 11)
    }

    @Test(arguments: [
        ["plan", "x", "--to", "oci:y", "--accept-expired"], ["plan", "x", "--to", "oci:y", "--reason", "r"],
        ["plan", "x", "--to", "oci:y", "--accept-expired", "--reason", " ", "--out", "p"],
        ["plan", "x", "--to", "oci:y", "--accept-expired", "--reason", "r"],
        ["load", "/usr", "--to", "oci:y", "--plan", "/none"],
        ["site", "policy", "--fips-module", "relative.so"], ["trust", "update", "/nonexistent"],
    ]) func `what doesn't belong together is wrong use`(_ arguments: [String]) throws {
        let result = try run([SourceTree.tool("dray-import").string] + arguments)
        #expect(result.status == 64, "\(result.errorOutput)")
    }

    @Test(arguments: [
        ["trust", "status"], ["trust", "update"], ["target", "bind"], ["site", "policy"], ["plan"], ["load"],
    ])
    func `the help ends with exit codes`(_ command: [String]) throws {
        let help = try run([SourceTree.tool("dray-import").string] + command + ["--help"]).output
        #expect(help.contains("EXIT CODES:") && help.contains("   14  refused"))
    }
}

/// Digits as a person compares them.
private enum RootCandidateText {
    static func grouped(_ hex: String) -> String {
        stride(from: 0, to: hex.count, by: 4).map { start in
            String(hex.dropFirst(start).prefix(4))
        }.joined(separator: " ")
    }
}
