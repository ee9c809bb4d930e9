// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import CommandLineSupport
import Files
import Importing
import RegistryClient
import Trust

/// Says of a certificate that wasn't trusted what was trusted in its place, and who issued it.
struct CertificateAdvice {
    /// Who says whom to trust.
    enum Source {
        case file(String)
        case system
        /// What `target add` kept.
        case target(SavedTarget)
    }

    let endpoint: Endpoint
    let source: Source
    let state: StateOptions
    var proxy: Endpoint?

    /// The error with more, or `nil` where there is nothing to add: other errors, other hosts.
    func explained(_ error: RegistryError) -> ExplainedError? {
        guard case .certificate(let host, let reason) = error, host == "\(endpoint.scheme)://\(endpoint.authority)"
        else {
            return nil
        }
        if reason.contains("expired") {
            let end = chain.first { $0.isExpired(at: .now) }.map { " (\($0.subject) was valid until \($0.notAfter))" }
            return ExplainedError(
                error,
                "the certificate of \(host) has EXPIRED\(end ?? ""); its administrator has to renew it. If it hasn't, "
                    + "the clock of this machine is wrong")
        }
        // OpenSSL's words for a chain that ends at nobody who is trusted (X509_verify_cert_error_string).
        let isUntrusted = ["local issuer", "self-signed", "self signed", "first certificate", "issuer certificate"]
            .contains { reason.contains($0) }
        return isUntrusted ? untrusted(error, host) : nil
    }

    private func untrusted(_ error: RegistryError, _ host: String) -> ExplainedError {
        let add = ["dray-import", "target", "add"]
        switch source {
        case .file(let file):
            return ExplainedError(
                error,
                "the certificate of \(host) isn't signed by any authority in \(file.printable)\(issuer); give the "
                    + "certificate of that authority with --ca-cert FILE")
        case .system:
            return ExplainedError(
                error,
                "the certificate of \(host) isn't signed by any authority that this system trusts\(issuer); give that "
                    + "authority with --ca-cert FILE, or compare the certificate and keep it under a NAME with",
                command: add + ["NAME", endpoint.description] + state.words)
        case .target(let target):
            return ExplainedError(
                error,
                "the certificate of \(host) isn't "
                    + (target.pinsServer ? "the one" : "signed by the authority")
                    + " that the target \(target.name) trusts\(issuer). Ask the registry's administrator whether it was "
                    + "changed. If so, forget the target and add it again:",
                command: ["dray-import", "target", "remove", target.name] + state.words,
                add + [target.name, target.address] + target.access.words + state.words)
        }
    }

    /// Who signed the topmost certificate that is shown, as far as one is.
    private var issuer: String {
        guard let top = chain.last else { return "" }
        return top.isSelfSigned ? "; it is signed by itself (\(top.subject))" : "; it was issued by \(top.issuer)"
    }

    /// What the registry shows; nothing where it can't be asked any more, which is not what failed.
    private var chain: [ShownCertificate] {
        var options = RegistryOptions.ofSite
        options.proxy = proxy
        options.retry.attempts = 1
        options.isCancelled = { Interruption.isRequested }
        do { return try CertificateChain.shown(by: endpoint, options) } catch { return [] }
    }
}

extension TargetAccess {
    /// The options that `target add` was given, but for whom to trust.
    fileprivate var words: [String] {
        let options = [
            ("--client-cert", clientCertificate), ("--client-key", clientKey), ("--username", username),
            ("--password-file", passwordFile), ("--docker-config", dockerConfig), ("--proxy", proxy),
            ("--gc-delay", gcDelay.map { "\($0)" }),
        ]
        return options.flatMap { name, value in value.map { [name, $0] } ?? [] }
            + tokenHosts.flatMap { ["--token-host", $0] } + (plainHTTP ? ["--plain-http"] : [])
    }
}
