// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import OCI
import RegistryClient
import Support
import Testing

/// Registries that want more than their due.
struct HostileTests {
    private var options: RegistryOptions {
        var options = RegistryOptions.waiting()
        options.credentials = Credentials(username: "loader", password: "s3cret")
        return options
    }

    @Test(arguments: [307, 308, 301, 302, 303])
    func `a redirect takes neither the request nor the login along`(_ status: Int) throws {
        let other = ScriptedServer { _ in .answer(200) }
        let server = ScriptedServer { asked in
            guard asked.headers["authorization"] != nil else {
                return .answer(401, ["WWW-Authenticate": "Basic realm=x"])
            }
            return .answer(status, ["Location": "\(other.url)\(asked.target)"])
        }
        let digest = try Content("x").digest
        let connection = try connect(server.url, options)
        let attempts: [() throws -> Void] = [
            { try connection.ping() }, { _ = try connection.blob("a", digest, size: 1) { _ in } },
            { _ = try connection.manifest("a", "v1") }, { _ = try connection.tags("a") },
            { _ = try connection.referrers("a", digest) },
        ]
        for attempt in attempts {
            let error = #expect(throws: RegistryError.self) { try attempt() }
            guard case .redirected(_, status) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        #expect(other.asked.isEmpty)
    }

    @Test(arguments: ["http://169.254.169.254/latest", "http://localhost:PORT/token", "https://127.0.0.1.nip.io/t"])
    func `a login goes to no token service elsewhere`(_ realm: String) throws {
        let other = ScriptedServer { _ in .answer(200, [:], #"{"token":"x"}"#) }
        let realm = realm.replacing("PORT", with: "\(other.port)")
        let server = ScriptedServer { _ in .answer(401, ["WWW-Authenticate": "Bearer realm=\"\(realm)\""]) }
        var options = self.options
        options.tokenHosts = ["auth.example"]
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        guard case .untrustedTokenService = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(other.asked.isEmpty && server.asked.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test func `a named token service gets no login without TLS`() throws {
        let other = ScriptedServer { _ in .answer(200, [:], #"{"token":"x"}"#) }
        let realm = "http://localhost:\(other.port)/token"
        let server = ScriptedServer { _ in .answer(401, ["WWW-Authenticate": "Bearer realm=\"\(realm)\""]) }
        var options = self.options
        options.tokenHosts = ["localhost"]
        #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        #expect(other.asked.isEmpty)
    }

    @Test func `a registry that names another digest has not stored ours`() throws {
        let (manifest, other) = (try Content("{}"), try Content("{ }"))
        let server = ScriptedServer { _ in .answer(201, ["Docker-Content-Digest": other.digest.description]) }
        let error = #expect(throws: RegistryError.self) {
            try connect(server.url).putManifest(
                "a", "v1", Data(manifest.bytes), mediaType: "m", digest: manifest.digest)
        }
        guard case .otherDigest(_, manifest.digest, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a registry that gives back other bytes is found out by hashing them`() throws {
        let (ours, theirs) = (try Content("0123456789"), try Content("012345678X"))
        let server = ScriptedServer { _ in
            .answer(
                200, ["Docker-Content-Digest": ours.digest.description], String(decoding: theirs.bytes, as: UTF8.self))
        }
        var bytes: [UInt8] = []
        #expect(
            try connect(server.url).blob("a", ours.digest, size: 10) { piece in
                unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
            })
        #expect(try Content(bytes).digest == theirs.digest)
        // the registry's word about the digest is not what the caller gets
        let fetched = try #require(try connect(server.url).manifest("a", ours.digest.description))
        #expect(try Content([UInt8](fetched.bytes)).digest == theirs.digest)
    }

    private var impatient: RegistryOptions {
        var options = RegistryOptions.waiting()
        options.stallSeconds = 1
        options.retry.attempts = 1
        return options
    }

    @Test func `an answer that never comes is given up`() throws {
        let silent = ScriptedServer { _ in .silence }
        let error = #expect(throws: RegistryError.self) { try connect(silent.url, impatient).ping() }
        #expect(error?.kind == .transient)
    }

    // Five times the patience: bytes come, but not for ever.
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nX-", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0000",
    ]) func `an answer that drips is given up`(_ beginning: String) throws {
        let server = ScriptedServer { _ in .drip(beginning) }
        let error = #expect(throws: RegistryError.self) { try connect(server.url, impatient).ping() }
        #expect(error?.kind == .transient)
    }

    @Test func `a blob that drips is given up`() throws {
        let server = ScriptedServer { _ in .drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") }
        let digest = try Content("x").digest
        let error = #expect(throws: RegistryError.self) {
            try connect(server.url, impatient).blob("a", digest, size: 100_000) { _ in }
        }
        #expect(error?.kind == .transient)
    }

    @Test func `an endless answer ends at its limit`() throws {
        let endless = String(repeating: "x", count: 5 << 20)
        let server = ScriptedServer { _ in .answer(200, ["Content-Length": "\(1 << 40)"], endless) }
        let connection = try connect(server.url, options)
        let digest = try Content("x").digest
        let attempts: [() throws -> Void] = [
            { try connection.ping() }, { _ = try connection.manifest("a", "v1") },
            { _ = try connection.referrers("a", digest) }, { _ = try connection.kind() },
        ]
        for attempt in attempts {
            let error = #expect(throws: RegistryError.self) { try attempt() }
            guard case .answerTooLarge = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        let error = #expect(throws: RegistryError.self) { try connection.blob("a", digest, size: 10) { _ in } }
        #expect(error?.kind == .refusal)
    }

    @Test func `headers without an end are given up`() throws {
        let lines = (0..<20_000).map { "X-\($0): y\r\n" }.joined()
        let server = ScriptedServer { _ in .raw("HTTP/1.1 200 OK\r\n\(lines)\r\n") }
        let error = #expect(throws: RegistryError.self) { try connect(server.url).ping() }
        guard case .answerTooLarge = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
