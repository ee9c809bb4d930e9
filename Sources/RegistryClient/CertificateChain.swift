// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// A certificate that a server showed. Nothing about it is checked.
package struct ShownCertificate: Sendable, Hashable {
    /// Printable, as OpenSSL writes names.
    package let subject: String
    package let issuer: String
    /// The end of its life, as OpenSSL writes times: `Nov 22 12:00:00 2026 GMT`.
    package let notAfter: String
    /// The certificate itself: people compare the SHA-256 of these bytes.
    package let der: Data

    /// Whether subject and issuer have the same name; nobody has checked its signature.
    package var isSelfSigned: Bool { subject == issuer }

    /// PEM, as `RegistryOptions.caCertificate` takes it.
    package var pem: String {
        let lines = der.base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return "-----BEGIN CERTIFICATE-----\n\(lines)\n-----END CERTIFICATE-----\n"
    }

    /// Reads what libcurl says: lines of name, colon and value.
    init?(_ lines: [String]) {
        let value = { (name: String) in
            lines.first { $0.hasPrefix(name + ":") }.map { String($0.dropFirst(name.count + 1)) }
        }
        guard let pem = value("Cert"), let der = ShownCertificate.der(pem) else { return nil }
        self.der = der
        subject = Fault.printable(value("Subject") ?? "")
        issuer = Fault.printable(value("Issuer") ?? "")
        notAfter = Fault.printable(value("Expire date") ?? "")
    }

    private static func der(_ pem: String) -> Data? {
        let lines = pem.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }
        let der = Data(base64Encoded: lines.joined())
        return der?.isEmpty == false ? der : nil
    }
}

/// The certificates that a registry shows to anybody.
package enum CertificateChain {
    /// Connects without login, shows no certificate of ours and trusts none: gives what the server shows, its own
    /// certificate first and at most 20, so that a person can compare. Sends no request.
    ///
    /// Throws `wantsTLS` for an `http:` endpoint, `speaksNoTLS`, `unreachable`, and `certificate` where there are none.
    package static func shown(
        by endpoint: Endpoint, _ options: RegistryOptions = RegistryOptions()
    ) throws(RegistryError) -> [ShownCertificate] {
        let request = Request(method: "CONNECT", url: endpoint.origin)
        guard endpoint.scheme == .https else { throw .wantsTLS(host: endpoint.origin) }
        var bare = options
        (bare.credentials, bare.clientCertificate, bare.caCertificate, bare.skipTLSVerify) = (nil, nil, nil, true)
        let registry = try Registry(endpoint, bare)
        var attempts = Attempts(registry)
        while true {
            let lists: [[String]]
            do throws(TransferFailure) {
                lists = try EasyHandle().certificates(of: registry)
            } catch {
                guard case .passing(let failure, let retryAfter) = try error.outcome(request) else {
                    preconditionFailure("a connection alone has no body")
                }
                try attempts.wait(after: failure, retryAfter)
                continue
            }
            let chain = lists.prefix(20).compactMap(ShownCertificate.init)
            guard !chain.isEmpty, chain.count == min(lists.count, 20) else {
                throw .certificate(host: endpoint.origin, reason: "it shows none that can be read")
            }
            return chain
        }
    }
}
