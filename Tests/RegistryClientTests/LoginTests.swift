// SPDX-License-Identifier: Apache-2.0

import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

/// Who is let in, over plain loopback and over TLS, by Debian's docker-registry.
struct LoginTests {
    private static let right = Credentials(username: "loader", password: "s3cret, with: signs")

    private func server(tls: Bool = false, clientCertificates: Bool = false) throws -> RegistryServer {
        var options = RegistryServer.Options()
        options.login = (LoginTests.right.username, LoginTests.right.password)
        options.tls = tls
        options.clientCertificates = clientCertificates
        return try RegistryServer(options)
    }

    @Test func `the right password lets every request in`() throws {
        let server = try server()
        var options = RegistryOptions.waiting()
        options.credentials = LoginTests.right
        let connection = try connect(server.url, options)
        let blob = try Content(count: 100_000)
        #expect(try connection.upload("a", blob.digest, size: blob.size) { blob.body } == .uploaded)
        #expect(try connection.registry.connection().blobSize("a", blob.digest) == blob.size)
    }

    @Test func `a wrong password is refused and named by its user alone`() throws {
        let server = try server()
        var options = RegistryOptions.waiting()
        options.credentials = Credentials(username: "loader", password: "wrong-s3cret")
        let connection = try connect(server.url, options)
        let error = #expect(throws: RegistryError.self) { try connection.ping() }
        guard case .loginRefused(let line, "loader") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(line.description == "GET \(server.url)/v2/")
        #expect(error?.kind == .access)
        #expect(error.map { String(reflecting: $0).contains("wrong-s3cret") } == false)
    }

    @Test func `without a password the login is asked for`() throws {
        let server = try server()
        let error = #expect(throws: RegistryError.self) { try connect(server.url).ping() }
        guard case .loginRequired = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `a private authority is trusted when it is given, and a lost registry survived`() throws {
        let server = try server(tls: true)
        var options = RegistryOptions.waiting()
        options.credentials = LoginTests.right
        options.caCertificate = try #require(server.certificates).authority.string
        let connection = try connect(server.url, options)
        let blob = try Content(count: 4 << 20)
        let opened = Counter()
        let outcome = try connection.upload("a", blob.digest, size: blob.size) {
            opened.add()
            var body = blob.body
            if opened.count == 1 {
                body.onRead = { position in
                    if position >= 2 << 20 { try server.restart() }
                }
            }
            return body
        }
        #expect(outcome == .uploaded)
        #expect(opened.count == 2)
        #expect(try connection.blobSize("a", blob.digest) == blob.size)
    }

    @Test func `an unknown authority is refused unless checking is switched off`() throws {
        let server = try server(tls: true)
        var options = RegistryOptions.waiting()
        options.credentials = LoginTests.right
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        guard case .certificate("https://127.0.0.1:\(server.port)", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.kind == .access)
        options.skipTLSVerify = true
        try connect(server.url, options).ping()
    }

    @Test func `a port that speaks another scheme is named as such`() throws {
        let (clear, tls) = (try RegistryServer(), try server(tls: true))
        #expect(throws: RegistryError.speaksNoTLS(host: "https://127.0.0.1:\(clear.port)")) {
            try connect("https://127.0.0.1:\(clear.port)").ping()
        }
        #expect(throws: RegistryError.wantsTLS(host: "http://127.0.0.1:\(tls.port)")) {
            try connect("http://127.0.0.1:\(tls.port)").ping()
        }
    }

    @Test func `a certificate for another host is refused`() throws {
        var serverOptions = RegistryServer.Options()
        serverOptions.tls = true
        serverOptions.certificateNames = "DNS:other.example,IP:127.0.0.2"
        let server = try RegistryServer(serverOptions)
        var options = RegistryOptions.waiting()
        options.caCertificate = try #require(server.certificates).authority.string
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        guard case .certificate(_, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("127.0.0.1"))
    }

    @Test func `a client certificate is shown where the registry wants one`() throws {
        let server = try server(tls: true, clientCertificates: true)
        let certificates = try #require(server.certificates)
        var options = RegistryOptions.waiting()
        options.credentials = LoginTests.right
        options.caCertificate = certificates.authority.string
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        #expect(error?.kind == .access)
        options.clientCertificate = certificates.client.string
        options.clientKey = certificates.clientKey.string
        try connect(server.url, options).ping()
    }

    @Test(arguments: ["/nonexistent/ca.pem", "/etc/hostname"])
    func `a file without authorities is a certificate problem`(_ file: String) throws {
        let server = try server(tls: true)
        var options = RegistryOptions.waiting()
        options.caCertificate = file
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        guard case .certificate = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: ["http://registry.example:5000/base", "http://10.1.2.3", "http://127.example.com"])
    func `credentials don't cross a network in clear text`(_ url: String) throws {
        let endpoint = try Endpoint(parsing: url)
        var options = RegistryOptions()
        _ = try Registry(endpoint, options)
        options.credentials = LoginTests.right
        #expect(throws: RegistryError.credentialsInClear(endpoint)) { try Registry(endpoint, options) }
        options.plainHTTP = true
        _ = try Registry(endpoint, options)
    }

    @Test func `credentials print without the password`() {
        let credentials = LoginTests.right
        let texts = [
            "\(credentials)", String(reflecting: credentials), String(reflecting: Optional(credentials)),
            String(reflecting: Mirror(reflecting: credentials).children.map { "\($0)" }),
        ]
        for text in texts { #expect(!text.contains("s3cret")) }
    }
}
