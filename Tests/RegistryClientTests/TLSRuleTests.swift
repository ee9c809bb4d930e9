// SPDX-License-Identifier: Apache-2.0

import RegistryClient
import Support
import Testing

/// Case 75: what the FIPS profile's connections accept of a server, and what not.
struct TLSRuleTests {
    struct Offer: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let arguments: [String]
        let isTaken: Bool
        /// Whether a connection without the profile takes it: the server does speak.
        var isTakenWithout = true

        init(_ name: String, _ arguments: String, taken: Bool, without: Bool = true) {
            (testDescription, isTaken, isTakenWithout) = (name, taken, without)
            self.arguments = arguments.split(separator: " ").map(String.init)
        }
    }

    static let offers = [
        Offer("TLS 1.3, AES-256-GCM, P-384", "-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -groups P-384", taken: true),
        Offer("TLS 1.3, AES-128-GCM, P-256", "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -groups P-256", taken: true),
        Offer("TLS 1.2, AES-128-GCM", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", taken: true),
        Offer("TLS 1.3, ChaCha20 only", "-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256", taken: false),
        Offer("TLS 1.2, ChaCha20 only", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", taken: false),
        Offer("TLS 1.2, AES-CBC only", "-tls1_2 -cipher ECDHE-ECDSA-AES256-SHA384", taken: false),
        Offer("X25519 only", "-groups X25519", taken: false),
        Offer("P-521 only", "-groups P-521", taken: false),
        Offer("TLS 1.1 only", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", taken: false, without: false),
    ]

    @Test(arguments: offers) func `the FIPS profile takes or refuses`(_ offer: Offer) throws {
        let server = try TLSServer(TLSServer.selfSigned(), offer.arguments)
        var options = RegistryOptions.waiting()
        options.retry.attempts = 1
        options.caCertificate = server.path("server.pem")
        #expect(try takes(server.url, options) == offer.isTakenWithout)
        options.tls = .fips
        #expect(try takes(server.url, options) == offer.isTaken)
    }

    /// Whether the handshake succeeds; its failure is one of access and tells the password to nobody.
    private func takes(_ url: String, _ options: RegistryOptions) throws -> Bool {
        do {
            try connect(url, options).ping()
            return true
        } catch let error as RegistryError {
            #expect(error.kind == .access, "\(error)")
            return false
        }
    }
}
