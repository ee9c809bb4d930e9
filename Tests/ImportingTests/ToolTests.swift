// SPDX-License-Identifier: Apache-2.0

import Files
import FoundationEssentials
import Glibc
import OCI
import Support
import SystemPackage
import Testing

/// `dray-import` as a user runs it.
struct ToolTests {
    private let site: Site
    private let folder = TemporaryFolder()
    private var state: String { folder.appending("state").string }
    private var bundle: String { site.packed.bundle.string }

    init() throws { site = try Site(trusting: false) }

    private func tool(_ arguments: [String]) throws -> CommandResult {
        try run([SourceTree.tool("dray-import").string] + arguments, environment: ["DOCKER_CONFIG": "/nonexistent"])
    }

    private func trust() throws {
        let hex = site.packed.fingerprint.hex
        #expect(try tool(["trust", "add", bundle, "--state", state, "--fingerprint", hex]).status == 0)
    }

    private struct Document: Decodable {
        struct Failure: Decodable {
            let exitCode: Int
            let code: String
            let message: String
            let receipt: String?
        }
        let command: String?
        let exitCode: Int
        let outcome: String
        let error: Failure?
        let next: [String]?
    }

    /// Whether a line of advice can be pasted: a command, or a comment.
    private func isHarmless(_ line: String) -> Bool {
        ["# ", "dray-import ", "skopeo "].contains { line.hasPrefix($0) } && !line.contains("\n")
    }

    private func document(_ result: CommandResult) throws -> Document {
        #expect(result.output.filter { $0 == "\n" }.count == 1)
        return try JSONDecoder().decode(Document.self, from: Data(result.stdout))
    }

    @Test(
        arguments: [
            (["--version"], 0), (["--help"], 0), ([], 0), (["load", "--help"], 0), (["nothing"], 64), (["load"], 64),
            (["load", "x", "--to", "oci:y", "--jobs", "0"], 64), (["load", "x", "--to", "oci:y", "--jobs", "65"], 64),
            (["load", "x", "--to", "oci:y", "--username", "a"], 64), (["load", "x", "--to", "oci:"], 64),
            (["load", "x", "--to", "oci:y", "--username", "a", "--password-stdin", "--password-file", "b"], 64),
            (["load", "x", "--to", "oci:y", "--limit-rate", "0"], 64), (["load", "x", "--to", "nobody"], 64),
            (["load", "x", "--to", "oci:y", "--gc-delay", "0"], 64),
            (["load", "x", "--to", "oci:y", "--token-host", "a/b"], 64),
            (["load", "/dev", "--to", "oci:/nonexistent/y", "--limit-rate", "20M", "--gc-delay", "60"], 3),
            (["load", "/dev", "--to", "oci:/nonexistent/y", "--free-space", "80G", "--chunk-size", "8M"], 3),
            (["load", "x", "--to", "ftp://y"], 64), (["load", "x", "--to", "http://a:b@y"], 64),
            (["load", "x", "--to", "oci:y", "--client-key", "k"], 64), (["verify", "x", "--jobs", "0"], 64),
            (["receipt", "show", "/nonexistent"], 64), (["receipt", "show", "/etc/passwd"], 13),
            (["verify", "/nonexistent"], 64), (["verify", "/dev"], 3), (["trust", "add", "/nonexistent"], 64),
            (["trust", "add", "/etc/passwd"], 10),
            (["plan", "/dev", "--to", "https://a", "--ca-cert", "/nonexistent", "--state", "/nonexistent"], 64),
        ] as [([String], Int32)]) func `arguments and their exit codes`(_ arguments: [String], _ code: Int32) throws
    {
        let result = try tool(arguments)
        #expect(result.status == code, "\(result.output) \(result.errorOutput)")
        #expect(result.stdout.isEmpty == (code != 0))
    }

    @Test(arguments: ["verify", "inspect", "list", "plan", "load", "extract"])
    func `a command's help ends its description with its exit codes`(_ command: String) throws {
        let help = try tool([command, "--help"]).output
        for line in ["EXIT CODES:", "    0  done", "   10  not trusted", "   64  wrong use", "  130  interrupted"] {
            #expect(help.contains(line))
        }
        // `list` compares the media with a target, `extract` reads what a delta lacks from one
        let asksTarget = ["list", "plan", "load", "extract"].contains(command)
        #expect(help.contains("   15  the registry refused") == asksTarget)
    }

