// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import OCI
import Testing

@testable import RegistryClient

/// The rules that need no connection.
struct RuleTests {
    @Test(arguments: [
        ("https://host:30003/spectro-content", "https://host:30003/spectro-content", "host", 30003, "spectro-content"),
        ("HTTP://127.0.0.1:5000/base", "http://127.0.0.1:5000/base", "127.0.0.1", 5000, "base"),
        ("https://Registry.Example.COM", "https://registry.example.com", "registry.example.com", 443, ""),
        ("https://registry.example:443/a/b/", "https://registry.example/a/b", "registry.example", 443, "a/b"),
        ("http://registry/", "http://registry", "registry", 80, ""),
        ("http://[::1]:5000/x", "http://[::1]:5000/x", "::1", 5000, "x"),
        ("https://[FD00::1]", "https://[fd00::1]", "fd00::1", 443, ""),
    ])
    func `an endpoint is read`(_ text: String, _ shown: String, _ host: String, _ port: UInt16, _ base: String) throws {
        let endpoint = try Endpoint(parsing: text)
        #expect(endpoint.description == shown)
        #expect(endpoint.host == host && endpoint.port == port && endpoint.base == base)
        #expect(endpoint.repository("a/b") == (base.isEmpty ? "a/b" : "\(base)/a/b"))
        #expect(try Endpoint(parsing: shown) == endpoint)
    }

    @Test(arguments: [
        ("registry.example/base", EndpointError.scheme("registry.example/base")),
        ("ftp://host/x", .scheme("ftp://host/x")), ("", .scheme("")), ("oci:folder", .scheme("oci:folder")),
        ("https://user:pass@host/x", .userInfo("…@host/x")),
        ("https://host/x?y=1", .queryOrFragment("https://host/x?y=1")),
        ("https://host/x#y", .queryOrFragment("https://host/x#y")), ("https:///x", .host("https:///x")),
        ("https://host:0/x", .host("https://host:0/x")), ("https://host:65536/x", .host("https://host:65536/x")),
        ("https://host:/x", .host("https://host:/x")), ("https://ho st/x", .host("https://ho st/x")),
        ("https://[::1/x", .host("https://[::1/x")), ("https://-host/x", .host("https://-host/x")),
        ("https://host/Upper", .path("https://host/Upper")), ("https://host/a//b", .path("https://host/a//b")),
        ("https://host//a", .path("https://host//a")), ("https://host/../a", .path("https://host/../a")),
    ])
    func `what is no endpoint is refused`(_ text: String, _ error: EndpointError) {
        #expect(throws: error) { try Endpoint(parsing: text) }
    }

    @Test(arguments: [
        ("http://localhost:5000", true), ("http://127.0.0.1", true), ("http://127.255.3.4", true),
        ("http://[::1]", true),
        ("http://127.0.0.1.example.com", false), ("http://127.1", false), ("http://127.0.0.256", false),
        ("http://localhost.example", false), ("http://10.0.0.1", false), ("http://[::2]", false),
    ])
    func `loopback is what can't leave the machine`(_ text: String, _ isLoopback: Bool) throws {
        #expect(try Endpoint(parsing: text).isLoopback == isLoopback)
    }

    static let locations: [(String, String?)] = [
        ("/v2/a/blobs/uploads/7", "/v2/a/blobs/uploads/7"),
        ("https://reg.example:30003/v2/a/blobs/uploads/7?_state=x%2F&y", "/v2/a/blobs/uploads/7?_state=x%2F&y"),
        ("HTTPS://REG.example:30003/v2/a", "/v2/a"), ("//reg.example:30003/v2/a", "/v2/a"),
        ("7?s=http://other/", "/v2/a/blobs/uploads/7?s=http://other/"), ("/v2/a?x=/../", "/v2/a?x=/../"),
        ("http://reg.example:30003/v2/a", nil), ("https://reg.example/v2/a", nil),
        ("https://evil.example:30003/v2/a", nil),
        ("https://reg.example:30003@evil.example/v2/a", nil), ("https://u:p@reg.example:30003/v2/a", nil),
        ("https://reg.example:30003.evil.example/v2/a", nil), ("//evil.example/v2/a", nil), ("https:/v2/a", nil),
        ("https:v2/a", nil), ("file:///v2/a", nil), ("///v2/a", nil), ("/v3/a", nil), ("/v2", nil), ("/v2/../x", nil),
        ("/v2/%2E%2e/x", nil), ("/v2/a/./b", nil), ("../../../../../x", nil), ("", nil), ("/v2/a b", nil),
        ("/v2/a#b", nil), ("/v2\\a", nil), ("/v2/a\u{7F}", nil), ("/v2/é", nil), ("https://reg.example:30003", nil),
    ]

