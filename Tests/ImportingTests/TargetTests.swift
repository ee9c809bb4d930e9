// SPDX-License-Identifier: Apache-2.0

import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing

/// `dray-import target`, and what `--to NAME` makes of it.
struct TargetTests {
    private let folder = TemporaryFolder()
    private var state: String { folder.appending("state").string }

    private func tool(_ arguments: [String]) throws -> CommandResult {
        try run(
            [SourceTree.tool("dray-import").string] + arguments + ["--state", state],
            environment: ["DOCKER_CONFIG": "/nonexistent"])
    }

    private func server() throws -> RegistryServer {
        var options = RegistryServer.Options()
        (options.tls, options.login) = (true, ("loader", "s3cret"))
        return try RegistryServer(options)
    }

    private func fingerprint(_ server: RegistryServer, _ name: String = "server.pem") throws -> String {
        let file = server.folder.appending(name).string
        let line = try run(["openssl", "x509", "-in", file, "-noout", "-fingerprint", "-sha256"]).output
        return String(line.drop { $0 != "=" }.dropFirst().prefix { $0 != "\n" })
    }

    private func password(_ text: String = "s3cret") throws -> [String] {
        try write(Array("\(text)\n".utf8), to: folder.appending("password"))
        return ["--username", "loader", "--password-file", folder.appending("password").string]
    }

    private var kept: [String] {
        get throws {
            try run(["find", state, "-type", "f", "!", "-name", "lock"]).output.split(separator: "\n").map(String.init)
        }
    }

