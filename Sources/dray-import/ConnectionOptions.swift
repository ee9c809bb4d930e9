// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import FoundationEssentials
import Glibc
import Importing
import RegistryClient
import SystemPackage

/// How a registry is spoken to, and as whom.
struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Trust only these authorities.", valueName: "pem file"), completion: .file())
    var caCert: String?

    @Option(help: ArgumentHelp("Show the registry this certificate.", valueName: "pem file"), completion: .file())
    var clientCert: String?

    @Option(help: ArgumentHelp("The key of --client-cert.", valueName: "pem file"), completion: .file())
    var clientKey: String?

    @Option(help: "Log in as this user; needs --password-file or --password-stdin.")
    var username: String?

    @Option(
        help: ArgumentHelp("Read the password from the first line of a file.", valueName: "file"), completion: .file())
    var passwordFile: String?

    @Flag(help: "Read the password from standard input.")
    var passwordStdin = false

    @Option(
        help: ArgumentHelp(
            "Logins as docker login leaves them; $DOCKER_CONFIG/config.json or ~/.docker/config.json unless given.",
            valueName: "file"), completion: .file())
    var dockerConfig: String?

    @Flag(help: "Allow credentials over http: to another machine.")
    var plainHttp = false

    @Option(
        help: ArgumentHelp(
            "Go through this HTTP proxy, https://host:port; none of the environment's is used.", valueName: "url"))
    var proxy: String?

    @Option(
        help: ArgumentHelp(
            "A host beside the registry's own whose token service may get the login, over TLS. May be repeated.",
            valueName: "host"))
    var tokenHost: [String] = []

    /// The options again, for the next command.
    var words: [String] {
        let options = [
            ("--ca-cert", caCert), ("--client-cert", clientCert), ("--client-key", clientKey), ("--username", username),
            ("--password-file", passwordFile), ("--docker-config", dockerConfig), ("--proxy", proxy),
        ]
        let flags = [("--password-stdin", passwordStdin), ("--plain-http", plainHttp)]
        return options.flatMap { name, value in value.map { [name, $0] } ?? [] }
            + tokenHost.flatMap { ["--token-host", $0] } + flags.filter(\.1).map(\.0)
    }

    func validate() throws {
        let hasPassword = passwordFile != nil || passwordStdin
        guard (username != nil) == hasPassword, !(passwordFile != nil && passwordStdin) else {
            throw ValidationError("--username goes with one of --password-file and --password-stdin")
        }
        guard clientKey == nil || clientCert != nil else { throw ValidationError("--client-key needs --client-cert") }
        for host in tokenHost where host.wholeMatch(of: /[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]+/) == nil
        {
            throw ValidationError("--token-host takes a host's name or address alone, \"\(host)\" is something else")
        }
    }

    /// What was given, without a password.
    var access: TargetAccess {
        var access = TargetAccess()
        (access.caCertificate, access.clientCertificate, access.clientKey) = (caCert, clientCert, clientKey)
        (access.username, access.passwordFile, access.dockerConfig) = (username, passwordFile, dockerConfig)
        (access.proxy, access.tokenHosts, access.plainHTTP) = (proxy, tokenHost, plainHttp)
        return access
    }

    /// Options for the registry at `endpoint`; a password is read here and nowhere else.
    func options(_ access: TargetAccess, for endpoint: Endpoint) throws -> RegistryOptions {
        let files = [
            ("--ca-cert", access.caCertificate), ("--client-cert", access.clientCertificate),
            ("--client-key", access.clientKey), ("--password-file", access.passwordFile),
            ("--docker-config", access.dockerConfig),
        ]
        for (option, file) in files { try file?.mustExist(as: option) }
        var options = RegistryOptions.ofSite
        options.caCertificate = access.caCertificate
        options.tokenHostCertificate = access.pinsRegistry ? nil : access.caCertificate
        (options.clientCertificate, options.clientKey) = (access.clientCertificate, access.clientKey)
        (options.plainHTTP, options.tokenHosts) = (access.plainHTTP, access.tokenHosts)
        options.proxy = try access.proxy.map(ConnectionOptions.proxy)
        options.credentials = try credentials(access, for: endpoint)
        options.isCancelled = { Interruption.isRequested }
        return options
    }

    /// Reads a proxy's address.
    static func proxy(_ text: String) throws -> Endpoint {
        let proxy = try Endpoint(parsing: text)
        guard proxy.base.isEmpty else {
            throw UsageError("--proxy takes http://host:port or https://host:port, no path")
        }
        return proxy
    }

    private func credentials(_ access: TargetAccess, for endpoint: Endpoint) throws -> Credentials? {
        if let username = access.username {
            return Credentials(username: username, password: try password(access.passwordFile))
        }
        let file = access.dockerConfig.map { FilePath($0) } ?? ConnectionOptions.standardDockerConfig
        guard try access.dockerConfig != nil || file.exists() else { return nil }
        return try DockerConfig.credentials(for: endpoint, configJSON: Data(file.contents(limit: 1 << 20))) {
            (name: String, key: String) throws(DockerConfigError) in
            try CredentialHelper.credentials(name, for: key) { Interruption.isRequested }
        }
    }

    private func password(_ file: String?) throws -> String {
        guard let file else {
            guard !StandardInput.isTerminal else {
                throw UsageError(
                    "standard input is a terminal, which would show the password: pipe it in, or use --password-file FILE"
                )
            }
            guard let line = StandardInput.line() else { throw UsageError("no password came on standard input") }
            return line
        }
        return try file.firstLine()
    }

    /// Where `docker login` leaves logins.
    static var standardDockerConfig: FilePath {
        let folder = variable("DOCKER_CONFIG").map { FilePath($0) }
        return (folder ?? FilePath(variable("HOME") ?? ".").appending(".docker")).appending("config.json")
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

extension String {
    /// The first line of the file of this name, a secret; at most 64 KiB are read.
    func firstLine() throws -> String {
        let text = String(decoding: try FilePath(self).contents(limit: 64 << 10), as: UTF8.self)
        return String(text.prefix { $0 != "\n" && $0 != "\r\n" })
    }
}

extension RegistryOptions {
    /// The options that every connection begins with: where a FIPS module is in force, TLS uses what it allows.
    static var ofSite: RegistryOptions {
        var options = RegistryOptions()
        if LibCrypto.fipsModule != nil { options.tls = .fips }
        return options
    }
}
