// SPDX-License-Identifier: Apache-2.0

import OCI
import RegistryClient
import Support
import Testing

/// Basic and Bearer logins, from a server that follows a script.
struct TokenTests {
    private let digest: Digest

    init() throws { digest = try Content("x").digest }

    private func options(_ password: String = "s3cret") -> RegistryOptions {
        var options = RegistryOptions.waiting()
        options.credentials = Credentials(username: "loader", password: password)
        return options
    }

    private static let basic = "Basic bG9hZGVyOnMzY3JldA=="  // loader:s3cret

    /// Wants a token of its own service, whose `count`th token is `t<count>`, for everything below `/v2/`.
    private static func tokenServer(accepting good: @escaping @Sendable (String) -> Bool = { _ in true })
        -> ScriptedServer
    {
        let issued = Counter()
        return ScriptedServer { asked in
            guard !asked.target.hasPrefix("/token") else {
                issued.add()
                return .answer(200, [:], #"{"token":"t\#(issued.count)","expires_in":300}"#)
            }
            if let token = asked.headers["authorization"], good(token) { return .answer(404) }
            let host = asked.headers["host"] ?? ""
            let realm = #"Bearer realm="http://\#(host)/token?a=b",service="my reg",scope="repository:a:pull""#
            return .answer(401, ["WWW-Authenticate": realm])
        }
    }

    @Test func `basic credentials are sent only once they were asked for, and then at once`() throws {
        let server = ScriptedServer([.answer(401, ["WWW-Authenticate": "Basic realm=\"zot\""])]) { _ in .answer(404) }
        let registry = try Registry(Endpoint(parsing: server.url), options())
        #expect(try registry.connection().blobSize("a", digest) == nil)
        #expect(try registry.connection().blobSize("b", digest) == nil)
        #expect(server.asked.map { $0.headers["authorization"] } == [nil, TokenTests.basic, TokenTests.basic])
    }

    @Test func `an open registry that knows logins has ours checked by the ping`() throws {
        let challenge = ["WWW-Authenticate": "basic realm=zot"]
        let server = ScriptedServer([.answer(200, challenge), .answer(401, challenge, #"{"code":"UNAUTHORIZED"}"#)])
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options()).ping() }
        guard case .loginRefused(_, "loader") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a token is fetched once for a scope and shared by all connections`() throws {
        let server = TokenTests.tokenServer()
        let registry = try Registry(Endpoint(parsing: server.url), options())
        for _ in 0..<3 { #expect(try registry.connection().blobSize("a", digest) == nil) }
        #expect(try registry.connection().manifest("b", "v1") == nil)
        let head = "HEAD /v2/a/blobs/\(digest)"
        #expect(
            server.lines == [
                head, "GET /token?a=b&service=my%20reg&scope=repository%3Aa%3Apull%2Cpush", head, head, head,
                "GET /token?a=b&service=my%20reg&scope=repository%3Ab%3Apull", "GET /v2/b/manifests/v1",
            ])
        let sent = server.asked.map { $0.headers["authorization"] }
        #expect(sent == [nil, TokenTests.basic, "Bearer t1", "Bearer t1", "Bearer t1", TokenTests.basic, "Bearer t2"])
    }

    @Test func `a token that is no longer honoured is replaced once`() throws {
        let server = TokenTests.tokenServer { $0 == "Bearer t2" }
        let connection = try connect(server.url, options())
        let error = #expect(throws: RegistryError.self) { try connection.blobSize("a", digest) }
        #expect(error?.kind == .access)
        #expect(try connection.blobSize("a", digest) == nil)
        #expect(server.asked.map { $0.headers["authorization"] }.suffix(2) == [TokenTests.basic, "Bearer t2"])
    }

    @Test func `an anonymous token is tried without credentials`() throws {
        let server = TokenTests.tokenServer()
        #expect(try connect(server.url).blobSize("a", digest) == nil)
        #expect(server.asked.map { $0.headers["authorization"] } == [nil, nil, "Bearer t1"])
    }

    @Test func `a token service elsewhere gets no credentials`() throws {
        let other = ScriptedServer { _ in .answer(200, [:], #"{"token":"x"}"#) }
        let realm = "http://localhost:\(other.port)/token?x=y"
        let server = ScriptedServer { _ in .answer(401, ["WWW-Authenticate": "Bearer realm=\"\(realm)\""]) }
        let endpoint = try Endpoint(parsing: server.url)
        let error = RegistryError.untrustedTokenService(endpoint, realm: "http://localhost:\(other.port)/token")
        #expect(throws: error) { try connect(server.url, options()).ping() }
        #expect(other.asked.isEmpty)
    }

    @Test(arguments: ["", "[]", "{}", #"{"token":""}"#, #"{"token":"a\r\nb"}"#, #"{"token":5}"#])
    func `an answer without a token is no login`(_ body: String) throws {
        let server = ScriptedServer { asked in
            guard !asked.target.hasPrefix("/token") else { return .answer(200, [:], body) }
            return .answer(401, ["WWW-Authenticate": "Bearer realm=\"http://\(asked.headers["host"] ?? "")/token\""])
        }
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options()).ping() }
        guard case .malformed(let line, status: 200, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(line.description == "GET \(server.url)/token")
    }

    /// Wants a token of its own service, which answers as `token` says.
    private static func bearerServer(
        error: String = "", _ token: @escaping @Sendable (_ query: String) -> ScriptedServer.Step
    ) -> ScriptedServer {
        ScriptedServer { asked in
            guard !asked.target.hasPrefix("/token") else { return token(asked.target) }
            guard asked.headers["authorization"] == nil || !error.isEmpty else { return .answer(404) }
            let realm = #"Bearer realm="http://\#(asked.headers["host"] ?? "")/token"\#(error)"#
            return .answer(401, ["WWW-Authenticate": realm])
        }
    }

    private static let token = ScriptedServer.Step.answer(200, [:], #"{"token":"t1"}"#)

    @Test func `a token service that knows no scope for deletion is asked for all`() throws {
        let server = TokenTests.bearerServer {
            $0.hasSuffix("%2A") || $0.hasSuffix("*") ? TokenTests.token : .answer(400)
        }
        #expect(try connect(server.url, options()).mayDelete("a") == .allowed)
        #expect(server.lines.count == 4)
        #expect(server.lines[1].hasSuffix("delete") && server.asked[3].headers["authorization"] == "Bearer t1")
        let deaf = TokenTests.bearerServer { _ in .answer(400) }
        let connection = try connect(deaf.url, options())
        #expect(try connection.mayDelete("a") == .unknown)
        #expect(try connection.mayCreate("a") == .unknown)
        #expect(deaf.lines.allSatisfy { !$0.hasPrefix("PUT") })
    }

    @Test func `a token that is good, and not for this, is a matter of permission`() throws {
        let server = TokenTests.bearerServer(error: #",error="insufficient_scope""#) { _ in TokenTests.token }
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options()).manifest("a", "v1") }
        guard case .denied = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let anonymous = #expect(throws: RegistryError.self) { try connect(server.url).manifest("a", "v1") }
        guard case .loginRequired = anonymous else {
            Issue.record("\(String(describing: anonymous))")
            return
        }
    }

    @Test func `a token is left out of messages however long it is`() throws {
        let token = String(repeating: "abcdefgh", count: 200)
        let issued = Counter()
        let server = ScriptedServer { asked in
            guard !asked.target.hasPrefix("/token") else {
                issued.add()
                return .answer(200, [:], #"{"token":"\#(token)\#(issued.count)"}"#)
            }
            let realm = #"Bearer realm="http://\#(asked.headers["host"] ?? "")/token""#
            guard let authorization = asked.headers["authorization"] else {
                return .answer(401, ["WWW-Authenticate": realm])
            }
            // a token that was replaced, too
            guard !authorization.hasSuffix("h1") else { return .answer(401, ["WWW-Authenticate": realm]) }
            let texts = asked.target.contains("json") ? [#"{"errors":[{"code":"X","message":""#, #""}]}"#] : ["", ""]
            return .answer(403, [:], texts[0] + "no: \(token)1 \(authorization)" + texts[1])
        }
        let connection = try connect(server.url, options())
        #expect(throws: RegistryError.self) { try connection.manifest("text", "v1") }
        for repository in ["text", "json"] {
            let error = #expect(throws: RegistryError.self) { try connection.manifest(repository, "v1") }
            guard case .denied(_, let faults) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(faults.map(\.message) == ["no: … Bearer …"])
        }
    }

    @Test func `a registry that repeats our secrets doesn't get them into messages`() throws {
        let server = ScriptedServer([.answer(401, ["WWW-Authenticate": "Basic realm=r"])]) { asked in
            let body = #"{"errors":[{"code":"DENIED","message":"s3cret \#(asked.headers["authorization"] ?? "")"}]}"#
            return .answer(403, [:], body)
        }
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options()).manifest("a", "v1") }
        guard case .denied(_, [Fault(code: "DENIED", message: "… Basic …")]) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
