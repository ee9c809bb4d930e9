// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import Glibc
import Mirroring
import SystemPackage

/// How the connected side reaches registries and servers.
struct MirrorConnectionOptions: ParsableArguments {
    @Option(help: "Connections at the same time, 1 to 64.")
    var jobs = 4

    @Option(help: ArgumentHelp("Bytes a second that all downloads together may take, as 20M.", valueName: "size"))
    var limitRate: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Trust only these authorities, also for the proxy; caCert in the manifest is for one registry.",
            valueName: "pem file"), completion: .file())
    var caCert: String?

    @Option(help: ArgumentHelp("Show registries this certificate.", valueName: "pem file"), completion: .file())
    var clientCert: String?

    @Option(help: ArgumentHelp("The key of --client-cert.", valueName: "pem file"), completion: .file())
    var clientKey: String?

    @Option(
        help: ArgumentHelp(
            "The registry (host, or host:port) that the --username and --password-file beside it are for. May be repeated.",
            valueName: "host"))
    var registry: [String] = []

    @Option(help: "Log in as this user, at the --registry of the same place.")
    var username: [String] = []

    @Option(
        help: ArgumentHelp("The password of that user: the first line of a file.", valueName: "file"),
        completion: .file())
    var passwordFile: [String] = []

    @Option(
        help: ArgumentHelp(
            "Logins as docker login leaves them; $DOCKER_CONFIG/config.json or ~/.docker/config.json unless given.",
            valueName: "file"), completion: .file())
    var dockerConfig: String?

    @Option(
        help: ArgumentHelp(
            "Speak HTTP without TLS with this host. Loopback needs no mention. May be repeated.", valueName: "host"))
    var plainHttp: [String] = []

    @Option(
        help: ArgumentHelp(
            "Go through this proxy, http://host:port or https://host:port; none of the environment's is used.",
            valueName: "url"))
    var proxy: String?

    @Option(
        help: ArgumentHelp(
            "A host whose token service may get logins of other hosts' registries, over TLS. May be repeated.",
            valueName: "host"))
    var tokenHost: [String] = []

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
        guard registry.count == username.count, username.count == passwordFile.count else {
            throw ValidationError("--registry, --username and --password-file go together, once for each login")
        }
        guard Set(registry).count == registry.count else { throw ValidationError("one --registry is given twice") }
        guard clientKey == nil || clientCert != nil else { throw ValidationError("--client-key needs --client-cert") }
        guard limitRate.map({ $0.bytes > 0 }) ?? true else { throw ValidationError("--limit-rate takes at least 1") }
    }

    /// What was given; no password is read yet.
    func network() throws -> MirrorNetwork {
        let files = [
            ("--ca-cert", caCert), ("--client-cert", clientCert), ("--client-key", clientKey),
            ("--docker-config", dockerConfig),
        ]
        for (option, file) in files + passwordFile.map({ ("--password-file", Optional($0)) }) {
            guard let file, try !FilePath(file).exists() else { continue }
            throw UsageError("there is no \(file), which \(option) names")
        }
        var network = MirrorNetwork()
        (network.caCert, network.clientCert, network.clientKey) = (caCert, clientCert, clientKey)
        network.dockerConfig = dockerConfig.map { FilePath($0) } ?? MirrorConnectionOptions.standardDockerConfig
        for (index, host) in registry.enumerated() {
            network.logins[host.lowercased()] = (username[index], FilePath(passwordFile[index]))
        }
        network.plainHTTP = Set(plainHttp.map { $0.lowercased() })
        try network.setProxy(proxy)
        network.tokenHosts = tokenHost
        network.limitRate = limitRate.map { Int64(clamping: $0.bytes) }
        network.jobs = jobs
        if LibCrypto.fipsModule != nil { network.limitToFIPS() }
        network.isCancelled = { Interruption.isRequested }
        return network
    }

    private static var standardDockerConfig: FilePath {
        let folder = variable("DOCKER_CONFIG").map { FilePath($0) }
        return (folder ?? FilePath(variable("HOME") ?? ".").appending(".docker")).appending("config.json")
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