    @Test(arguments: locations) func `an upload location stays at the registry`(_ text: String, _ target: String?)
        throws
    {
        let endpoint = try Endpoint(parsing: "https://reg.example:30003/base")
        #expect(Target.uploads("a").resolving(text, at: endpoint)?.text == target)
    }

    @Test func `a digest is added to a location as one more parameter`() {
        #expect(Target("/v2/a").adding("digest", "sha256:0f").text == "/v2/a?digest=sha256%3A0f")
        #expect(Target("/v2/a?s=%2B&").adding("digest", "a b&c").text == "/v2/a?s=%2B&&digest=a%20b%26c")
    }

    static let realms: [(registry: String, realm: String, isTrusted: Bool)] = [
        ("https://reg.example", "https://reg.example/token", true),
        ("https://reg.example", "https://reg.example:8443/t", true),
        ("https://reg.example", "https://auth.example/token?x=y", true),
        ("https://reg.example", "https://AUTH.example:8443/token", true),
        ("https://reg.example", "https://other.example/token", false),
        ("https://reg.example", "https://auth.example.evil.example/token", false),
        ("https://10.0.0.1", "https://10.0.0.1:9/t", true),
        ("https://reg.example", "http://reg.example/token", false),
        ("https://reg.example", "http://auth.example/t", false),
        ("https://reg.example", "https://169.254.169.254/t", false),
        ("https://reg.example", "https://localhost/t", false),
        ("https://reg.example", "https://a.localhost/t", false), ("https://reg.example", "https://[::1]/t", false),
        ("https://reg.example", "https://u@reg.example/t", false),
        ("https://reg.example", "https://reg.example\\@evil/", false),
        ("https://reg.example", "/token", false), ("https://reg.example", "", false),
        ("https://reg.example", "file:///t", false),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/t", true),
        ("http://127.0.0.1:5000", "https://127.0.0.1/t", true),
        ("http://127.0.0.1:5000", "http://auth.example/t", false),
        ("http://127.0.0.1:5000", "https://auth.example/t", true),
        ("http://reg.example", "http://169.254.169.254/t", false),
    ]

    @Test(arguments: realms)
    func `credentials go only to a trusted token service`(_ row: (registry: String, realm: String, isTrusted: Bool))
        throws
    {
        let challenge = Challenge(scheme: "bearer", parameters: ["realm": row.realm])
        let service = TokenService(
            challenge, of: try Endpoint(parsing: row.registry), trusting: ["auth.example"])
        #expect((service != nil) == row.isTrusted)
    }

    @Test(arguments: [
        ("Basic realm=\"zot\"", [Challenge(scheme: "basic", parameters: ["realm": "zot"])]),
        ("basic realm=zot", [Challenge(scheme: "basic", parameters: ["realm": "zot"])]),
        (
            "Bearer Realm=\"https://a/t\",service=\"a, \\\"b\\\"\", scope=\"repository:x:pull,push\"",
            [
                Challenge(
                    scheme: "bearer",
                    parameters: ["realm": "https://a/t", "service": "a, \"b\"", "scope": "repository:x:pull,push"])
            ]
        ),
        (
            "Negotiate, Basic realm=x",
            [Challenge(scheme: "negotiate"), Challenge(scheme: "basic", parameters: ["realm": "x"])]
        ),
        ("Basic realm=\"open", [Challenge(scheme: "basic")]), ("", []), ("=\"x\"", []),
    ])
    func `challenges are read`(_ header: String, _ challenges: [Challenge]) {
        #expect(Challenge.reading(header) == challenges)
    }

