// SPDX-License-Identifier: Apache-2.0

import Files
import Mirroring
import OCI
import RegistryClient
import Support
import Testing

/// Registries that lie, and names that would become paths.
struct HostileTests {
    /// A registry with one image, whose answers `change` makes worse.
    private static func server(
        layer: String = "layer", size: Int? = nil,
        _ change: @escaping @Sendable (ScriptedServer.Asked) -> ScriptedServer.Step? = { _ in nil }
    ) -> ScriptedServer {
        let layerDigest = digest(layer.utf8)
        let config = "{}"
        let manifest =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":{"mediaType":"\#(MediaType.imageConfig)","digest":"\#(digest(config.utf8))","size":2},"layers":[{"mediaType":"\#(MediaType.gzipLayer)","digest":"\#(layerDigest)","size":\#(size ?? layer.utf8.count)}]}"#
        return ScriptedServer { asked in
            if let step = change(asked) { return step }
            switch asked.target {
            case "/v2/a/manifests/1", "/v2/a/manifests/\(digest(manifest.utf8))":
                return .answer(200, ["Content-Type": MediaType.manifest], manifest)
            case "/v2/a/blobs/\(layerDigest)": return .answer(200, [:], layer)
            case "/v2/a/blobs/\(digest(config.utf8))": return .answer(200, [:], config)
            default: return .answer(404)
            }
        }
    }

    private let manifest = "images: [quay.io/a:1]\n"

    @Test func `an honest one is mirrored`() throws {
        let server = HostileTests.server()
        let site = try SourceSite(server.url)
        let result = try site.mirror(manifest)
        #expect(result.failures.isEmpty, "\(result.failures)")
        #expect(try site.blobs().count == 3)
    }

    /// What the registry does, and the exit code that it comes to.
    @Test(arguments: [
        ("other bytes", Failure.damaged), ("too many bytes", .failed), ("too few bytes", .failed),
        ("endless bytes", .failed), ("another length", .failed),
    ])
    func `a layer of wrong bytes is never in the layout`(_ lie: String, _ expected: Failure) throws {
        let server = HostileTests.server { asked in
            guard asked.target.contains("/blobs/\(digest("layer".utf8))") else { return nil }
            switch lie {
            case "other bytes": return .answer(200, [:], "LAYER")
            case "too many bytes": return .answer(200, [:], "layerlayer")
            case "too few bytes": return .raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlay")
            case "endless bytes":
                return .raw(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + String(repeating: "5\r\nlayer\r\n", count: 1000))
            default: return .answer(200, ["Content-Length": "5000000000"], "layer")
            }
        }
        let site = try SourceSite(server.url)
        let result = try site.mirror(manifest)
        #expect(result.failures.map(\.what) == ["quay.io/a:1"])
        #expect(result.failure == expected, "\(result.failures)")
        #expect(try !site.has(digest("layer".utf8)))
        #expect(try site.names().isEmpty)
    }

    @Test(arguments: [
        "{\"schemaVersion\":1}", "<html>", "",
        #"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws","config":{}}"#,
        #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../../etc/passwd","size":1},"layers":[]}"#,
        #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1},"layers":[]}"#,
        #"{"schemaVersion":2,"config":{},"manifests":[]}"#, String(repeating: "[", count: 100_000),
    ])
    func `a manifest that is none is refused`(_ text: String) throws {
        let server = HostileTests.server { asked in
            asked.target.contains("/manifests/") ? .answer(200, ["Content-Type": MediaType.manifest], text) : nil
        }
        let site = try SourceSite(server.url)
        let result = try site.mirror(manifest)
        #expect(result.failures.count == 1)
        #expect([Failure.damaged, .refused].contains(result.failure), "\(result.failures)")
        #expect(try site.names().isEmpty)
    }

    @Test func `a manifest of more than 4 MiB is not taken`() throws {
        let server = HostileTests.server { asked in
            guard asked.target.contains("/manifests/") else { return nil }
            return .answer(200, ["Content-Type": MediaType.manifest], String(repeating: " ", count: 5 << 20))
        }
        let site = try SourceSite(server.url)
        let result = try site.mirror(manifest)
        #expect(result.failures.first?.reason.contains("more than") == true)
    }

    @Test func `bytes under a pinned digest that are others are told`() throws {
        let server = HostileTests.server()
        let site = try SourceSite(server.url)
        let pin = digest("something else".utf8)
        let lying = HostileTests.server { asked in
            asked.target.hasSuffix("\(pin)") ? .answer(200, ["Content-Type": MediaType.manifest], "{}") : nil
        }
        let result = try site.mirror("images: ['quay.io/a@\(pin)']\n", address: lying.url)
        #expect(result.failure == .damaged)
        #expect(try !site.has(pin) && !site.has(digest("{}".utf8)))
    }

    @Test func `a redirect to another host gets no login, and its address is in no error`() throws {
        let other = ScriptedServer { asked in
            asked.target.contains("layer") ? .answer(200, [:], "layer") : .answer(403, [:], "signature=SECRET2")
        }
        let server = HostileTests.server { asked in
            guard asked.headers["authorization"] != nil else {
                return .answer(401, ["WWW-Authenticate": "Basic realm=x"])
            }
            guard asked.target.contains("/blobs/") else { return nil }
            let name = asked.target.hasSuffix("\(digest("layer".utf8))") ? "layer" : "config"
            return .answer(307, ["Location": "\(other.url)/bucket/\(name)?signature=SECRET1"])
        }
        let site = try SourceSite(server.url)
        let password = site.place.appending("pw")
        try write(Array("s3cret\n".utf8), to: password)
        let result = try site.mirror(manifest) {
            $0.network.logins["quay.io"] = ("me", password)
        }
        #expect(try site.has(digest("layer".utf8)))
        #expect(result.failures.count == 1)
        let text = "\(result.failures)"
        #expect(!text.contains("SECRET") && !text.contains("s3cret"), "\(text)")
        #expect(!other.asked.isEmpty)
        for asked in other.asked { #expect(asked.headers["authorization"] == nil) }
        #expect(server.asked.contains { $0.headers["authorization"] != nil })
    }

    @Test func `plain HTTP to another machine needs a word`() throws {
        let server = HostileTests.server()
        let site = try SourceSite(server.url)
        let result = try site.mirror(manifest, address: "http://192.0.2.1:5000")
        #expect(result.failure == .refused)
    }

    @Test func `a blob that two manifests give two sizes is not believed`() throws {
        let lying = HostileTests.server(size: 4)
        let site = try SourceSite(HostileTests.server().url)
        let result = try site.mirror(manifest, address: lying.url)
        #expect(result.failures.count == 1)
        #expect(try !site.has(digest("layer".utf8)))
    }
}
