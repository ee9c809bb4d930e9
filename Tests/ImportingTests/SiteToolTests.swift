// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import Support
import SystemPackage
import Testing

/// A site's evidence as people make and check it with the tools.
struct SiteToolTests {
    private let site: Site
    private let folder = TemporaryFolder()
    private var state: [String] { ["--state", folder.appending("state").string] }

    init() throws { site = try Site(trusting: false) }

    private func tool(_ name: String, _ arguments: [String]) throws -> CommandResult {
        try run([SourceTree.tool(name).string] + arguments, environment: ["DOCKER_CONFIG": "/nonexistent"])
    }

    /// Runs `dray-import` with the state; it must succeed.
    @discardableResult
    private func done(_ arguments: String...) throws -> String {
        let result = try tool("dray-import", arguments + state)
        #expect(result.status == 0, "\(arguments): \(result.errorOutput)")
        return result.output
    }

    private func status(_ arguments: String...) throws -> Int32 { try tool("dray-import", arguments + state).status }

    private func path(_ name: String) -> String { folder.appending(name).string }

    @Test func `a signed load, its proof, an auditor's questions and a lost state`() throws {
        let server = try RegistryServer()
        let url = server.url + "/spectro-content"
        try done("trust", "add", site.packed.bundle.string, "--fingerprint", site.packed.fingerprint.hex)
        #expect(try status("receipt", "verify") == 64)  // there is no key to check with
        let made = try done("site", "init", "--name", "Site 7")
        #expect(made.contains("site:    Site 7"))
        #expect(try status("site", "init") == 14)
        #expect(try done("site", "show").contains("none"))
        let loaded = try done(
            "load", site.packed.bundle.string, "--to", url, "--operator", "A. Turing", "--receipt", path("copy.json"))
        #expect(loaded.contains("signature:") && loaded.contains("holds, by the key of Site 7"))
        let key = path("state/site/key.pub.pem")
        #expect(try done("receipt", "verify").contains("chain:    unbroken"))
        #expect(try done("receipt", "list").contains("  signed  "))
        #expect(try done("check", "--to", url).contains("A. Turing") == false)
        let digest = String(try sh("sha256sum \(path("copy.json"))").prefix(64))
        #expect(try done("receipt", "verify", "--output", "json").contains(digest))
        let tag = "library/db:16"
        #expect(try done("history", "--tag", tag).contains("operator:  A. Turing"))
        #expect(try done("history", "--tag", tag, "--since", "2999-01-01") == "no receipt tells of it\n")
        #expect(try status("history", "--from-target") == 64)

        let carried = path("carried.pem")
        _ = try sh("cp \(key) \(carried) && rm -rf \(path("state"))")
        let target = ["--target", url, "--from-target", "--tag", tag, "--key", carried]
        let answer = try tool("dray-import", ["history"] + target + state)
        #expect(answer.status == 0 && answer.output.contains("holds, by \(carried)"), "\(answer.errorOutput)")
        #expect(answer.output.contains("A. Turing"))
        // the copy proves itself with the key alone; with another key nothing does
        #expect(try status("receipt", "verify", path("copy.json"), "--key", carried) == 0)
        _ = try sh(
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 | openssl pkey -pubout -out \(path("o.pem"))"
        )
        #expect(try status("receipt", "verify", path("copy.json"), "--key", path("o.pem")) == 10)
        #expect(try status("receipt", "verify", carried, "--key", carried) == 13)
    }

    @discardableResult
    private func sh(_ line: String) throws -> String {
        let result = try run(["bash", "-euo", "pipefail", "-c", line])
        #expect(result.status == 0, "\(line): \(result.errorOutput)")
        return result.output
    }

    @Test func `what isn't signed is said to prove nothing`() throws {
        try done("trust", "add", site.packed.bundle.string, "--fingerprint", site.packed.fingerprint.hex)
        for arguments in [
            ["load", site.packed.bundle.string, "--to", "oci:\(path("layout"))"], ["receipt", "show"], ["history"],
        ] {
            let result = try tool("dray-import", arguments + state)
            #expect(result.status == 0)
            #expect(result.errorOutput.contains("it is not signed"), "\(arguments): \(result.errorOutput)")
        }
        #expect(try tool("dray-import", ["receipt", "list"] + state).errorOutput.contains("prove nothing"))
        #expect(try done("site", "show").contains("nothing proves them"))
    }