    @Test(arguments: ["verify", "inspect", "list"]) func `without trust a look ends with 10 and says how to add it`(
        _ command: String
    ) throws {
        let result = try tool([command, bundle, "--state", state, "--output", "json"])
        let document = try document(result)
        #expect(result.status == 10)
        #expect(document.exitCode == 10)
        #expect(document.command == command)
        #expect(document.error?.code == "notTrusted")
        #expect(document.error?.message.hasSuffix("\n  dray-import trust add \(bundle) --state \(state)") == true)
    }

    @Test func `without a terminal a fingerprint is required, and it must be right`() throws {
        let add = ["trust", "add", bundle, "--state", state]
        #expect(try tool(add).status == 64)
        #expect(try tool(add + ["--fingerprint", "00"]).status == 64)
        #expect(try tool(add + ["--fingerprint", Digest(bigEndianWords: .zero).hex]).status == 10)
        #expect(try tool(["verify", bundle, "--state", state]).status == 10)
        try trust()
        #expect(try tool(["verify", bundle, "--state", state]).status == 0)
    }

    @Test func `results go to standard output and the rest to standard error, without control characters`() throws {
        try trust()
        let result = try tool(["verify", bundle, "--state", state])
        #expect(result.output.contains("all volumes are there and whole"))
        #expect(result.errorOutput.hasSuffix("\n  dray-import plan \(bundle) --state \(state) --to TARGET\n"))
        let quiet = try tool(["verify", bundle, "--state", state, "--quiet", "--recheck"])
        #expect(quiet.stdout == result.stdout)
        #expect(quiet.stderr.isEmpty)
    }

    @Test func `several bundles are listed and one is asked for`() throws {
        try trust()
        let media = folder.appending("media")
        for name in ["a", "b"] {
            let made = try run(["mkdir", "-p", media.appending(name).appending("volumes").string])
            #expect(made.status == 0)
        }
        let result = try tool(["verify", media.string, "--state", state])
        #expect(result.status == 64)
        #expect(result.errorOutput.contains("a, b; name one with --release"))
    }

