// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import RegistryClient
import Support
import SystemPackage
import Testing

/// Logins that other programs keep.
@Suite(.serialized) struct HelperTests {
    private let shell = Shell()
    private let name = "drytest\(UInt32.random(in: 0...UInt32.max))"

    /// A helper of this script in a folder that is in PATH while `body` runs.
    private func with<Value>(_ script: String, _ body: () throws -> Value) throws -> Value {
        let file = "docker-credential-\(name)"
        try shell.write(Array("#!/bin/sh\n\(script)\n".utf8), file)
        #expect(shell.run("chmod 755 \(file)"))
        let path = unsafe String(cString: getenv("PATH"))
        unsafe setenv("PATH", "relative:\(shell.folder.path.string):\(path)", 1)
        unsafe setenv("DRAY_TEST_SECRET", "not for helpers", 1)
        defer {
            unsafe setenv("PATH", path, 1)
            unsafe unsetenv("DRAY_TEST_SECRET")
        }
        return try body()
    }

    private func login() throws -> Credentials? {
        let json = #"{"auths":{"https://reg.example/v1/":{}},"credsStore":"\#(name)"}"#
        return try DockerConfig.credentials(for: Endpoint(parsing: "https://reg.example"), configJSON: Data(json.utf8))
    }

    @Test func `a helper is asked by the entry's name, without our environment`() throws {
        let script = """
            read -r server
            env > \(shell.folder.path.string)/env
            printf '{"ServerURL":"%s","Username":"%s %s","Secret":"p"}' "$server" "$server" "$1"
            """
        let found = try with(script, login)
        #expect(found == Credentials(username: "https://reg.example/v1/ get", password: "p"))
        let environment = String(decoding: try shell.read("env"), as: UTF8.self)
        #expect(environment.contains("PATH=") && !environment.contains("DRAY_TEST_SECRET"))
    }

    @Test func `a helper that has no login is no error`() throws {
        #expect(try with("echo 'credentials not found in native keychain'; exit 1", login) == nil)
    }

    @Test(arguments: [
        ("echo s3cret; echo s3cret >&2; exit 3", HelperFault.failed(status: 3)), ("echo s3cret", .unreadable),
        ("exec yes s3cret", .tooMuch),
    ])
    func `a helper that fails is named without what it printed`(_ script: String, _ why: HelperFault) throws {
        let error = #expect(throws: DockerConfigError.self) { try with(script, login) }
        #expect(error == .helper("docker-credential-\(name)", for: "https://reg.example/v1/", why: why))
        #expect(error.map { "\($0)".contains("s3cret") } == false)
    }

    @Test(arguments: ["exec yes", "exec sleep 100"])
    func `a helper ends with the command that asked it`(_ script: String) throws {
        let asked = Counter()
        let begin = ContinuousClock.now
        let error = #expect(throws: DockerConfigError.self) {
            try with("echo $$ > \(shell.folder.path.string)/pid; \(script)") {
                try CredentialHelper.credentials(name, for: "reg.example") {
                    asked.add()
                    return asked.count > 2
                }
            }
        }
        #expect(error == .helper("docker-credential-\(name)", for: "reg.example", why: .interrupted))
        #expect(ContinuousClock.now - begin < .seconds(20))
        let group = String(decoding: try shell.read("pid"), as: UTF8.self).prefix { $0.isNumber }
        #expect(shell.run("for i in $(seq 40); do pgrep -g \(group) -r R,S,D || exit 0; sleep 0.05; done; exit 1"))
    }

    @Test func `an identity token goes to the token service alone, in a form`() throws {
        let server = ScriptedServer { asked in
            guard asked.target != "/token" else { return .answer(200, [:], #"{"access_token":"t1"}"#) }
            guard asked.headers["authorization"] == nil else { return .answer(200) }
            let realm = "Bearer realm=\"http://\(asked.headers["host"] ?? "")/token\",service=\"my reg\""
            return .answer(401, ["WWW-Authenticate": realm])
        }
        var options = RegistryOptions.waiting()
        options.credentials = Credentials(username: Credentials.tokenUser, password: "s3cret/&")
        try connect(server.url, options).ping()
        #expect(server.lines == ["GET /v2/", "POST /token", "GET /v2/"])
        let form = String(decoding: server.asked[1].body, as: UTF8.self)
        #expect(
            form == "grant_type=refresh_token&client_id=dray&refresh_token=s3cret/%26&service=my%20reg&scope=")
        #expect(server.asked.map { $0.headers["authorization"] } == [nil, nil, "Bearer t1"])
    }

    @Test func `an identity token is never sent as a password`() throws {
        let server = ScriptedServer { _ in .answer(401, ["WWW-Authenticate": "Basic realm=x"]) }
        var options = RegistryOptions.waiting()
        options.credentials = Credentials(username: Credentials.tokenUser, password: "s3cret")
        let error = #expect(throws: RegistryError.self) { try connect(server.url, options).ping() }
        #expect(error?.kind == .access)
        #expect(server.asked.allSatisfy { $0.headers["authorization"] == nil })
    }
}