    @Test func `a second person approves a plan with a key of their own, under a password`() throws {
        let plan = path("plan.json")
        try sh(#"printf '{"format":"dray-plan 1","product":"palette-enterprise","reason":"urgent"}' >\#(plan)"#)
        try sh(
            """
            cd \(folder.path); printf 'correct horse\\n' >pass
            openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -aes256 -pass file:pass -out grace.pem
            openssl pkey -in grace.pem -passin file:pass -pubout -out grace.pub.pem
            """)
        try done("site", "init", "--name", "Site 7")
        try done("site", "approver", "add", path("grace.pub.pem"))
        #expect(try done("site", "approver", "list").hasSuffix("  grace\n"))
        let signed = try tool(
            "dray-import",
            ["approve", plan, "--key", path("grace.pem"), "--password-file", path("pass"), "--name", "Grace"])
        #expect(signed.status == 0, "\(signed.errorOutput)")
        #expect(signed.output.contains("product: palette-enterprise") && signed.output.contains("reason:  urgent"))
        #expect(!signed.output.contains("correct horse") && !signed.errorOutput.contains("correct horse"))
        try sh("jq -er .payload \(plan).approval.json | base64 -d | jq -e '.predicate.name == \"Grace\"'")
        try sh("printf ' ' >>\(plan)")
        #expect(
            try tool("dray-import", ["approve", plan, "--key", path("grace.pem"), "--password-file", path("pass")])
                .status
                == 14)
        #expect(try status("site", "approver", "add", path("state/site/key.pub.pem")) == 14)
        try done("site", "approver", "remove", "grace")
        #expect(try done("site", "approver", "list") == "nobody may approve here\n")
        #expect(try tool("dray-import", ["approve", path("pass"), "--key", path("grace.pem")]).status == 13)
    }

    @Test func `an inventory crosses back and is believed for its signature`() throws {
        try done("trust", "add", site.packed.bundle.string, "--fingerprint", site.packed.fingerprint.hex)
        try done("load", site.packed.bundle.string, "--to", "oci:\(path("layout"))")
        let file = path("inventory.jsonl")
        try done("inventory", "--to", "oci:\(path("layout"))", "--out", file)
        let sites = ["--sites", path("sites")]
        #expect(try tool("dray", ["site", "check", file] + sites).status == 64)
        try done("site", "init", "--name", "Site 7")
        try done("inventory", "--to", "oci:\(path("layout"))", "--out", file)
        #expect(try tool("dray", ["site", "add", "seven", path("state/site/key.pub.pem")] + sites).status == 0)
        #expect(try tool("dray", ["site", "list"] + sites).output.hasSuffix("  seven\n"))
        let checked = try tool("dray", ["site", "check", file, "--site", "seven"] + sites)
        #expect(checked.status == 0 && checked.output.contains("site:      seven"), "\(checked.errorOutput)")
        try sh("printf '\\n' >>\(file)")
        #expect(try tool("dray", ["site", "check", file] + sites).status == 13)
        try sh("rm \(file).sig.json")
        #expect(try tool("dray", ["site", "check", file] + sites).status == 10)
    }

    @Test func `a key that exists is taken, and a token's by its URI`() throws {
        try sh("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out \(path("own.pem"))")
        let made = try done("site", "init", "--key", path("own.pem"), "--name", "Eight")
        #expect(made.contains(path("state/site/key.pem")))
        try sh(
            "cmp \(path("own.pem")) \(path("state/site/key.pem")) && [ $(stat -c %a \(path("state/site/key.pem"))) = 600 ]"
        )
        try sh(
            "openssl pkey -in \(path("own.pem")) -pubout | cmp - \(path("state/site/key.pub.pem"))")
    }
}
