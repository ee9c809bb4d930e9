// SPDX-License-Identifier: Apache-2.0

internal import CCurl

// What a failure or an answer means for the caller.
extension RegistryConnection {
    /// Decides about an answer: 404 and everything below 400 is the caller's, the rest is thrown or may pass.
    func outcome(of response: Response, _ request: Request) throws(RegistryError) -> Outcome {
        let status = response.status
        guard !request.answers.contains(status) else { return .answer(response) }
        switch status {
        case 404 where request.isRedirected: break
        case 200..<300, 404: return .answer(response)
        case 300..<400: throw .redirected(request.line, status: status)
        default: break
        }
        guard !Self.wantsTLS(response, request) else { throw .wantsTLS(host: request.host) }
        // A signed address may have run out: the registry gives another one.
        guard !request.isRedirected || status == 429 || status >= 500 else {
            return .passing(.redirectRefused(request.line, status: status), retryAfter: nil)
        }
        let faults = request.isRedirected || request.hidesAnswer ? [] : faults(of: response)
        // A quota of requests is no full disk.
        guard status == 408 || status == 429 || !Self.saysFull(response) else {
            throw .noSpace(request.line, faults: faults)
        }
        switch status {
        case 403: throw .denied(request.line, faults: faults)
        case 408, 429:
            return .passing(
                .unavailable(request.line, status: status, faults: faults), retryAfter: response.retryAfter)
        case 500... where !Self.isFinal(faults):
            return .passing(
                .unavailable(request.line, status: status, faults: faults), retryAfter: response.retryAfter)
        default: throw .refused(request.line, status: status, faults: faults)
        }
    }

    /// Decides about a transfer without an answer.
    func outcome(of failure: TransferFailure, _ request: Request) throws(RegistryError) -> Outcome {
        try failure.outcome(request)
    }

    /// An answer that is none of those the specification gives.
    func unexpected(_ response: Response, _ request: Request, _ missing: String) -> RegistryError {
        .malformed(request.line, status: response.status, missing: missing)
    }

    // What Go's and nginx's TLS ports answer to plain HTTP.
    private static func wantsTLS(_ response: Response, _ request: Request) -> Bool {
        guard response.status == 400, request.line.url.hasPrefix("http:") else { return false }
        let text = String(decoding: response.body.prefix(2000), as: UTF8.self)
        return ["HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port"].contains { text.contains($0) }
    }

    // Docker's registry passes the system's error number on (28 no space, 122 quota); others write a sentence.
    static func saysFull(_ response: Response) -> Bool {
        guard response.status != 507 else { return true }
        let text = String(decoding: response.body, as: UTF8.self).lowercased()
        return ["no space left", "disk quota", "storage quota", "quota exceeded", "exceed the configured upper limit"]
            .contains { text.contains($0) } || text.firstMatch(of: /"err":\s*(28|122)\b/) != nil
    }

    // Docker's registry answers 500 to a manifest whose foreign layer it lacks; no repetition changes that.
    private static func isFinal(_ faults: [Fault]) -> Bool {
        faults.contains { ["MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "DIGEST_INVALID"].contains($0.code) }
    }

    /// The reasons that an answer gives.
    func faults(of response: Response) -> [Fault] { Fault.reading(response.body, hiding: registry.secrets) }
}

extension Request {
    /// Scheme, host and port, for messages about the connection.
    var host: String {
        let parts = line.url.split(separator: "/", maxSplits: 2)
        return parts.prefix(2).joined(separator: "//")
    }
}

extension TransferFailure {
    /// Decides about a transfer without an answer: what may pass is returned, the rest thrown.
    func outcome(_ request: Request) throws(RegistryError) -> Outcome {
        switch self {
        case .cancelled: throw .cancelled
        case .tooLarge: throw .answerTooLarge(request.line, limit: request.answerLimit)
        case .bodyTooShort(let missing): throw .bodyTooShort(request.line, missing: missing)
        case .body(let error): return .body(error)
        case .transport(_, let reason) where TransferFailure.speaksNoTLS(reason): throw .speaksNoTLS(host: request.host)
        case .transport(let code, let reason):
            guard TransferFailure.isCertificateProblem(code, reason) else {
                return .passing(.unreachable(request.line, reason: reason), retryAfter: nil)
            }
            throw .certificate(host: request.host, reason: reason)
        }
    }

    // OpenSSL's words for an answer that is no TLS at all.
    private static func speaksNoTLS(_ reason: String) -> Bool {
        ["wrong version number", "packet length too long", "record layer failure"].contains { reason.contains($0) }
    }

    private static func isCertificateProblem(_ code: CURLcode, _ reason: String) -> Bool {
        switch code {
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CIPHER:
            true
        // A handshake also ends this way when the registry goes down in the middle of it.
        case CURLE_SSL_CONNECT_ERROR:
            !["reset", "SSL_ERROR_SYSCALL", "unexpected eof", "Broken pipe", "timeout"].contains { reason.contains($0) }
        // TLS 1.3 refuses a missing client certificate only after the handshake.
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR: reason.contains("alert")
        default: false
        }
    }
}
