// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import OCI
import RegistryClient
import Support
import Testing

/// Answers that docker-registry doesn't give, from a server that follows a script.
struct ScriptedTests {
    private let blob: Content

    init() throws { blob = try Content(count: 3 << 20) }

    private func upload(_ connection: RegistryConnection, mountFrom: String? = nil) throws -> UploadOutcome {
        try connection.upload("base/a", blob.digest, size: blob.size, mountFrom: mountFrom) { blob.body }
    }

    private static let session = "/v2/base/a/blobs/uploads/1?_state=a%2Bb&x="

    private var begun: ScriptedServer.Step { .answer(202, ["Location": ScriptedTests.session]) }

    private var put: String {
        "PUT \(ScriptedTests.session)&digest=sha256%3A\(blob.digest.hex)"
    }

    private var head: String { "HEAD /v2/base/a/blobs/\(blob.digest)" }

    private static let post = "POST /v2/base/a/blobs/uploads/"

    @Test func `an upload says exactly what registries need`() throws {
        let server = ScriptedServer([begun, .answer(201)])
        #expect(try upload(connect(server.url)) == .uploaded)
        #expect(server.lines == [ScriptedTests.post, put])
        let (post, put) = (server.asked[0].headers, server.asked[1].headers)
        #expect(post["content-length"] == "0" && post["content-type"] == nil)
        #expect(put["content-length"] == "\(blob.size)" && put["content-type"] == "application/octet-stream")
        for headers in [post, put] {
            #expect(headers["expect"] == nil && headers["transfer-encoding"] == nil && headers["authorization"] == nil)
            #expect(headers["host"] == "127.0.0.1:\(server.port)")
        }
        #expect(server.asked[1].body == blob.bytes)
    }