    static let bodies: [(String, [Fault])] = [
        (
            #"{"errors":[{"code":"A","message":"b","detail":{"x":1}},{"code":"C"}]}"#,
            [Fault(code: "A", message: "b"), Fault(code: "C", message: "")]
        ),
        (
            #"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"m","detail":"sha256:1"}]}"#,
            [Fault(code: "MANIFEST_BLOB_UNKNOWN", message: "m", detail: "sha256:1")]
        ),
        (#"{"code":"UNAUTHORIZED","message":"no","detail":null}"#, [Fault(code: "UNAUTHORIZED", message: "no")]),
        ("Too Many Requests\n", [Fault(code: "", message: "Too Many Requests")]), ("", []), ("  \r\n", []),
        (#"{"errors":[]}"#, []),
        ("a\u{1B}[31mb\u{0}\n\tc", [Fault(code: "", message: "a [31mb c")]),
        ("see https://x/y?sig=abc&t=1 now", [Fault(code: "", message: "see https://x/y?… now")]),
        (String(repeating: "x", count: 5000), [Fault(code: "", message: String(repeating: "x", count: 300))]),
        ("{\"errors\":", [Fault(code: "", message: "{\"errors\":")]),
    ]

    @Test(arguments: bodies) func `error bodies of every shape are read`(_ body: String, _ faults: [Fault]) {
        #expect(Fault.reading(Array(body.utf8)) == faults)
    }

    @Test func `waits double up to a limit and obey the registry`() {
        let policy = RetryPolicy()
        let rows: [(attempt: Int, asked: Duration?, jitter: Double, wait: Duration)] = [
            (1, nil, 1, .milliseconds(200)), (1, nil, 0, .milliseconds(100)), (2, nil, 1, .milliseconds(400)),
            (4, nil, 1, .milliseconds(1600)), (100, nil, 1, .seconds(10)), (100, nil, 0, .seconds(5)),
            (1, .seconds(9), 1, .seconds(9)), (1, .seconds(290), 0, .seconds(290)),
            (4, .seconds(1), 1, .milliseconds(1600)),
        ]
        for row in rows {
            #expect(policy.delay(after: row.attempt, retryAfter: row.asked, jitter: row.jitter) == row.wait)
        }
    }

    static let dockerLogins: [(String, String, Credentials?)] = [
        (
            "https://reg.example:30003/base", #"{"auths":{"reg.example:30003":{"auth":"dTpwOnE="}}}"#,
            Credentials(username: "u", password: "p:q")
        ),
        (
            "https://reg.example", #"{"auths":{"https://reg.example/v1/":{"auth":"dTpwAA=="}}}"#,
            Credentials(username: "u", password: "p")
        ),
        (
            "https://reg.example", #"{"auths":{"REG.example:443":{"username":"u","password":"p"}}}"#,
            Credentials(username: "u", password: "p")
        ),
        (
            "https://reg.example/a/b", #"{"auths":{"reg.example":{"auth":"dTpw"},"reg.example/a":{"auth":"dTpx"}}}"#,
            Credentials(username: "u", password: "q")
        ),
        ("https://reg.example/ab", #"{"auths":{"reg.example/a":{"auth":"dTpx"}}}"#, nil),
        ("https://reg.example:30003", #"{"auths":{"reg.example":{"auth":"dTpw"}}}"#, nil),
        ("https://reg.example", #"{"auths":{"other.example":{"auth":"dTpw"}},"credsStore":"pass"}"#, nil),
        (
            "https://reg.example", #"{"auths":{"reg.example":{"identitytoken":"t"}}}"#,
            Credentials(username: "<token>", password: "t")
        ),
        ("https://reg.example", #"{"auths":{"reg.example":{}}}"#, nil), ("https://reg.example", "{}", nil),
        ("http://[::1]:5000", #"{"auths":{"[::1]:5000":{"auth":"dTpw"}}}"#, Credentials(username: "u", password: "p")),
    ]

    @Test(arguments: dockerLogins)
    func `a Docker login is found`(_ endpoint: String, _ json: String, _ credentials: Credentials?) throws {
        let found = try DockerConfig.credentials(for: Endpoint(parsing: endpoint), configJSON: Data(json.utf8))
        #expect(found == credentials)
    }

    @Test(arguments: [
        (
            #"{"credHelpers":{"reg.example":"ecr-login"}}"#,
            DockerConfigError.helper("docker-credential-ecr-login", for: "reg.example", why: .notFound)
        ),
        (
            #"{"auths":{"reg.example":{}},"credsStore":"../x"}"#,
            .helper("docker-credential-../x", for: "reg.example", why: .badName)
        ),
        (#"{"auths":{"reg.example":{"registrytoken":"t"}}}"#, .token(for: "reg.example")),
        (#"{"auths":{"reg.example":{"auth":"!"}}}"#, .malformed("reg.example")),
        (#"{"auths":{"reg.example":{"auth":"dXA="}}}"#, .malformed("reg.example")), ("[", .unreadable),
    ])
    func `a Docker login that can't be used is named`(_ json: String, _ error: DockerConfigError) throws {
        let endpoint = try Endpoint(parsing: "https://reg.example")
        #expect(throws: error) { try DockerConfig.credentials(for: endpoint, configJSON: Data(json.utf8)) }
    }
}
