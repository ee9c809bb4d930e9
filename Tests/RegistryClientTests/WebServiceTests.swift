// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import RegistryClient
import Support
import Testing

/// Proxies: those that were named, and no other.
struct ProxyTests {
    @Test func `a proxy sees what it must and no login for itself`() throws {
        let proxy = ScriptedServer { $0.method == "CONNECT" ? .answer(403) : .answer(200, [:], "{}") }
        var options = RegistryOptions.waiting()
        options.proxy = try Endpoint(parsing: proxy.url)
        try connect("http://registry.invalid:5000", options).ping()
        #expect(proxy.lines == ["GET http://registry.invalid:5000/v2/"])
        // TLS goes through a tunnel, which this proxy refuses
        options.credentials = Credentials(username: "loader", password: "s3cret")
        let error = #expect(throws: RegistryError.self) { try connect("https://registry.invalid", options).ping() }
        #expect(error != nil && proxy.lines[1] == "CONNECT registry.invalid:443")
        #expect(proxy.asked.allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test func `credentials don't go to a proxy in clear text`() throws {
        var options = RegistryOptions.waiting()
        options.proxy = try Endpoint(parsing: "http://proxy.example:3128")
        options.credentials = Credentials(username: "loader", password: "s3cret")
        let endpoint = try Endpoint(parsing: "http://127.0.0.1:5000")
        #expect(throws: RegistryError.credentialsInClear(endpoint)) { try Registry(endpoint, options) }
    }
}

/// The JSON client for other APIs.
struct WebServiceTests {
    private func service(_ url: String, _ options: RegistryOptions = .waiting()) throws -> WebService {
        try WebService(Endpoint(parsing: url), options, secret: ("ApiKey", "s3cret"), limit: 1000)
    }

    @Test func `requests carry the secret and answers of any kind come back`() throws {
        let server = ScriptedServer([.answer(200, [:], "[]"), .answer(503), .answer(202), .answer(403, [:], "no")])
        let service = try service(server.url + "/api")
        let first = try service.get("/v1/x?y=z")
        #expect(first.status == 200 && first.body == Data("[]".utf8))
        #expect(try service.post("/v1/y", json: Data("{}".utf8)).status == 202)
        #expect(try service.get("/v1/z").status == 403)
        #expect(server.lines == ["GET /api/v1/x?y=z", "POST /api/v1/y", "POST /api/v1/y", "GET /api/v1/z"])
        #expect(server.asked.allSatisfy { $0.headers["apikey"] == "s3cret" })
        #expect(
            server.asked[1].headers["content-type"] == "application/json" && server.asked[1].body == Array("{}".utf8))
    }

    @Test func `the secret stays with its host`() throws {
        let other = ScriptedServer { _ in .answer(200) }
        let server = ScriptedServer { _ in .answer(307, ["Location": other.url]) }
        let error = #expect(throws: RegistryError.self) { try service(server.url).get("/") }
        #expect(error?.kind == .refusal && other.asked.isEmpty)
        let endpoint = try Endpoint(parsing: "http://console.example")
        #expect(throws: RegistryError.credentialsInClear(endpoint)) { try service("http://console.example") }
    }

    @Test func `an endless answer ends at its limit, and failures repeat no secret`() throws {
        let long = ScriptedServer { _ in .answer(200, [:], String(repeating: "x", count: 1001)) }
        let error = #expect(throws: RegistryError.self) { try service(long.url).get("/") }
        guard case .answerTooLarge(_, 1000) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let broken = ScriptedServer { asked in .answer(500, [:], asked.headers["apikey"] ?? "") }
        let failure = #expect(throws: RegistryError.self) { try service(broken.url).get("/") }
        #expect(failure?.kind == .transient && failure.map { "\($0)".contains("s3cret") } == false)
    }
}
