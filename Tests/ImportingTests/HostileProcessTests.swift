// SPDX-License-Identifier: Apache-2.0

import Support
import Synchronization
import SystemPackage
import Testing

/// Cases 79, 80 and 84 of docs/hostile-cases.md with real processes.
@Suite struct HostileProcessTests {
    private let scene: HostileScene
    private let server = try? ZotServer()
    private var tool: String { SourceTree.tool("dray-import").string }

    init() throws { scene = try HostileGround.shared.get().scene() }

    @Test func `79: of two importers the second is refused, and the first ends well`() throws {
        let server = try #require(server)
        try scene.medium("media") { _ in }
        let proxy = FaultProxy(to: server.port)
        let second = Mutex<CommandResult?>(nil)
        proxy.arm(.request(2), cutsConnection: false) { [scene, url = server.url] in
            let result = try? scene.importer("load", "media", "--to", "\(url)/base")
            second.withLock { $0 = result }
        }
        let first = try scene.importer("load", "media", "--to", "\(proxy.url)/base")
        let refused = try #require(second.withLock { $0 })
        #expect(
            refused.status == 1 && refused.errorOutput.contains("another load is running"), "\(refused.errorOutput)")
        #expect(first.status == 0, "\(first.errorOutput)")
        #expect(server.tags(of: "base/library/hostile") == ["1"])
        try scene.importer("check", "--to", "\(proxy.url)/base").mustSucceed()
    }

    @Test func `80: with an older state, an older medium is refused for what the registry keeps`() throws {
        let url = "\(try #require(server).url)/base"
        try scene.medium("old") { _ in }
        try scene.medium("new") { $0.versions = .init(7) }
        try scene.medium("list") {
            $0.versions = .init(8)
            $0.isListed = false
        }
        try run(["cp", "-a", scene.folder.appending("state").string, scene.folder.appending("backup").string])
            .mustSucceed()
        try scene.importer("load", "new", "--to", url).mustSucceed()
        try scene.importer("trust", "update", "list").mustSucceed()
        #expect(try scene.importer("load", "new", "--to", url).status == 12)
        try run(["rm", "-r", scene.folder.appending("state").string]).mustSucceed()
        try run(["mv", scene.folder.appending("backup").string, scene.folder.appending("state").string]).mustSucceed()
        // the state knows nothing of version 7, the registry does: what isn't newer than that must be in its list
        try scene.medium("other") {
            $0.versions = .init(timestamp: 8, snapshot: 7, targets: 6)
        }
        #expect(try scene.importer("verify", "other").status == 0)
        let tags = server?.tags(of: "base/dray/site")
        let refused = try scene.importer("load", "other", "--to", url)
        #expect(
            refused.status == 12 && refused.errorOutput.contains("has version 6, but 7 was accepted"),
            "\(refused.errorOutput)")
        #expect(server?.tags(of: "base/dray/site") == tags)
        // and the state has learned it
        #expect(try scene.importer("verify", "other").status == 12)
    }

    /// The registry's password comes from a file, from a program that docker names, or from docker's file; the key's from a file.
    @Test(arguments: ["file", "program", "docker"]) func `84: secrets are in nothing that is left or shown`(
        _ way: String
    )
        throws
    {
        let (password, keyPassword) = ("s3cret-of-the-registry", "s3cret-of-the-key")
        var options = ZotServer.Options()
        options.auth = .basic(user: "loader", password: password)
        let registry = try ZotServer(options)
        let secrets = TemporaryFolder()
        try write(Array("\(password)\n".utf8), to: secrets.appending("password"))
        try write(Array("\(keyPassword)\n".utf8), to: secrets.appending("key-password"))
        let basic = try run(["sh", "-c", "printf %s loader:\(password) | base64"]).output.filter { $0 != "\n" }
        let host = "127.0.0.1:\(registry.port)"
        let docker =
            way == "docker" ? #"{"auths":{"\#(host)":{"auth":"\#(basic)"}}}"# : #"{"credHelpers":{"\#(host)":"test"}}"#
        try write(Array(docker.utf8), to: secrets.appending("config.json"))
        let program = "#!/bin/sh\ncat >/dev/null\necho '{\"Username\":\"loader\",\"Secret\":\"\(password)\"}'\n"
        try write(Array(program.utf8), to: secrets.appending("docker-credential-test"))
        try run(["chmod", "755", secrets.appending("docker-credential-test").string]).mustSucceed()
        let unlock = ["--site-key-password-file", secrets.appending("key-password").string]
        let made = try scene.importer(
            "site", "init", "--name", "here", "--password-file", secrets.appending("key-password").string)
        try made.mustSucceed()
        try scene.medium("media") { _ in }
        let given = ["--username", "loader", "--password-file", secrets.appending("password").string]
        let seen = try scene.watched(
            ["load", "media", "--to", "\(registry.url)/base"] + unlock + (way == "file" ? given : []),
            docker: way == "file" ? "/nonexistent" : secrets.path.string, programs: secrets.path.string)
        #expect(seen.status == 0, "\(seen.errorOutput)")
        let digits = Forged.hex(Array(password.utf8))
        for secret in [password, keyPassword, basic, digits] {
            let found = try run(["grep", "-rlaF", secret, scene.folder.path.string, registry.folder.string])
            #expect(found.status == 1, "\(found.output)")
            #expect(!seen.output.contains(secret) && !seen.errorOutput.contains(secret))
        }
        let looked = try run(["grep", "-ac", "^Max core", scene.folder.appending("processes").string]).output
        #expect(looked != "0\n", "nothing was seen of the process while it ran")
        let cores = try run(["grep", "-a", "^Max core", scene.folder.appending("processes").string]).output
        #expect(
            cores.split(separator: "\n").last?.split(separator: " ").prefix(5).last.map { $0 == "1" || $0 == "0" }
                == true, "\(cores)")
        let signed = try scene.importer("receipt", "list")
        #expect(signed.output.contains("/base"))
    }
}

extension HostileScene {
    /// Runs a command; while it runs, what `ps` could show of it and its children goes to the file `processes`.
    fileprivate func watched(_ arguments: [String], docker: String, programs: String) throws -> CommandResult {
        let script = """
            cd "$1"; shift
            PATH="$1:$PATH"; export PATH; shift
            "$@" & id=$!
            while kill -0 $id 2>/dev/null; do
                for p in $id $(cat /proc/$id/task/*/children 2>/dev/null); do
                    cat /proc/$p/cmdline /proc/$p/environ /proc/$p/limits
                done
                sleep 0.01
            done >>processes 2>/dev/null
            wait $id
            """
        return try run(
            ["sh", "-c", script, "sh", folder.path.string, programs, SourceTree.tool("dray-import").string]
                + arguments + ["--state", "state"], environment: ["DOCKER_CONFIG": docker])
    }
}
