// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// A JSON API over HTTPS that is no registry's: one address, one secret header, small answers, no redirects.
/// Used by one thread at a time.
package final class WebService {
    /// What came back.
    package struct Answer: Sendable {
        /// 200 to 299 or 400 to 499, but for 408 and 429.
        package let status: Int
        /// At most the limit of `init`.
        package let body: Data
    }

    private let endpoint: Endpoint
    private let registry: Registry
    private let secret: (name: String, value: String)
    private let limit: Int
    private let easy = EasyHandle()

    /// Connects to nothing yet. `secret` is a header that authorises every request; `options` say how to connect, and
    /// their credentials are not used. `limit` is in bytes, of one answer.
    ///
    /// Throws `credentialsInClear` where the secret would cross a network unencrypted and `RegistryOptions.plainHTTP`
    /// doesn't allow that.
    package init(
        _ endpoint: Endpoint, _ options: RegistryOptions, secret: (name: String, value: String), limit: Int = 4 << 20
    ) throws(RegistryError) {
        guard endpoint.scheme == .https || options.plainHTTP || endpoint.isLoopback && options.proxy == nil else {
            throw .credentialsInClear(endpoint)
        }
        var bare = options
        bare.credentials = nil
        registry = try Registry(endpoint, bare)
        (self.endpoint, self.secret, self.limit) = (endpoint, secret, limit)
    }

    /// Asks for `path`, which begins with `/` and is appended to the address; again while the failure may pass.
    ///
    /// Throws `RegistryError`: `unreachable`, `unavailable` (429 and 5xx each time), `certificate`, `redirected`,
    /// `answerTooLarge`, `cancelled`.
    package func get(_ path: String) throws(RegistryError) -> Answer { try send("GET", path, .none) }

    /// Sends a JSON body to `path`, as `get`. What it asks for must be harmless twice: a lost answer is asked for again.
    package func post(_ path: String, json: Data) throws(RegistryError) -> Answer {
        try send("POST", path, .bytes([UInt8](json)))
    }

    private func send(
        _ method: String, _ path: String, _ content: Request.Content
    ) throws(RegistryError) -> Answer {
        let prefix = endpoint.base.isEmpty ? "" : "/" + endpoint.base
        var request = Request(method: method, url: endpoint.origin + prefix + path, content: content)
        request.headers = [("Accept", "application/json"), secret]
        if case .bytes = content { request.headers.append(("Content-Type", "application/json")) }
        request.answerLimit = limit
        var attempts = Attempts(registry)
        while true {
            switch try attempt(request) {
            case .answer(let response): return Answer(status: response.status, body: Data(response.body))
            case .passing(let error, let retryAfter): try attempts.wait(after: error, retryAfter)
            case .body: preconditionFailure("a request without a stream can't fail to read it")
            }
        }
    }

    private func attempt(_ request: Request) throws(RegistryError) -> Outcome {
        let response: Response
        do throws(TransferFailure) {
            response = try easy.perform(request, Transfer(request, registry), registry.options)
        } catch {
            return try error.outcome(request)
        }
        registry.noteAnswer()
        switch response.status {
        case 300..<400: throw .redirected(request.line, status: response.status)
        case 408, 429, 500...:
            // Without its text: a server may repeat the secret.
            return .passing(
                .unavailable(request.line, status: response.status, faults: []), retryAfter: response.retryAfter)
        default: return .answer(response)
        }
    }
}