    @Test func `every manifest type is accepted`() throws {
        let server = ScriptedServer([.answer(200), .answer(404)])
        let connection = try connect(server.url)
        #expect(try connection.manifestState("a", "v1") == .presentUnnamed)
        #expect(try connection.manifest("a", "v1") == nil)
        #expect(server.lines == ["HEAD /v2/a/manifests/v1", "GET /v2/a/manifests/v1"])
        for asked in server.asked { #expect(asked.headers["accept"] == MediaType.manifests.joined(separator: ", ")) }
    }

    @Test func `a registry that asks for time gets it`() throws {
        let waits = Waits()
        let server = ScriptedServer([.answer(429, ["Retry-After": "7"], "Too Many Requests"), .answer(200)])
        try connect(server.url, .waiting(waits)).ping()
        #expect(server.lines == ["GET /v2/", "GET /v2/"])
        #expect(waits.sum == .seconds(7))
    }

    @Test func `cancellation ends a wait`() throws {
        let (waits, polls) = (Waits(), Counter())
        var options = RegistryOptions.waiting(waits)
        options.isCancelled = {
            polls.add()
            return waits.sum >= .seconds(2)
        }
        let server = ScriptedServer { _ in .answer(429, ["Retry-After": "200"]) }
        let connection = try connect(server.url, options)
        #expect(throws: RegistryError.cancelled) { try connection.ping() }
        #expect(server.asked.count == 1)
        #expect(waits.sum == .seconds(2))
    }

    static let full: [(status: Int, body: String)] = [
        // docker-registry 2.8.2 on a full disk: during an upload, and when it opens one
        (
            500,
            #"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":"write /s/data: no space left on device"}]}"#
        ),
        (
            500,
            #"{"errors":[{"code":"UNKNOWN","detail":{"DriverName":"filesystem","Enclosed":{"Op":"write","Err":28}}}]}"#
        ),
        (507, ""), (500, "write: Disk quota exceeded"),
        (
            403,
            #"{"errors":[{"code":"DENIED","message":"adding 2 GiB will exceed the configured upper limit of 1 GiB"}]}"#
        ),
    ]

    @Test(arguments: full) func `a full registry is not asked again`(_ answer: (status: Int, body: String)) throws {
        let server = ScriptedServer([begun, .answer(answer.status, [:], answer.body)]) { _ in .answer(204) }
        let connection = try connect(server.url)
        let error = #expect(throws: RegistryError.self) { try upload(connection) }
        #expect(error?.kind == .noSpace)
        #expect(server.lines == [ScriptedTests.post, put, "DELETE \(ScriptedTests.session)"])
    }

    @Test func `a cut upload begins anew after asking`() throws {
        let server = ScriptedServer([
            begun, .cut(afterBody: 1000), .answer(404), .answer(204), begun, .answer(201),
        ])
        #expect(try upload(connect(server.url)) == .uploaded)
        let delete = "DELETE \(ScriptedTests.session)"
        #expect(server.lines == [ScriptedTests.post, put, head, delete, ScriptedTests.post, put])
        #expect(server.asked.last?.body == blob.bytes)
    }

    @Test func `a lost answer to an upload that worked is found out`() throws {
        let server = ScriptedServer([begun, .hangUp, .answer(200, ["Content-Length": "\(blob.size)"])])
        #expect(try upload(connect(server.url)) == .uploaded)
        #expect(server.lines == [ScriptedTests.post, put, head])
    }

    @Test func `a session that is gone is opened again`() throws {
        let server = ScriptedServer([begun, .answer(404), begun, .answer(201)])
        #expect(try upload(connect(server.url)) == .uploaded)
        #expect(server.lines == [ScriptedTests.post, put, ScriptedTests.post, put])
    }

    @Test func `a repository that can't be written is refused at once`() throws {
        let body = #"{"errors":[{"code":"NAME_UNKNOWN","message":"project base not found"}]}"#
        let server = ScriptedServer([.answer(404, [:], body)])
        let connection = try connect(server.url)
        let error = #expect(throws: RegistryError.self) { try upload(connection) }
        guard case .refused(_, 404, [Fault(code: "NAME_UNKNOWN", message: "project base not found")]) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(server.asked.count == 1)
    }

    @Test func `an early refusal is heard although the body was not read`() throws {
        let server = ScriptedServer([begun, .answerEarly(415, "not that")]) { _ in .answer(204) }
        let connection = try connect(server.url)
        let error = #expect(throws: RegistryError.self) { try upload(connection) }
        guard case .refused(_, 415, [Fault(code: "", message: "not that")]) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(server.lines == [ScriptedTests.post, put, "DELETE \(ScriptedTests.session)"])
    }

    @Test(arguments: [400, 401, 403, 405, 404])
    func `a mount that is refused becomes an upload`(_ status: Int) throws {
        let server = ScriptedServer([.answer(status), begun, .answer(201)])
        #expect(try upload(connect(server.url), mountFrom: "other/b") == .uploaded)
        let mount = "\(ScriptedTests.post)?mount=sha256%3A\(blob.digest.hex)&from=other/b"
        #expect(server.lines == [mount, ScriptedTests.post, put])
    }

    @Test func `a manifest whose answer was lost is asked for before it is sent again`() throws {
        let manifest = try Content("{}")
        let named = ScriptedServer.Step.answer(200, ["Docker-Content-Digest": manifest.digest.description])
        for (script, count) in [([.hangUp, named], 2), ([.hangUp, .answer(404), .answer(201)], 3)] {
            let server = ScriptedServer(script)
            try connect(server.url).putManifest(
                "a", "v1", Data(manifest.bytes), mediaType: MediaType.index, digest: manifest.digest)
            #expect(
                server.lines
                    == ["PUT /v2/a/manifests/v1", "HEAD /v2/a/manifests/v1", "PUT /v2/a/manifests/v1"].dropLast(
                        3 - count))
            #expect(server.asked[0].headers["content-type"] == MediaType.index)
            #expect(server.asked[0].body == manifest.bytes)
        }
    }

