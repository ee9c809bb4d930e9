// SPDX-License-Identifier: Apache-2.0

/// A user name and a password or access token. Nothing prints the password.
package struct Credentials: Sendable, Hashable {
    package let username: String
    package let password: String

    /// The user name that marks a password as an identity token (docker-credential-helpers).
    package static let tokenUser = "<token>"

    /// Whether the password is an identity token, which only a token service takes.
    var isIdentityToken: Bool { username == Credentials.tokenUser }

    /// A user name with a colon can't be sent (RFC 7617, section 2); the registry will refuse it.
    package init(username: String, password: String) {
        (self.username, self.password) = (username, password)
    }
}

extension Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "credentials of \(username)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["username": username]) }
}

/// Which algorithms TLS may use, by OpenSSL's names. A server that has none of them is not spoken to.
package struct TLSRules: Sendable, Equatable {
    /// Groups for the key exchange, the preferred one first (SSL_CTX_set1_curves_list(3)).
    package var curves: String
    /// Suites of TLS 1.2 and of TLS 1.3 (openssl-ciphers(1)).
    package var suites12: String
    package var suites13: String

    /// What the FIPS profile allows: ECDHE on P-384 and P-256, AES-GCM.
    package static let fips = TLSRules(
        curves: "P-384:P-256",
        suites12: "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
            + "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
        suites13: "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256")
}

/// How one registry is spoken to.
package struct RegistryOptions: Sendable {
    /// PEM file with the only authorities to trust for the registry's host; `nil` for those of the system.
    package var caCertificate: String?
    /// The same for token services on other hosts.
    package var tokenHostCertificate: String?
    /// PEM file with the certificate (and chain) that this client shows.
    package var clientCertificate: String?
    /// PEM file with the key of `clientCertificate`.
    package var clientKey: String?
    package var credentials: Credentials?
    /// An HTTP proxy that every connection goes through, `http:` or `https:`, without a path; none of the environment's.
    package var proxy: Endpoint?
    /// PEM file with the only authorities to trust for an `https:` proxy's own certificate; `nil` for those of the system.
    package var proxyCertificate: String?
    /// Whether this is the connected side: `GET` and `HEAD` then follow redirects, over TLS and without the login where
    /// they lead to another host, and a token that needs no login may come from any host.
    package var isOpenNetwork = false
    /// Hosts, beside the registry's own, whose token services may get the login, over TLS only.
    package var tokenHosts: [String] = []
    /// Accepts any certificate for any host.
    package var skipTLSVerify = false
    /// What TLS may use; `nil` for libcurl's and libcrypto's choice, TLS 1.2 or newer in any case.
    package var tls: TLSRules?
    /// Allows credentials over `http:` to another machine.
    package var plainHTTP = false
    package var retry = RetryPolicy()
    /// Seconds below the lowest speed after which a transfer is given up; a closing upload gets more (the registry reads
    /// the blob again before it answers).
    package var stallSeconds = 60
    /// Bytes a second that all connections together send of blobs; `nil` for no limit.
    package var limitRate: Int64?
    /// What all downloads wait for, also those of other registries with the same value; `nil` for no limit.
    package var downloadLimit: RateLimit?
    /// How many connections share `limitRate`, at least 1.
    package var connections = 4
    package var upload = UploadRules()
    /// Where upload sessions are kept for another process; `nil` where each session ends with its upload.
    package var journal: UploadJournal?
    /// Seconds that a blob's or manifest's request may still take to end after cancellation, if it looks as if it could.
    package var graceSeconds = 10
    /// Asked during transfers and waits; once true, calls end with `RegistryError.cancelled`, uploads after their grace.
    package var isCancelled: @Sendable () -> Bool = { false }

    package init() {}
    /// Bytes a second that one connection may send, where there is a limit.
    var connectionRate: Int64? { limitRate.map { max($0 / Int64(max(connections, 1)), 1) } }

    /// Bytes a second below which a transfer counts as standing still.
    var lowestSpeed: Int64 { min(1 << 10, connectionRate.map { max($0 / 16, 1) } ?? .max) }
}