    @Test func `load, receipt show and plan as JSON`() throws {
        try trust()
        let target = ["--to", "oci:\(folder.path)/layout"]
        let receipt = folder.appending("r.json").string
        let load = ["load", bundle, "--state", state, "--receipt", receipt] + target
        let loaded = try tool(load + ["--output", "json"])
        #expect(try document(loaded).outcome == "done")
        #expect(try document(loaded).next?.first?.hasPrefix("dray-import receipt show ") == true)
        let json = try tool(["receipt", "show", receipt, "--output", "json"])
        #expect(try document(json).command == "receipt show")
        #expect(try document(loaded).next?.allSatisfy(isHarmless) == true)
        let shown = try tool(["receipt", "show", receipt])
        let outcome = try #require(shown.output.split(separator: "\n").first { $0.hasPrefix("outcome:") })
        #expect(outcome.hasSuffix("  done: the content is in the folder"))
        // a receipt is never written over: the second load has no copy
        let again = try tool(["load", bundle, "--state", state] + target)
        #expect(again.output.contains("everything was there, nothing was sent"), "\(again.errorOutput)")
        for name in [[], ["1.0.0"], ["unknown"]] as [[String]] {
            let named = try tool(["receipt", "show", "--state", state] + name)
            #expect(named.status == (name == ["unknown"] ? 64 : 0), "\(named.errorOutput)")
        }
        let list = try tool(["receipt", "list", "--state", state])
        #expect(
            list.output.contains("  done  not signed  oci:\(folder.path)/layout\n")
                && list.errorOutput.contains("--state \(state)")
        )
        let plan = try tool(["plan", bundle, "--state", state, "--output", "json"] + target)
        #expect(plan.output.contains(#""nothingToDo":true"#))
    }

    @Test func `an inventory of a folder that isn't there says so`() throws {
        let out = folder.appending("inventory").string
        let result = try tool(["inventory", "--to", "oci:/not/there", "--out", out, "--state", state])
        #expect(
            result.status == 64 && result.errorOutput.contains("/not/there does not exist"), "\(result.errorOutput)")
        #expect(try folder.path.entries() == [])
    }

    @Test func `the commands that are printed run as they are`() throws {
        try trust()
        let odd = folder.appending("it's a medium")
        #expect(try run(["cp", "-r", bundle, odd.string]).status == 0)
        let files = ["--ca-cert", "/etc/passwd", "--username", "a b", "--password-file", "/etc/passwd"]
        let target = ["--to", "oci:\(folder.path)/my layout"] + files
        let planned = try document(
            try tool(["plan", odd.string, "--state", state, "--replace-tags", "*", "--output", "json"] + target))
        let next = try #require(planned.next)
        let load = try #require(next.first)
        for option in ["--ca-cert /etc/passwd", "--username 'a b'", "--state \(state)", "--password-file"] {
            #expect(load.contains(option))
        }
        let programs = SourceTree.tool("dray-import").removingLastComponent()
        for line in next where line.hasPrefix("dray-import ") {
            let result = try run(["bash", "-c", "cd \(folder.path); PATH=\(programs):$PATH; \(line)"])
            #expect(result.status == 0, "\(line): \(result.errorOutput)")
        }
        #expect(next.allSatisfy(isHarmless))
    }

    @Test func `a result that can't be written is a failure, and a failed load names its receipt`() throws {
        try trust()
        let tool = SourceTree.tool("dray-import")
        let line = "'\(tool)' list '\(bundle)' --state '\(state)' --quiet > /dev/full; echo $?"
        let result = try run(["bash", "-c", line])
        #expect(result.output == "1\n")
        #expect(result.errorOutput.contains("No space left on device"))
        let load = ["load", bundle, "--state", state, "--to", "http://127.0.0.1:1", "--output", "json"]
        let failed = try document(try self.tool(load))
        let receipt = try #require(failed.error?.receipt)
        #expect(failed.error?.message.contains("receipt:") == false)
        #expect(try self.tool(["receipt", "show", receipt]).status == 0)
    }

    @Test func `credentials never go over a network in clear text`() throws {
        try trust()
        let password = folder.appending("password")
        try write(Array("secret\n".utf8), to: password)
        let load = [
            "load", bundle, "--state", state, "--to", "http://registry.invalid/x", "--username", "admin",
            "--password-file", password.string,
        ]
        let result = try tool(load)
        #expect(result.status == 14)
        #expect(result.errorOutput.contains("--plain-http"))
        #expect(!result.errorOutput.contains("secret"))
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func `an interrupted load ends with 130 and leaves a receipt`(
        _ signal: Int32
    ) throws {
        try trust()
        let server = ScriptedServer { _ in .silence }
        let (out, err) = (folder.appending("out"), folder.appending("err"))
        let process = try ChildProcess(
            [SourceTree.tool("dray-import").string, "load", bundle, "--state", state, "--to", server.url],
            output: out, errorOutput: err, environment: ["DOCKER_CONFIG": "/nonexistent"])
        let limit = ContinuousClock.now + .seconds(30)
        while server.asked.isEmpty, ContinuousClock.now < limit { usleep(5000) }
        process.signal(signal)
        #expect(process.wait(seconds: 30) == 130)
        let said = String(decoding: try contents(of: err), as: UTF8.self)
        #expect(said.contains("receipt: \(state)/receipts/"))
        #expect(said.ranges(of: "finishing what is under way; Ctrl-C again stops at once\n").count == 1)
    }

    @Test func `a second signal ends a command at once`() throws {
        let (fifo, err) = (folder.appending("fifo"), folder.appending("err"))
        #expect(try run(["mkfifo", fifo.string]).status == 0)
        // nothing ever comes out of the pipe, and no step of the work ends before
        let process = try ChildProcess(
            [SourceTree.tool("dray-import").string, "trust", "add", fifo.string, "--state", state, "--quiet"],
            output: folder.appending("out"), errorOutput: err)
        let said = { String(decoding: try contents(of: err), as: UTF8.self) }
        let limit = ContinuousClock.now + .seconds(20)
        while try !process.catchesInterrupts, ContinuousClock.now < limit { usleep(5000) }
        process.signal(SIGINT)
        while try !said().contains("finishing"), ContinuousClock.now < limit { usleep(5000) }
        process.signal(SIGINT)
        #expect(process.wait(seconds: 20) == 130)
        #expect(try said().hasSuffix("at once\nstopped at once; the same command again goes on\n"))
    }

    @Test func `a reader that goes away is no error`() throws {
        try trust()
        let line =
            "'\(SourceTree.tool("dray-import"))' list '\(bundle)' --state '\(state)' --quiet | true; echo ${PIPESTATUS[0]}"
        let result = try run(["bash", "-c", line])
        #expect(result.output == "0\n")
        #expect(result.errorOutput.isEmpty)
    }
}

extension ChildProcess {
    /// Whether it has a handler for SIGINT: before that, the signal just ends it.
    fileprivate var catchesInterrupts: Bool {
        get throws {
            let status = String(decoding: try contents(of: FilePath("/proc/\(id)/status")), as: UTF8.self)
            let caught = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.suffix(16) ?? ""
            return (UInt64(caught, radix: 16) ?? 0) & 1 << UInt64(SIGINT - 1) != 0
        }
    }
}