    @Test func `a registry is trusted by its fingerprint, and nothing that fails before leaves a trace`() throws {
        let server = try server()
        let hex = try fingerprint(server)
        let add = ["target", "add", "site", server.url + "/base"]
        let asked = try tool(add)
        #expect(
            asked.status == 64 && asked.errorOutput.contains("SHA-256:") && asked.errorOutput.contains("--fingerprint"))
        let other = try tool(add + ["--fingerprint", String(repeating: "0", count: 64)])
        #expect(other.status == 15 && other.errorOutput.contains("certificate: "))
        let anonymous = try tool(add + ["--fingerprint", hex])
        #expect(anonymous.status == 15 && anonymous.errorOutput.contains("login: "))
        let wrong = try tool(add + ["--fingerprint", hex] + password("wrong"))
        #expect(wrong.status == 15 && wrong.errorOutput.contains("login: ") && !wrong.errorOutput.contains("wrong"))
        #expect(try kept.isEmpty)
        let added = try tool(add + ["--fingerprint", hex] + password())
        #expect(added.status == 0, "\(added.errorOutput)")
        #expect(added.output.contains("Distribution") && added.errorOutput.contains("when it is renewed"))
        #expect(try kept.sorted() == ["\(state)/targets/site.json", "\(state)/targets/site.pem"])
        let json = String(decoding: try contents(of: FilePath("\(state)/targets/site.json")), as: UTF8.self)
        #expect(!json.contains("s3cret") && json.contains(folder.appending("password").string))
        let again = try tool(add + ["--fingerprint", hex] + password())
        #expect(again.status == 14 && again.errorOutput.hasSuffix("target remove site --state \(state)\n"))
    }

    @Test(arguments: [("yes", Int32(0)), ("y", 15), ("no", 15)])
    func `on a terminal a person compares and decides`(_ answer: String, _ status: Int32) throws {
        var options = RegistryServer.Options()
        options.tls = true
        let server = try RegistryServer(options)
        let words = ["target", "add", "site", server.url, "--state", state].joined(separator: " ")
        try write(Array("\(answer)\n".utf8), to: folder.appending("answer"))
        let result = try run(
            ["script", "-qec", "'\(SourceTree.tool("dray-import"))' \(words)", "/dev/null"],
            input: folder.appending("answer"), environment: ["DOCKER_CONFIG": "/nonexistent"])
        #expect(result.status == status, "\(result.output)")
        #expect(result.output.contains("the server's own") && result.output.contains("Is it the same?"))
        #expect(try kept.count == (status == 0 ? 2 : 0))
    }

    @Test func `an authority is trusted where it is given, and its targets are listed, shown and forgotten`() throws {
        let server = try server()
        let authority = try #require(server.certificates).authority.string
        let add = ["target", "add", "site.1", server.url, "--ca-cert", authority, "--gc-delay", "60"]
        let input = folder.appending("stdin")
        try write(Array("s3cret\n".utf8), to: input)
        let added = try run(
            [SourceTree.tool("dray-import").string] + add
                + ["--username", "loader", "--password-stdin", "--state", state], input: input)
        #expect(added.status == 0, "\(added.errorOutput)")
        #expect(added.errorOutput.contains("can't be kept") && !added.errorOutput.contains("renewed"))
        #expect(
            added.errorOutput.hasSuffix(
                "  dray-import plan MEDIA --to site.1 --username loader --password-stdin --state \(state)\n"))
        #expect(added.output.hasSuffix("the certificate is right, the login works, writing is allowed\n"))
        let saved = try SiteState(FilePath(state)).target("site.1")
        #expect(saved.address == server.url && saved.access.username == nil && saved.access.gcDelay == 60)
        #expect(try contents(of: FilePath("\(state)/targets/site.1.pem")) == contents(of: FilePath(authority)))
        #expect(try tool(["target", "list"]).output.contains("site.1: \(server.url)"))
        #expect(try tool(["target", "show", "site.1"]).output.contains("\(state)/targets/site.1.pem"))
        #expect(try tool(["target", "remove", "site.1"]).status == 0)
        #expect(try kept.isEmpty)
        let gone = try tool(["target", "show", "site.1"])
        let advice = "  dray-import target add NAME URL --state \(state)\n"
        #expect(gone.status == 64 && gone.errorOutput.hasSuffix(advice) && !gone.errorOutput.contains("https://"))
        #expect(try tool(["target", "list"]).errorOutput.hasSuffix(advice))
    }

    @Test func `without TLS and login neither is said to be right`() throws {
        let server = try RegistryServer()
        let added = try tool(["target", "add", "site", server.url, "--output", "json"])
        #expect(added.status == 0, "\(added.errorOutput)")
        #expect(added.output.contains(#""checked":{"certificate":false,"login":false}"#))
        #expect(added.output.contains(#""permissions":{"create":"allowed","delete":""#))
        #expect(added.output.contains(#""registry":"Distribution"#))
        let text = try tool(["target", "add", "other", server.url])
        #expect(text.output.hasSuffix("no certificate (http), no login was given, writing is allowed\n"))
    }

    @Test func `a login that may not write is named as such`() throws {
        let server = ScriptedServer { asked in
            guard asked.method != "PUT" else { return .answer(403, [:], #"{"errors":[{"code":"DENIED"}]}"#) }
            return .answer(200, ["Docker-Distribution-Api-Version": "registry/2.0"], "{}")
        }
        let result = try tool(["target", "add", "site", server.url])
        #expect(result.status == 15 && result.errorOutput.contains("permission: "))
        #expect(try kept.isEmpty)
        #expect(server.lines.allSatisfy { $0.hasPrefix("GET ") || $0.contains("dray-probe") })
    }

    @Test func `a registry that nobody knows is not asked to take anything`() throws {
        let server = ScriptedServer { asked in .answer(asked.method == "GET" ? 200 : 201, [:], "{}") }
        let result = try tool(["target", "add", "site", server.url])
        #expect(result.status == 0 && result.errorOutput.contains("the first load will tell"))
        #expect(server.lines.allSatisfy { $0.hasPrefix("GET ") })
        var question = TraitsQuestion()
        (question.written, question.moving) = (["a/b"], [Place("a/b", "v1")])
        (question.retyped, question.hasDockerManifests) = (["a/b"], true)
        let traits = try registryTarget(server.url).session().traits(question)
        #expect(traits.denied.isEmpty && server.lines.allSatisfy { $0.hasPrefix("GET ") })
    }

    @Test func `a tag is only touched where such a question was seen to be refused`() throws {
        let header = ["Docker-Distribution-Api-Version": "registry/2.0"]
        let server = ScriptedServer { asked in
            switch (asked.method, asked.target.hasPrefix("/v2/open/")) {
            case ("GET", _): asked.target == "/v2/" ? .answer(200, header, "{}") : .answer(404)
            case ("PUT", true): .answer(415)
            case ("PUT", false): .answer(404)
            default: .answer(405)
            }
        }
        var question = TraitsQuestion()
        question.written = ["open/a", "odd/a"]
        question.moving = [Place("open/a", "v1"), Place("odd/a", "v1")]
        let session = try registryTarget(server.url).session()
        #expect(try session.traits(question).denied.isEmpty)
        let puts = server.lines.filter { $0.hasPrefix("PUT") }
        #expect(
            puts == [
                "PUT /v2/open/a/manifests/dray-probe", "PUT /v2/odd/a/manifests/dray-probe",
                "PUT /v2/open/a/manifests/v1",
            ])
        let lax = ScriptedServer { asked in
            asked.method != "GET" ? .answer(201) : asked.target == "/v2/" ? .answer(200, header, "{}") : .answer(404)
        }
        #expect(try registryTarget(lax.url).session().traits(question).denied.isEmpty)
        #expect(
            lax.lines.filter { !$0.hasPrefix("GET") } == [
                "PUT /v2/open/a/manifests/dray-probe", "DELETE /v2/open/a/manifests/dray-probe",
            ])
    }

    @Test func `the system's authorities are trusted where that is said, and pin nothing`() throws {
        let server = try server()
        let add = ["target", "add", "site", server.url]
        let unknown = try tool(add + ["--system-ca"] + password())
        #expect(unknown.status == 15 && unknown.errorOutput.contains("certificate: "))
        #expect(!unknown.errorOutput.contains("SHA-256:"))
        let authority = try #require(server.certificates).authority.string
        #expect(try tool(add + ["--system-ca", "--ca-cert", authority]).status == 64)
        #expect(try kept.isEmpty)
    }

    @Test func `only an authority that was given counts for other hosts`() throws {
        let server = try server()
        let authority = try #require(server.certificates).authority.string
        let site = SiteState(FilePath(state))
        for (words, pins) in [(["--ca-cert", authority], false), (["--fingerprint", try fingerprint(server)], true)] {
            #expect(try tool(["target", "add", "site", server.url] + words + password()).status == 0)
            let saved = try site.target("site").access
            #expect(saved.pinsRegistry == pins && saved.caCertificate != nil)
            var given = TargetAccess()
            #expect(given.over(saved).pinsRegistry == pins)
            given.caCertificate = authority
            #expect(!given.over(saved).pinsRegistry)
            #expect(try tool(["target", "remove", "site"]).status == 0)
        }
    }

    @Test func `a login of Docker's own file is kept by that file's place`() throws {
        let server = try server()
        let file = folder.appending("docker/config.json")
        try folder.appending("docker").createDirectories()
        try write(Array(#"{"auths":{"127.0.0.1:\#(server.port)":{"auth":"bG9hZGVyOnMzY3JldA=="}}}"#.utf8), to: file)
        let added = try run(
            [SourceTree.tool("dray-import").string, "target", "add", "site", server.url, "--state", state]
                + ["--fingerprint", try fingerprint(server)],
            environment: ["DOCKER_CONFIG": folder.appending("docker").string])
        #expect(added.status == 0, "\(added.errorOutput)")
        #expect(try SiteState(FilePath(state)).target("site").access.dockerConfig == file.string)
    }

    @Test func `a target isn't added while another command changes the state`() throws {
        let server = ScriptedServer { _ in .answer(200, [:], "{}") }
        let lock = try SiteState(FilePath(state)).lock()
        let busy = try tool(["target", "add", "site", server.url])
        #expect(busy.status == 1 && busy.errorOutput.contains("process"), "\(busy.errorOutput)")
        withExtendedLifetime(lock) {}
        #expect(try kept.isEmpty)
    }

    @Test(arguments: [
        ["../x", "https://h"], [".x", "https://h"], ["x/y", "https://h"], ["x", "h:5000"],
        ["x", "http://h", "--fingerprint", "0"],
        ["x", "https://h", "--fingerprint", "zz"], ["x", "https://h", "--proxy", "socks5://h"],
        ["x", "https://h", "--proxy", "http://u:p@h"], ["x", "https://h", "--token-host", "https://h"],
        ["x", "https://h", "--ca-cert", "/nonexistent"],
    ])
    func `what can't be a target is wrong use`(_ arguments: [String]) throws {
        let result = try tool(["target", "add"] + arguments)
        #expect(result.status == 64, "\(result.errorOutput)")
        #expect(!result.errorOutput.contains("u:p"))
        #expect(try kept.isEmpty)
    }

    @Test func `a release is loaded into a target by its name`() throws {
        let (server, site) = (try server(), try Site(trusting: false))
        let bundle = site.packed.bundle.string
        #expect(try tool(["trust", "add", bundle, "--fingerprint", site.packed.fingerprint.hex]).status == 0)
        let hex = try fingerprint(server)
        #expect(
            try tool(["target", "add", "site", server.url + "/base", "--fingerprint", hex] + password()).status == 0)
        let load = try tool(["load", bundle, "--to", "site"])
        #expect(load.status == 0, "\(load.errorOutput)")
        #expect(try !server.stored("repositories/base/").isEmpty)
        // the command line's password wins over the target's
        try write(Array("wrong\n".utf8), to: folder.appending("other"))
        let other = ["--username", "loader", "--password-file", folder.appending("other").string]
        #expect(try tool(["plan", bundle, "--to", "site"] + other).status == 15)
        let unknown = try tool(["plan", bundle, "--to", "sight"])
        #expect(unknown.status == 64 && unknown.errorOutput.contains("known are site; an address begins with"))
    }

    @Test func `a certificate that was replaced is refused`() throws {
        let server = try server()
        let add = ["target", "add", "site", server.url, "--fingerprint", try fingerprint(server)]
        #expect(try tool(add + password()).status == 0)
        let file = "\(state)/targets/site.pem"
        try write(contents(of: server.folder.appending("client.pem")), to: FilePath(file))
        let site = try Site(trusting: false)
        let bundle = site.packed.bundle.string
        #expect(try tool(["trust", "add", bundle, "--fingerprint", site.packed.fingerprint.hex]).status == 0)
        let plan = try tool(["plan", bundle, "--to", "site"])
        #expect(plan.status == 15 && plan.errorOutput.contains("isn't the one that the target site trusts"))
        let login = try password().joined(separator: " ")
        #expect(
            plan.errorOutput.hasSuffix(
                "\n  dray-import target remove site --state \(state)\n"
                    + "  dray-import target add site \(server.url) \(login) --state \(state)\n"), "\(plan.errorOutput)")
        let wrong = server.folder.appending("client.pem").string
        let given = try tool(["load", bundle, "--to", server.url, "--ca-cert", wrong])
        #expect(
            given.status == 15 && given.errorOutput.contains("signed by any authority in \(wrong); it was issued by "))
        #expect(given.errorOutput.contains("\nreceipt: \(state)/receipts/"))
        let system = try tool(["plan", bundle, "--to", server.url])
        #expect(system.errorOutput.hasSuffix("\n  dray-import target add NAME \(server.url) --state \(state)\n"))
        let added = try tool(["target", "add", "other", server.url, "--ca-cert", wrong])
        #expect(added.status == 15 && added.errorOutput.contains("certificate: the certificate of \(server.url) isn't"))
    }
}
