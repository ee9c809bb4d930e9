// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// What every command has: help with exit codes, JSON, codes for wrong use.
struct UsageTests {
    static let commands: [(String, [String])] = [
        ("dray", ["key", "generate"]), ("dray", ["trust", "init"]), ("dray", ["pack"]), ("dray", ["verify"]),
        ("dray", ["packs", "lint"]), ("dray", ["packs", "images"]), ("dray", ["manifest", "init"]),
        ("dray", ["inspect"]), ("dray", ["list"]), ("dray-import", ["trust", "add"]), ("dray-import", ["verify"]),
        ("dray-import", ["inspect"]), ("dray-import", ["list"]), ("dray-import", ["plan"]), ("dray-import", ["load"]),
        ("dray-import", ["extract"]), ("dray-import", ["receipt", "show"]), ("dray-import", ["receipt", "list"]),
        ("dray-import", ["target", "add"]),
        ("dray-import", ["target", "list"]), ("dray-import", ["target", "show"]),
        ("dray-import", ["target", "remove"]),
        ("dray-import", ["sync"]), ("dray", ["trust", "status"]), ("dray", ["trust", "rotate"]),
        ("dray", ["trust", "delist"]), ("dray", ["trust", "renew"]), ("dray", ["trust", "export"]),
        ("dray", ["sign", "stage"]), ("dray", ["sign", "add"]), ("dray", ["sign", "assemble"]),
    ]

    @Test(arguments: commands) func `help names the effect and the exit codes`(tool: String, command: [String]) throws {
        let result = try run([SourceTree.tool(tool).string] + command + ["--help"])
        #expect(result.status == 0)
        #expect(result.output.contains("EXIT CODES:"))
        #expect(result.output.contains("--output"))
        #expect(result.errorOutput.isEmpty)
    }

    @Test(arguments: commands) func `wrong use is 64, in JSON too`(tool: String, command: [String]) throws {
        let plain = try run([SourceTree.tool(tool).string] + command + ["--no-such-flag"])
        #expect(plain.status == 64)
        #expect(plain.output.isEmpty && !plain.errorOutput.isEmpty)
        let json = try run([SourceTree.tool(tool).string] + command + ["--no-such-flag", "--output", "json"])
        #expect(json.status == 64)
        let folder = TemporaryFolder()
        try write(json.stdout, to: folder.appending("x"))
        try sh("jq -e '.error.exitCode == 64' \(folder.path)/x")
        let keys = #"["command","error","exitCode","next","outcome","result","warnings"]"#
        try sh("jq -e 'keys == \(keys) and .result == null and .next == [] and .warnings == []' \(folder.path)/x")
    }

    @Test(arguments: [
        (["lod", "--to", "x"], "unknown command \"lod\"; dray-import has trust, verify,"),
        (["receipt", "shwo", "--state", "x"], "unknown command \"shwo\"; dray-import receipt has show, list"),
        (["target", "list", "--colour", "x"], "--colour"),
    ]) func `a command that isn't there is named, not its options`(_ arguments: [String], _ said: String) throws {
        let result = try run([SourceTree.tool("dray-import").string] + arguments)
        #expect(result.status == 64 && result.errorOutput.contains(said), "\(result.errorOutput)")
        #expect(result.errorOutput.contains("unknown command") == said.contains("unknown command"))
    }

    @Test(arguments: [
        ("format: 1\n", "format: 2\n", ":1:9:"), ("edition: palette", "edition: free", ":2:"),
        ("  - iso: appliance.iso\n", "  - isso: appliance.iso\n", ":5:5:"),
        ("contents:\n", "content:\n", ":4:1:"), ("  - file: tools/tool\n", "  - file: tools/none*\n", ":10:"),
    ]) func `a bad manifest is 64, with line and column`(old: String, new: String, place: String) throws {
        let sample = try SampleRelease()
        try sample.edit(old, new)
        let result = try run([
            SourceTree.tool("dray").string, "pack", sample.manifest.string, "--trust", "none", "--dry-run",
        ])
        #expect(result.status == 64)
        #expect(result.errorOutput.contains("release.yaml\(place)"), "\(result.errorOutput)")
    }

    @Test(arguments: ["dray", "dray-import"]) func `the version is one line`(tool: String) throws {
        let result = try run([SourceTree.tool(tool).string, "--version"])
        #expect(result.status == 0)
        #expect(result.output.split(separator: "\n").count == 1)
    }

    @Test func `a private key is readable by its owner alone and never replaced`() throws {
        let folder = TemporaryFolder()
        let command = [SourceTree.tool("dray").string, "key", "generate", "--out", "\(folder.path)/k.pem"]
        #expect(try run(command).status == 0)
        #expect(try sh("stat -c %a \(folder.path)/k.pem").output == "600\n")
        try sh("openssl pkey -in \(folder.path)/k.pem -noout -text | grep -q secp384r1")
        let before = try contents(of: folder.appending("k.pem"))
        #expect(try run(command).status == 14)
        #expect(try contents(of: folder.appending("k.pem")) == before)
    }

    @Test func `results are on standard output, progress and advice are not`() throws {
        let site = try Site()
        let result = try site.tool("dray", ["list", "bundles", "--output", "json", "--root", "trust/1.root.json"])
        #expect(result.status == 0)
        try write(result.stdout, to: site.place.appending("list.json"))
        try sh("jq -e '.exitCode == 0 and .outcome == \"done\"' \(site.place.path)/list.json")
        let quiet = try site.tool("dray", ["verify", "bundles", "--root", "trust/1.root.json", "--quiet"])
        #expect(quiet.status == 0 && quiet.errorOutput.isEmpty && !quiet.output.isEmpty)
    }
}
