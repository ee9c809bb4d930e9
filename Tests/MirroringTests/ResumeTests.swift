// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Mirroring
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

/// A run that stops anywhere is gone on with.
struct ResumeTests {
    private let layer = noise(3 << 20)

    private func tool(_ site: SourceSite, _ arguments: String...) throws -> ChildProcess {
        try ChildProcess(
            [
                SourceTree.tool("dray").string, "mirror", site.place.appending("mirror.yaml").string, "--to",
                site.to.string,
            ]
                + arguments, output: site.place.appending("out"), errorOutput: site.place.appending("errors"))
    }

    private func manifest(_ site: SourceSite, _ address: String) throws {
        let text = """
            format: 1
            registries: [{host: quay.io, address: '\(address)'}]
            images: [quay.io/team/app:1]
            """
        try write(Array(text.utf8), to: site.place.appending("mirror.yaml"))
    }

    @Test(arguments: [SIGKILL, SIGTERM])
    func `a stopped run goes on inside the blob`(_ signal: Int32) throws {
        let registry = try RegistryServer()
        let proxy = FaultProxy(to: registry.port)
        let site = try SourceSite(registry.url)
        try site.image("team/app", "1", layers: [layer])
        try manifest(site, proxy.url)
        let partial = site.to.appending(".mirror/partial/\(digest(layer).hex)")
        let first = try tool(site, "--limit-rate", "1M", "--output", "json")
        var held: UInt64 = 0
        for _ in 0..<1000 where held < 500_000 {
            usleep(10_000)
            held = try partial.statusIfPresent()?.size ?? 0
        }
        first.signal(signal)
        #expect(first.wait(seconds: 20) == (signal == SIGKILL ? 137 : 130))
        held = try #require(try partial.statusIfPresent()?.size)
        #expect(held >= 500_000 && held < UInt64(layer.count))
        #expect(try !site.to.appending("index.json").exists())

        let second = try tool(site)
        let status = second.wait(seconds: 60)
        let said = String(decoding: try contents(of: site.place.appending("errors")), as: UTF8.self)
        #expect(status == 0, "\(said)")
        #expect(try site.has(digest(layer)) && site.names() == ["quay.io/team/app:1"])
        #expect(try site.blobs().count == 3)
        #expect(try site.to.appending(".mirror/partial").entries().isEmpty)
    }

    @Test func `the rest of a partial blob is asked for by range, and a damaged one begins anew`() throws {
        let bytes = Array("0123456789abcdef".utf8)
        let whole = String(decoding: bytes, as: UTF8.self)
        let manifest =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":{"mediaType":"x","digest":"\#(digest(bytes))","size":16},"layers":[]}"#
        let server = ScriptedServer { asked in
            if asked.target.contains("/manifests/1") {
                return .answer(200, ["Content-Type": MediaType.manifest], manifest)
            }
            guard asked.target.contains("/blobs/") else { return .answer(404) }
            guard asked.headers["range"] != nil else { return .answer(200, [:], whole) }
            return .answer(206, ["Content-Range": "bytes 10-15/16"], "abcdef")
        }
        let site = try SourceSite(server.url)
        for (held, ranges) in [("0123456789", ["bytes=10-"]), ("xxxxxxxxxx", ["bytes=10-", nil])] {
            try site.to.appending(".mirror/partial").createDirectories()
            try site.to.removeTree(keeping: [".mirror"])
            try write(Array(held.utf8), to: site.to.appending(".mirror/partial/\(digest(bytes).hex)"))
            let before = server.asked.count
            let result = try site.mirror("images: [quay.io/a:1]\n")
            #expect(result.failures.isEmpty, "\(result.failures)")
            let asked = server.asked.dropFirst(before).filter { $0.target.contains("/blobs/") }
            #expect(asked.map { $0.headers["range"] } == ranges)
            #expect(try site.has(digest(bytes)))
        }
    }

    @Test func `a cut connection and a limit of requests are waited out`() throws {
        let registry = try RegistryServer()
        let proxy = FaultProxy(to: registry.port)
        let site = try SourceSite(registry.url)
        try site.image("team/app", "1", layers: [layer, noise(1000, seed: 5)])
        for request in 0..<6 {
            try site.to.createDirectories()
            try site.to.removeTree()
            proxy.arm(.answer(proxy.exchanges.count + request), cutsConnection: true) {}
            let result = try site.mirror("images: [quay.io/team/app:1]\n", address: proxy.url) {
                $0.network.retry.attempts = 5
            }
            #expect(result.failures.isEmpty, "\(request): \(result.failures)")
            #expect(try site.blobs().count == 4)
        }
    }

    @Test func `only one process at a time fills a folder`() throws {
        let registry = try RegistryServer()
        let site = try SourceSite(registry.url)
        try site.image("team/app", "1", layers: [layer])
        try manifest(site, registry.url)
        let first = try tool(site, "--limit-rate", "500k")
        let marker = site.to.appending(".mirror/partial/\(digest(layer).hex)")
        for _ in 0..<1000 where try !marker.exists() { usleep(10_000) }
        #expect(throws: MirrorError.inUse(site.to)) { try site.mirror("images: [quay.io/team/app:1]\n") }
        first.kill()
    }
}
