// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
internal import PaletteSources
internal import RegistryClient
internal import Synchronization
internal import SystemPackage

/// The registries and servers that a run asks, each made when it is first needed.
final class Sources: Sendable {
    private let network: MirrorNetwork
    private let hosts: [String: MirrorHost]
    /// Where the manifest's relative paths begin.
    private let folder: FilePath
    private let limit: RateLimit?
    private let known = Mutex<[String: Registry]>([:])
    /// Hosts that never answered: one wait is enough for all that is wanted of them.
    private let silent = Mutex<[String: RegistryError]>([:])

    init(_ network: MirrorNetwork, hosts: [MirrorHost], folder: FilePath) {
        (self.network, self.folder) = (network, folder)
        self.hosts = Dictionary(hosts.map { ($0.host, $0) }) { $1 }
        limit = network.limitRate.map { RateLimit(bytesPerSecond: $0) }
    }

    var jobs: Int { max(network.jobs, 1) }

    /// Requests sent and repeated so far, to all hosts together.
    var traffic: (requests: Int, retries: Int) {
        known.withLock { known in
            known.values.map(\.traffic).reduce((0, 0)) { ($0.0 + $1.requests, $0.1 + $1.retries) }
        }
    }

    /// The registry of a host as references name it. Throws `RegistryError`, `EndpointError`, `DockerConfigError`, `FileError`.
    func registry(_ host: String) throws -> Registry {
        let endpoint = try endpoint(of: host)
        return try registry("registry \(host)", host, endpoint)
    }

    /// The server of an address. Throws what `registry` throws, and `EndpointError.scheme` for plain HTTP where nothing
    /// allows it.
    func server(_ address: WebAddress) throws -> Registry {
        let endpoint = address.endpoint
        guard endpoint.scheme == .https || isPlain(endpoint.authority, endpoint) else {
            throw MirrorError.plainHTTP("\(address)")
        }
        return try registry("server \(endpoint)", endpoint.authority, endpoint)
    }

    private func registry(_ key: String, _ host: String, _ endpoint: Endpoint) throws -> Registry {
        if let error = silent.withLock({ $0[key] }) { throw error }
        if let registry = known.withLock({ $0[key] }) { return registry }
        let made = try Registry(endpoint, options(for: host, endpoint))
        return known.withLock { known in
            if let first = known[key] { return first }
            known[key] = made
            return made
        }
    }

    /// Notes an error of a host: where it can't be reached at all, later requests fail at once.
    func note(_ error: any Error, of host: String) {
        switch error as? RegistryError {
        case .unreachable(let line, let reason): keep(.unreachable(line, reason: reason), host)
        case .certificate(let host, let reason): keep(.certificate(host: host, reason: reason), host)
        default: return
        }
    }

    private func keep(_ error: RegistryError, _ host: String) {
        let key = "registry \(host)"
        guard known.withLock({ $0[key]?.hasAnswered == false }) else { return }
        silent.withLock { $0[key] = error }
    }

    private func isPlain(_ host: String, _ endpoint: Endpoint) -> Bool {
        let said = hosts[host]
        if said?.plainHTTP == true || network.plainHTTP.contains(host) { return true }
        return endpoint.isLoopback && said?.caCert == nil
    }

    private func endpoint(of host: String) throws -> Endpoint {
        if let address = hosts[host]?.address {
            let endpoint = try Endpoint(parsing: address)
            guard endpoint.scheme == .https || isPlain(host, endpoint) else { throw MirrorError.plainHTTP(address) }
            return endpoint
        }
        guard host != SourceRepository.dockerHub else { return try Endpoint(parsing: "https://registry-1.docker.io") }
        let secure = try Endpoint(parsing: "https://\(host)")
        return isPlain(host, secure) ? try Endpoint(parsing: "http://\(host)") : secure
    }

    private func options(for host: String, _ endpoint: Endpoint) throws -> RegistryOptions {
        let said = hosts[host]
        var options = RegistryOptions()
        options.isOpenNetwork = true
        options.caCertificate = said?.caCert.map(path) ?? network.caCert
        (options.tokenHostCertificate, options.proxyCertificate) = (network.caCert, network.caCert)
        options.clientCertificate = said?.clientCert.map(path) ?? network.clientCert
        options.clientKey = said?.clientCert == nil ? network.clientKey : said?.clientKey.map(path)
        options.credentials = try credentials(for: host, endpoint)
        options.plainHTTP = said?.plainHTTP == true || network.plainHTTP.contains(host)
        options.tokenHosts = network.tokenHosts + (said?.tokenHosts ?? [])
        if host == SourceRepository.dockerHub { options.tokenHosts.append("auth.docker.io") }
        (options.proxy, options.tls, options.retry) = (network.proxy, network.tls, network.retry)
        (options.downloadLimit, options.limitRate, options.connections) = (limit, network.limitRate, jobs)
        options.isCancelled = network.isCancelled
        return options
    }

    private func path(_ text: String) -> String { folder.pushing(FilePath(text)).string }

    private func credentials(for host: String, _ endpoint: Endpoint) throws -> Credentials? {
        if let login = network.logins[host] {
            return Credentials(username: login.username, password: try Sources.firstLine(of: login.passwordFile))
        }
        if let said = hosts[host], let username = said.username, let file = said.passwordFile {
            return Credentials(username: username, password: try Sources.firstLine(of: FilePath(path(file))))
        }
        guard let file = network.dockerConfig, try file.exists() else { return nil }
        // Docker keeps the Hub's login under its old address; a proxy cache has a login of its own.
        let isHub = host == SourceRepository.dockerHub && hosts[host]?.address == nil
        let place = isHub ? try Endpoint(parsing: "https://index.docker.io") : endpoint
        return try DockerConfig.credentials(for: place, configJSON: Data(file.contents(limit: 1 << 20))) {
            [network] (name: String, key: String) throws(DockerConfigError) in
            try CredentialHelper.credentials(name, for: key, isCancelled: network.isCancelled)
        }
    }

    private static func firstLine(of file: FilePath) throws -> String {
        let text = String(decoding: try file.contents(limit: 64 << 10), as: UTF8.self)
        return String(text.prefix { $0 != "\n" && $0 != "\r\n" })
    }
}
