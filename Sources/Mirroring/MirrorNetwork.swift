// SPDX-License-Identifier: Apache-2.0

package import RegistryClient
package import SystemPackage

/// How the connected side reaches registries and servers, for all of them; a manifest's `registries` say more of one.
package struct MirrorNetwork: Sendable {
    /// PEM file with the only authorities to trust, the proxy's included; `nil` for those of the system.
    package var caCert: String?
    package var clientCert: String?
    package var clientKey: String?
    /// A Docker configuration with logins, read for each host when it is first asked.
    package var dockerConfig: FilePath?
    /// Logins by host: a user name, and the file whose first line is the password.
    package var logins: [String: (username: String, passwordFile: FilePath)] = [:]
    /// Hosts for which HTTP without TLS is right. Loopback needs no mention.
    package var plainHTTP: Set<String> = []
    package var proxy: Endpoint?
    /// Hosts whose token services may get a login of any registry, over TLS.
    package var tokenHosts: [String] = []
    /// Bytes a second that all downloads together take; `nil` for no limit.
    package var limitRate: Int64?
    /// Connections at the same time, at least 1.
    package var jobs = 4
    /// What TLS may use; `nil` for the libraries' choice.
    package var tls: TLSRules?
    package var retry = RetryPolicy()
    package var isCancelled: @Sendable () -> Bool = { false }

    package init() {}

    /// Goes through the proxy at an address, where there is one. Throws `EndpointError`, also for an address with a path.
    package mutating func setProxy(_ address: String?) throws(EndpointError) {
        guard let address else { return }
        let endpoint = try Endpoint(parsing: address)
        guard endpoint.base.isEmpty else { throw .path(address) }
        proxy = endpoint
    }

    /// Lets TLS use only what the FIPS profile allows.
    package mutating func limitToFIPS() { tls = .fips }
}
