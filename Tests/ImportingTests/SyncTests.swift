// SPDX-License-Identifier: Apache-2.0

import Files
import FoundationEssentials
import Importing
import RegistryClient
import Support
import SystemPackage
import Testing

/// `dray-import sync`: Palette's API from a server that follows a script.
struct SyncTests {
    private static let list = """
        {"items":[{"metadata":{"uid":"../x","name":"evil"},"spec":{"endpoint":"10.0.0.5:30003"}},\
        {"metadata":{"uid":"u1","name":"other"},"spec":{"endpoint":"https://10.0.0.6:30003"}},\
        {"metadata":{"uid":"u2","name":"packs"},"spec":{"endpoint":"https://10.0.0.5:30003","basePath":"/spectro-content"}},\
        {"metadata":{"uid":"u3","name":"older"},"spec":{"endpoint":"10.0.0.5:30003","baseContentPath":"elsewhere"}}]}
        """

    /// States in order, the last one for ever; the first is that before the start.
    private func server(_ states: [String]) -> ScriptedServer {
        let asked = Counted()
        return ScriptedServer { request in
            if request.method == "POST" { return .answer(202) }
            if request.target.hasSuffix("/summary") { return .answer(200, [:], SyncTests.list) }
            return .answer(200, [:], states[min(asked.next(), states.count - 1)])
        }
    }

    private func sync(_ server: ScriptedServer) throws -> PaletteSync {
        var options = RegistryOptions()
        options.retry.sleep = { _ in }
        var sync = try PaletteSync(Endpoint(parsing: server.url), token: "s3cret", options)
        sync.sleep = { _ in }
        return sync
    }

    private func run(_ server: ScriptedServer) throws -> Report {
        let address = try Endpoint(parsing: "https://10.0.0.5:30003/spectro-content")
        return try sync(server).run(.address(address), Progress())
    }

    private static func state(_ word: String, run: String = "1", message: String = "") -> String {
        #"{"status":"\#(word)","lastRunTime":"\#(run)","message":"\#(message)","isSyncSupported":true}"#
    }

    @Test func `the registry is found by its address and waited for`() throws {
        let old = SyncTests.state("Success")
        let server = server([old, old, SyncTests.state("InProgress"), SyncTests.state("Completed", run: "2")])
        #expect(try run(server).text.contains("packs is synchronised"))
        let status = "GET /v1/registries/oci/u2/basic/sync/status"
        #expect(
            server.lines == [
                "GET /v1/registries/oci/summary", status, "POST /v1/registries/oci/u2/basic/sync", status, status,
                status,
            ])
        #expect(server.asked.allSatisfy { $0.headers["apikey"] == "s3cret" })
    }

    @Test(arguments: ["Success", "Failed"])
    func `an end from before the start is not taken for that of this run`(_ word: String) throws {
        let old = SyncTests.state(word)
        let server = server([old, old, SyncTests.state("InProgress"), old])
        var sync = try sync(server)
        sync.timeout = .seconds(60)
        #expect(throws: SyncError.tookTooLong("u2", status: word)) { try sync.run(.uid("u2"), Progress()) }
    }

    @Test func `where Palette names no runs, one that was seen is waited for`() throws {
        let state = { (word: String) in SyncTests.state(word, run: "") }
        let server = server([state("Success"), state("Success"), state("InProgress"), state("Success")])
        #expect(try run(server).text.contains("packs is synchronised"))
        #expect(server.asked.count == 6)
    }

    @Test func `a failed synchronisation says why`() throws {
        let server = server([
            SyncTests.state("Success"), SyncTests.state("Failed", run: "2", message: "content-length: 0\\u0007"),
        ])
        let error = #expect(throws: SyncError.self) { try run(server) }
        guard case .failed("Failed", let message) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message.contains("content-length: 0") && error?.failure == .failed)
    }

    @Test func `waiting has an end`() throws {
        let server = server([SyncTests.state("Pending")])
        var sync = try sync(server)
        sync.timeout = .seconds(20)
        #expect(throws: SyncError.tookTooLong("u2", status: "Pending")) { try sync.run(.uid("u2"), Progress()) }
        #expect(server.asked.count == 2 + 5)
    }

    @Test(arguments: [(401, Failure.registryRefused), (403, .registryRefused), (404, .failed)])
    func `a refusal is named without the token`(_ status: Int, _ failure: Failure) throws {
        let server = ScriptedServer { _ in .answer(status, [:], "s3cret") }
        let error = #expect(throws: SyncError.self) { try run(server) }
        #expect(error?.failure == failure && error.map { "\($0)".contains("s3cret") } == false)
    }

    @Test func `a registry that can't be told is asked for`() throws {
        let server = server(["{}"])
        let address = try Endpoint(parsing: "https://10.0.0.7/x")
        let error = #expect(throws: SyncError.self) { try sync(server).run(.address(address), Progress()) }
        guard case .notFound(let known, isAmbiguous: false) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(known.count == 3 && error?.failure == .usage)
        let odd = ScriptedServer { _ in .answer(200, [:], "<html>") }
        #expect(throws: SyncError.unreadable) { try run(odd) }
    }

    @Test func `what is wrong with the console's connection is said of the console`() throws {
        var options = RegistryOptions()
        options.retry.sleep = { _ in }
        let clear = #expect(throws: SyncError.self) {
            try PaletteSync(Endpoint(parsing: "http://console.example"), token: "s3cret", options)
        }
        #expect(clear?.failure == .refused && clear?.description.contains("--palette") == true)
        let closed = try Endpoint(parsing: "http://127.0.0.1:\(Loopback.freePort())")
        let sync = try PaletteSync(closed, token: "s3cret", options)
        let error = #expect(throws: SyncError.self) { try sync.run(.uid("u2"), Progress()) }
        for text in [clear, error].compactMap({ $0?.description }) {
            #expect(text.contains("console") && !text.contains("registry ") && !text.contains("--plain-http"))
        }
    }

    @Test func `without a token the console's way is printed`() throws {
        let folder = TemporaryFolder()
        let tool = { (arguments: [String]) throws in
            try Support.run([SourceTree.tool("dray-import").string, "sync"] + arguments)
        }
        let byHand = try tool([])
        #expect(byHand.status == 0 && byHand.output.contains("Pack Registries") && byHand.output.contains("Sync"))
        #expect(try tool(["--palette", "https://h"]).status == 64)
        let place = try tool(["--to", "https://10.0.0.5:30003/base"])
        #expect(place.output.contains("content list --repo 10.0.0.5:30003/base/REPOSITORY\n"))
        let unknown = try tool(["--to", "nobody", "--state", folder.appending("state").string])
        #expect(unknown.status == 64 && unknown.errorOutput.contains("target add"), "\(unknown.errorOutput)")
        let token = folder.appending("token")
        try write(Array("s3cret\n".utf8), to: token)
        let server = server([SyncTests.state("Success"), SyncTests.state("Completed", run: "2")])
        let given = ["--palette", server.url, "--token-file", token.string, "--output", "json"]
        let done = try tool(given + ["--registry-uid", "u2"])
        #expect(done.status == 0, "\(done.errorOutput)")
        #expect(!done.output.contains("s3cret") && done.output.contains(#""uid":"u2""#))
        #expect(try tool(given + ["--registry-uid", "../u2"]).status == 64)
        #expect(try tool(given).status == 64)
    }
}

/// Counts up, from any thread.
private final class Counted: Sendable {
    private let progress = Progress()

    func next() -> Int {
        progress.add(1)
        return Int(progress.bytesDone) - 1
    }
}
