// SPDX-License-Identifier: Apache-2.0

import Glibc
import OCI
import RegistryClient
import Support
import Testing

/// Questions that change nothing: which registry it is, and what it would allow.
struct ProbeTests {
    private static let header = ["Docker-Distribution-Api-Version": "registry/2.0"]

    /// A registry whose Zot extensions answer as given, and whose ping says `{}` or nothing, as in the two families.
    private func server(management: String? = nil, extensions: String? = nil, ping: String = "") -> ScriptedServer {
        ScriptedServer { asked in
            switch asked.target {
            case "/v2/_zot/ext/mgmt": management.map { .answer(200, [:], $0) } ?? .answer(404)
            case "/v2/_oci/ext/discover": extensions.map { .answer(200, [:], $0) } ?? .answer(404)
            default: .answer(200, ProbeTests.header, ping)
            }
        }
    }

    @Test func `Zot says what it is`() throws {
        let full = server(management: #"{"distSpecVersion":"1.1.0","releaseTag":"v2.1.2","binaryType":"full"}"#)
        let kind = try connect(full.url).kind()
        #expect(kind == RegistryKind(family: .zot, version: "v2.1.2") && kind.description == "Zot v2.1.2")
        let untagged = server(management: #"{"distSpecVersion":"1.1.0","releaseTag":""}"#)
        #expect(try connect(untagged.url).kind() == RegistryKind(family: .zot))
        let quiet = server(extensions: #"{"extensions":[{"name":"_zot","endpoints":[]}]}"#)
        #expect(try connect(quiet.url).kind() == RegistryKind(family: .zot))
    }

    @Test func `a gateway's error for a path that it doesn't know says nothing`() throws {
        let waits = Waits()
        let server = ScriptedServer { asked in
            asked.target == "/v2/" ? .answer(200, ProbeTests.header, "{}") : .answer(502, [:], "Bad Gateway")
        }
        #expect(try connect(server.url, .waiting(waits)).kind() == RegistryKind(family: .distribution))
        #expect(server.asked.count == 7 && waits.sum <= .seconds(2))
    }

    @Test func `a minimal Zot is not taken for the distribution family`() throws {
        let (minimal, like, real) = (server(), server(ping: "{}"), try RegistryServer())
        #expect(try connect(minimal.url).kind() == RegistryKind(family: .other))
        #expect(try connect(like.url).kind() == RegistryKind(family: .distribution))
        #expect(try connect(real.url).kind() == RegistryKind(family: .distribution))
        let odd = server(management: "<html>", extensions: "[]")
        #expect(try connect(odd.url).kind() == RegistryKind(family: .other))
    }

    @Test(arguments: [
        (RegistryKind(family: .zot, version: "v2.1.2"), true, Optional(false)),
        (RegistryKind(family: .zot, version: "v2.1.3"), true, true),
        (RegistryKind(family: .zot, version: "2.2.0-rc1"), true, true),
        (RegistryKind(family: .zot, version: "v1.99.99"), true, false),
        (RegistryKind(family: .zot), true, false), (RegistryKind(family: .zot, version: "main"), true, false),
        (RegistryKind(family: .distribution), false, true), (RegistryKind(family: .other), true, nil),
    ])
    func `what a kind means`(_ kind: RegistryKind, _ collects: Bool, _ changes: Bool?) {
        #expect(kind.collectsOnline == collects && kind.tagsChangeType == changes)
    }

    @Test func `permissions are found out without leaving a trace`() throws {
        var options = RegistryServer.Options()
        options.login = ("loader", "s3cret")
        let server = try RegistryServer(options)
        var ours = RegistryOptions.waiting()
        ours.credentials = Credentials(username: "loader", password: "s3cret")
        let connection = try connect(server.url, ours)
        #expect(try connection.mayCreate("a/b") == .allowed)
        #expect(try connection.mayUpdate("a/b", "v1") == .allowed)
        #expect(try connection.mayDelete("a/b") == .allowed)
        #expect(try !connection.refusesDockerManifests())
        #expect(try server.stored("repositories").isEmpty)
        let stranger = try connect(server.url)
        #expect(try stranger.mayCreate("a/b") == .denied && stranger.mayDelete("a/b") == .denied)
    }

    @Test(arguments: [
        (415, Permission.allowed, Permission.unknown), (400, .allowed, .allowed), (403, .denied, .denied),
        (404, .unknown, .allowed), (405, .denied, .denied), (500, .unknown, .unknown),
    ])
    func `an answer to a probe means`(_ status: Int, _ put: Permission, _ delete: Permission) throws {
        let server = ScriptedServer { _ in .answer(status) }
        let connection = try connect(server.url)
        #expect(try connection.mayCreate("a") == put)
        #expect(try connection.mayUpdate("a", "v1") == put)
        #expect(try connection.mayDelete("a") == delete)
        #expect(try connection.refusesDockerManifests() == (status == 415))
        #expect(server.asked.count == 4)
        #expect(server.asked[0].headers["content-type"] == "application/vnd.dray.probe" && server.asked[0].body == [])
        #expect(server.lines[0] == "PUT /v2/a/manifests/dray-probe" && server.lines[1] == "PUT /v2/a/manifests/v1")
        #expect(server.lines[3] == "PUT /v2/\(String(repeating: "d", count: 300))/manifests/dray-probe")
    }

    @Test func `a registry that takes the question for content has it removed`() throws {
        let server = ScriptedServer { asked in .answer(asked.method == "PUT" ? 201 : 405) }
        let connection = try connect(server.url)
        #expect(try connection.mayCreate("a") == .stored)
        #expect(try !connection.refusesDockerManifests())
        let long = String(repeating: "d", count: 300)
        #expect(
            server.lines == [
                "PUT /v2/a/manifests/dray-probe", "DELETE /v2/a/manifests/dray-probe",
                "PUT /v2/\(long)/manifests/dray-probe", "DELETE /v2/\(long)/manifests/dray-probe",
            ])
    }
}

/// Blobs read back.
struct DownloadTests {
    private let blob: Content

    init() throws { blob = try Content(count: 300_000) }

    private func read(_ url: String, _ options: RegistryOptions = .waiting(), from offset: Int64 = 0) throws -> [UInt8]?
    {
        var bytes: [UInt8] = []
        let isThere = try connect(url, options).blob("a", blob.digest, from: offset, size: blob.size) { piece in
            unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }
        return isThere ? bytes : nil
    }

    private static func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `a blob comes back whole, or from a byte on`() throws {
        let server = try RegistryServer()
        #expect(try read(server.url) == nil)
        _ = try connect(server.url).upload("a", blob.digest, size: blob.size) { blob.body }
        #expect(try read(server.url) == blob.bytes)
        #expect(try read(server.url, from: 299_000) == Array(blob.bytes[299_000...]))
        #expect(try read(server.url, from: blob.size) == [])
    }

    /// A body that is text, since the scripted server speaks text.
    private func plain(_ steps: [ScriptedServer.Step], size: Int64 = 10) throws -> (text: String, lines: [String?]) {
        let server = ScriptedServer(steps)
        var bytes: [UInt8] = []
        let digest = blob.digest
        _ = try connect(server.url).blob("a", digest, size: size) { piece in
            unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }
        return (DownloadTests.text(bytes), server.asked.map { $0.headers["range"] })
    }

    private static let cut = ScriptedServer.Step.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123")

    @Test func `a broken answer is gone on with where it ended`() throws {
        let rest = ScriptedServer.Step.answer(206, ["Content-Range": "bytes 4-9/10"], "456789")
        let ranged = try plain([DownloadTests.cut, rest])
        #expect(ranged.text == "0123456789" && ranged.lines == [nil, "bytes=4-"])
        let whole = try plain([DownloadTests.cut, .answer(503), .answer(200, [:], "0123456789")])
        #expect(whole.text == "0123456789" && whole.lines == [nil, "bytes=4-", "bytes=4-"])
    }

    @Test(arguments: [
        [ScriptedServer.Step.answer(200, [:], "012345678")], [.answer(200, [:], "0123456789a")],
        [.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789")],
        [.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n")],
        [DownloadTests.cut, .answer(206, ["Content-Range": "bytes 3-8/10"], "345678")],
        [DownloadTests.cut, .answer(206, [:], "456789")], [.answer(204)], [.answer(200)],
        [.answer(307, ["Location": "/v2/other"])], [.answer(403)],
    ])
    func `an answer about something else is refused`(_ steps: [ScriptedServer.Step]) throws {
        let error = #expect(throws: RegistryError.self) { try plain(steps) }
        #expect(error?.kind == .refusal || error?.kind == .access)
    }

    @Test func `what takes the bytes can end it`() throws {
        let server = ScriptedServer { _ in .answer(200, [:], "0123456789") }
        #expect(throws: MediumGone(volume: 2)) {
            try connect(server.url).blob("a", blob.digest, size: 10) { _ in throw MediumGone(volume: 2) }
        }
        #expect(server.asked.count == 1)
    }
}