    @Test func `a registry that stored something else is caught`() throws {
        let other = try Content("other").digest
        let answer = ScriptedServer.Step.answer(201, ["Docker-Content-Digest": other.description])
        let server = ScriptedServer([begun, answer, answer]) { _ in .answer(204) }
        let connection = try connect(server.url)
        let upload = #expect(throws: RegistryError.self) { try self.upload(connection) }
        let manifest = #expect(throws: RegistryError.self) {
            try connection.putManifest("a", "v1", Data("{}".utf8), mediaType: MediaType.index, digest: blob.digest)
        }
        for error in [upload, manifest] {
            guard case .otherDigest(_, blob.digest, other.description) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test(arguments: [301, 302, 307, 308]) func `a redirect is not followed`(_ status: Int) throws {
        let other = ScriptedServer { _ in .answer(200) }
        let server = ScriptedServer([.answer(status, ["Location": other.url + "/v2/"])])
        let error = #expect(throws: RegistryError.self) { try connect(server.url).ping() }
        guard case .redirected(_, status) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(other.asked.isEmpty)
    }

    @Test func `an upload location on another host gets nothing`() throws {
        let other = ScriptedServer { _ in .answer(201) }
        for location in ["\(other.url)/v2/base/a/blobs/uploads/1", "//127.0.0.1:\(other.port)/v2/x", "/../v2/x", "/x"] {
            let server = ScriptedServer([.answer(202, ["Location": location])])
            var options = RegistryOptions.waiting()
            options.credentials = Credentials(username: "u", password: "p")
            let error = #expect(throws: RegistryError.self) { try upload(connect(server.url, options)) }
            guard case .foreignLocation = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(server.asked.count == 1)
        }
        #expect(other.asked.isEmpty)
    }

    @Test func `answers without an end are cut off`() throws {
        let server = ScriptedServer([.answer(200, [:], String(repeating: "x", count: 4 << 20 | 1))])
        let error = #expect(throws: RegistryError.self) { try connect(server.url).manifest("a", "v1") }
        guard case .answerTooLarge(_, limit: 4 << 20) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let headers = ScriptedServer([
            .raw("HTTP/1.1 200 OK\r\n" + String(repeating: "a: b\r\n", count: 20_000) + "\r\n")
        ])
        #expect(throws: RegistryError.self) { try connect(headers.url).ping() }
        #expect(headers.asked.count == 1)
    }

    @Test(arguments: [
        "", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    ])
    func `what speaks no HTTP is unreachable`(_ answer: String) throws {
        let server = ScriptedServer { _ in .raw(answer) }
        let error = #expect(throws: RegistryError.self) { try connect(server.url).ping() }
        #expect(error?.kind == .transient)
    }

    @Test func `a host without a registry is named as such`() throws {
        let server = ScriptedServer([.answer(404, [:], "<html>nginx</html>")])
        let error = #expect(throws: RegistryError.self) { try connect(server.url).ping() }
        guard case .malformed(_, status: 404, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a foreign layer's 500 is not repeated`() throws {
        let body = #"{"errors":[{"code":"UNKNOWN"},{"code":"MANIFEST_BLOB_UNKNOWN","detail":"sha256:12"}]}"#
        let server = ScriptedServer([.answer(500, [:], body)])
        let error = #expect(throws: RegistryError.self) {
            try connect(server.url).putManifest(
                "a", "v1", Data("{}".utf8), mediaType: MediaType.manifest, digest: blob.digest)
        }
        #expect(error?.mayLackReferences == true)
        #expect(server.asked.count == 1)
    }

    @Test func `a registry that falls silent is given up`() throws {
        let server = ScriptedServer { _ in .silence }
        var options = RegistryOptions.waiting()
        options.stallSeconds = 1
        options.retry.attempts = 1
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        #expect(error?.kind == .transient)
        #expect(server.asked.count == 1)
    }

    @Test func `names and types from outside can't change the request`() throws {
        let server = ScriptedServer { _ in .answer(404) }
        let connection = try connect(server.url)
        #expect(try connection.manifest("a?b#c\r\nd", "../../x?y") == nil)
        #expect(throws: RegistryError.self) {
            try connection.putManifest(
                "a", "v1", Data("{}".utf8), mediaType: "x\r\nEvil: yes\r\n\r\n", digest: blob.digest)
        }
        #expect(server.lines == ["GET /v2/a%3Fb%23c%0D%0Ad/manifests/..%2F..%2Fx%3Fy", "PUT /v2/a/manifests/v1"])
        #expect(server.asked[1].headers["content-type"] == "xEvil: yes")
        #expect(server.asked[1].headers["evil"] == nil)
    }

    @Test func `proxies of the environment are not used`() async {
        await #expect(processExitsWith: .success) {
            for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
                unsafe setenv(name, "http://127.0.0.1:1", 1)
            }
            let server = ScriptedServer([.answer(200)])
            try connect(server.url).ping()
        }
    }
}
