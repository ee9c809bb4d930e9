// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import RegistryClient
import Support
import Testing

/// What TLS connections refuse, and what is shown of them before they are trusted.
struct CertificateTests {
    private func reason(_ url: String, _ options: RegistryOptions) throws -> String {
        var options = options
        options.credentials = Credentials(username: "loader", password: "s3cret")
        let error = #expect(throws: RegistryError.self) { try connect(url, options).ping() }
        guard case .certificate(_, let reason) = error, error?.kind == .access else {
            Issue.record("\(String(describing: error))")
            return ""
        }
        return reason
    }

    @Test func `an expired certificate is refused`() throws {
        let server = try TLSServer(TLSServer.expired)
        var options = RegistryOptions.waiting()
        options.caCertificate = server.path("ca.pem")
        #expect(try reason(server.url, options).contains("expired"))
    }

    @Test func `a certificate that signs itself is refused until it is pinned, and then for its own names only`() throws
    {
        let server = try TLSServer(TLSServer.selfSigned())
        #expect(try reason(server.url, .waiting()).contains("self"))
        var options = RegistryOptions.waiting()
        options.caCertificate = server.path("server.pem")
        try connect(server.url, options).ping()
        let other = try TLSServer(TLSServer.selfSigned("DNS:other.example"))
        options.caCertificate = other.path("server.pem")
        #expect(try reason(other.url, options).contains("127.0.0.1"))
    }

    @Test func `what is pinned for the registry says nothing of a token service elsewhere`() throws {
        let other = try TLSServer(TLSServer.selfSigned("DNS:localhost"))
        let realm = "Bearer realm=\"https://localhost:\(other.port)/token\""
        let server = ScriptedServer { _ in .answer(401, ["WWW-Authenticate": realm]) }
        var options = RegistryOptions.waiting()
        options.tokenHosts = ["localhost"]
        options.caCertificate = other.path("server.pem")
        #expect(try reason(server.url, options).contains("self"))
        options.tokenHostCertificate = other.path("server.pem")
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        // it was trusted, and gives a web page
        guard case .malformed(_, status: 200, missing: "a token") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `the chain is shown as it is, without trust and without a login`() throws {
        let server = try TLSServer(TLSServer.signed + "\ncp ca.pem chain.pem")
        let endpoint = try Endpoint(parsing: server.url)
        let alone = try CertificateChain.shown(by: endpoint)
        #expect(alone.map(\.subject) == ["CN = server"] && alone.map(\.issuer) == ["CN = authority"])
        #expect(alone.allSatisfy { !$0.isSelfSigned && $0.notAfter.hasSuffix(" GMT") })
        try server.shell.write(Array(alone[0].pem.utf8), "shown.pem")
        #expect(
            server.shell.run(
                "openssl x509 -in shown.pem -outform DER > a; openssl x509 -in server.pem -outform DER > b; cmp a b"))
        #expect(try [UInt8](alone[0].der) == server.shell.read("b"))
    }

    @Test func `a chain with its authority is shown whole, and its top can be pinned`() throws {
        let made = try TLSServer(TLSServer.signed)
        let server = try TLSServer(
            "cp \(made.path("server.pem")) \(made.path("server.key")) \(made.path("ca.pem")) .",
            ["-cert_chain", made.path("ca.pem")])
        let chain = try CertificateChain.shown(by: Endpoint(parsing: server.url))
        #expect(
            chain.map(\.subject) == ["CN = server", "CN = authority"] && chain.map(\.isSelfSigned) == [false, true])
        try server.shell.write(Array(try #require(chain.last).pem.utf8), "pinned.pem")
        var options = RegistryOptions.waiting()
        options.caCertificate = server.path("pinned.pem")
        try connect(server.url, options).ping()
    }

    @Test func `an address without TLS shows no certificates`() throws {
        let clear = try RegistryServer()
        let port = Loopback.freePort()
        #expect(throws: RegistryError.speaksNoTLS(host: "https://127.0.0.1:\(clear.port)")) {
            try CertificateChain.shown(by: Endpoint(parsing: "https://127.0.0.1:\(clear.port)"), .waiting())
        }
        let error = #expect(throws: RegistryError.self) {
            try CertificateChain.shown(by: Endpoint(parsing: "https://127.0.0.1:\(port)"), .waiting())
        }
        #expect(error?.kind == .transient)
    }
}
