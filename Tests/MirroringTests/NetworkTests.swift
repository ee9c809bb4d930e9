// SPDX-License-Identifier: Apache-2.0

import Files
import Mirroring
import OCI
import RegistryClient
import Support
import Synchronization
import SystemPackage
import Testing

/// Authorities, tokens, proxies and limits on the way to a registry.
struct NetworkTests {
    private func images(_ address: String, _ more: String = "") -> String {
        "format: 1\nregistries: [{host: quay.io, address: '\(address)'\(more)}]\nimages: [quay.io/team/app:1]\n"
    }

    private func mirror(
        _ site: SourceSite, _ text: String, _ change: (inout MirrorOptions) -> Void = { _ in }
    ) throws -> MirrorResult {
        let file = site.place.appending("mirror.yaml")
        try write(Array(text.utf8), to: file)
        var options = MirrorOptions(
            try mirrorDocument(reading: file), base: site.place.path, to: site.to, lock: site.lock)
        options.network.retry.sleep = { _ in }
        change(&options)
        return try Mirroring.mirror(options, progress: Progress())
    }

    @Test func `a registry of a private authority is trusted by its caCert alone`() throws {
        var options = RegistryServer.Options()
        options.tls = true
        let server = try RegistryServer(options)
        let certificates = try #require(server.certificates)
        let pushing = try run([
            "bash", "-ec",
            "cd \(server.folder.path); printf x > x; curl -sf --cacert ca.pem -X POST \(server.url)/v2/team/app/blobs/uploads/ -o /dev/null -D head",
        ])
        #expect(pushing.status == 0, "\(pushing.errorOutput)")
        let site = try SourceSite("http://127.0.0.1:1")
        let refused = try mirror(site, images(server.url))
        #expect(refused.failure == .registryRefused, "\(refused.failures)")
        // Trusted, it answers that it has no such image.
        let trusted = try mirror(site, images(server.url, ", caCert: '\(certificates.authority)'"))
        #expect(trusted.failure == .failed && trusted.failures[0].reason.contains("is not there"))
        let all = try mirror(site, images(server.url)) { $0.network.caCert = certificates.authority.string }
        #expect(all.failures[0].reason.contains("is not there"))
    }

    @Test func `tokens that run out in the middle are renewed`() throws {
        let folder = TemporaryFolder()
        let open = try ZotServer(folder: folder.path)
        let site = try SourceSite(open.url)
        try site.image("team/app", "1", layers: (0..<4).map { noise(2000, seed: UInt64($0)) })
        open.stop()
        var options = ZotServer.Options()
        options.auth = .bearer(user: "", password: "", lifetimeSeconds: 1)
        let server = try ZotServer(options, folder: folder.path)
        let result = try mirror(site, images(server.url)) {
            $0.network.limitRate = 3000
            $0.network.jobs = 1
        }
        #expect(result.failures.isEmpty, "\(result.failures)")
        #expect(server.lines.count { $0.hasPrefix("GET /token") } >= 2)
        #expect(try site.blobs().count == 6)
    }

    @Test func `a registry that asks to wait is waited for`() throws {
        let registry = try RegistryServer()
        let site = try SourceSite(registry.url)
        let image = try site.image("team/app", "1", layers: [noise(500)])
        let waits = Mutex(Duration.zero)
        let asked = Mutex(0)
        let body = String(
            decoding: try contents(
                of: try #require(registry.stored(image.digest.hex + "/data").first.map { .init($0) })), as: UTF8.self)
        let server = ScriptedServer { request in
            let number = asked.withLock { count in
                count += 1
                return count
            }
            if number % 2 == 1 { return .answer(429, ["Retry-After": "7"], "Too Many Requests") }
            return request.target.contains("/manifests/1")
                ? .answer(200, ["Content-Type": MediaType.manifest], body) : .answer(404)
        }
        let result = try mirror(site, images(server.url)) {
            $0.network.jobs = 1
            $0.network.retry.sleep = { time in waits.withLock { $0 += time } }
        }
        #expect(waits.withLock { $0 } >= .seconds(14))
        #expect(result.failures.count == 1 && result.failures[0].reason.contains("is not there"))  // its blobs
    }

    @Test func `a proxy is used for every host, and only where it is named`() throws {
        let proxy = ScriptedServer { asked in
            asked.target == "http://registry.example/v2/team/app/manifests/1" ? .answer(404) : .answer(418)
        }
        let site = try SourceSite("http://127.0.0.1:1")
        let text = images("http://registry.example", ", plainHttp: true")
        let result = try mirror(site, text) {
            do { try $0.network.setProxy(proxy.url) } catch { Issue.record(error) }
        }
        #expect(proxy.lines == ["GET http://registry.example/v2/team/app/manifests/1"])
        #expect(result.failures.map(\.failure) == [.failed])
    }

    @Test func `a token service elsewhere is asked over TLS alone`() throws {
        let tokens = ScriptedServer { _ in .answer(200, [:], #"{"token":"t"}"#) }
        let server = ScriptedServer { asked in
            guard asked.headers["authorization"] == "Bearer t" else {
                return .answer(
                    401, ["WWW-Authenticate": "Bearer realm=\"http://localhost:\(tokens.port)/token\",service=\"x\""])
            }
            return .answer(404)
        }
        let site = try SourceSite("http://127.0.0.1:1")
        let result = try mirror(site, images(server.url))
        #expect(result.failure == .registryRefused, "\(result.failures)")
        #expect(tokens.asked.isEmpty)
    }
}
