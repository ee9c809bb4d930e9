// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

struct UsageTests {
    private func client(_ words: String...) throws -> CommandResult {
        try run([SourceTree.tool("dray-tuf-client").string] + words)
    }

    @Test(arguments: [
        [], ["init"], ["refresh"], ["--metadata-dir"], ["--metadata-dir", "d", "refresh"], ["--unknown", "refresh"],
        ["--metadata-dir", "d", "--metadata-url", "http://127.0.0.1:1", "refresh", "more"],
        ["--metadata-dir", "d", "--metadata-url", "u", "--target-name", "download"],
    ]) func `ends with 1 and a reason where the protocol isn't kept`(_ words: [String]) throws {
        let result = try run([SourceTree.tool("dray-tuf-client").string] + words)
        #expect(result.status == 1)
        #expect(result.errorOutput.hasPrefix("dray-tuf-client: "))
        #expect(result.stdout.isEmpty)
    }

    @Test func `says what it does`() throws {
        let result = try client("--help")
        #expect(result.status == 0)
        #expect(result.output.contains("Exit codes: 0 done; 1 anything else"))
        #expect(result.errorOutput.isEmpty)
    }

    @Test func `init stores the root as it came and asks for nothing`() throws {
        let folder = TemporaryFolder()
        let (root, state) = (folder.appending("given"), folder.appending("new/state"))
        try write(Array("not even JSON".utf8), to: root)
        #expect(try client("--metadata-dir", state.string, "init", root.string).status == 0)
        #expect(try contents(of: state.appending("root.json")) == Array("not even JSON".utf8))
        #expect(try client("--metadata-dir", state.string, "init", folder.appending("none").string).status == 1)
    }

    @Test func `a repository that isn't there is an error`() throws {
        let folder = TemporaryFolder()
        let url = "http://127.0.0.1:\(Loopback.freePort())/metadata"
        try write([], to: folder.appending("root.json"))
        let empty = try client("--metadata-dir", folder.path.string, "--metadata-url", url, "refresh")
        #expect(empty.status == 1)
        #expect(empty.errorOutput.contains("root.json is signed but can't be used"))
    }
}
