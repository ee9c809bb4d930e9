// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import FoundationEssentials

/// One connection, kept open between requests. Not `Sendable`: each thread asks the registry for its own.
package final class RegistryConnection {
    package let registry: Registry
    private let easy = EasyHandle()
    /// Bytes of a streamed body that the last request sent.
    private(set) var lastBodyBytes: Int64 = 0

    init(_ registry: Registry) { self.registry = registry }

    var endpoint: Endpoint { registry.endpoint }
    var retry: RetryPolicy { registry.options.retry }

    /// Asks whether a registry answers and lets us in. Throws `malformed` where something else answers, and whatever
    /// any request throws: `unreachable`, `certificate`, `loginRequired`, `loginRefused`, ...
    package func ping() throws(RegistryError) {
        var request = self.request("GET", Target("/v2/"))
        let response = try send(request, scopes: [])
        guard response.status == 200 else { throw unexpected(response, request, "an answer 200 to /v2/") }
        // Zot with anonymous reading answers 200 and names its login: try ours now, not in the middle of a load.
        guard registry.method == .unknown, registry.basicAuthorization != nil,
            response.challenges.contains(where: { $0.scheme == "basic" })
        else { return }
        registry.method = .basic
        request = self.request("GET", Target("/v2/"))
        _ = try send(request, scopes: [])
    }

    /// A request to the registry itself.
    func request(_ method: String, _ target: Target, _ content: Request.Content = .none) -> Request {
        Request(method: method, url: endpoint.origin + target.text, content: content)
    }

    /// Sends a request with bytes or none, again while the failure may pass; the answer's status is below 300, or 404.
    func send(_ request: Request, scopes: [String]) throws(RegistryError) -> Response {
        try persistently { () throws(RegistryError) in try attempt(request, scopes: scopes) }
    }

    /// Attempts something that streams no body until there is an answer.
    func persistently(
        atMost limit: Int = .max, _ attempt: () throws(RegistryError) -> Outcome
    ) throws(RegistryError) -> Response {
        var attempts = Attempts(registry, limit: limit)
        while true {
            switch try attempt() {
            case .answer(let response): return response
            case .passing(let error, let retryAfter): try attempts.wait(after: error, retryAfter)
            case .body: preconditionFailure("a request without a stream can't fail to read it")
            }
        }
    }

    /// Sends a request once, or twice when it has to log in first.
    func attempt(_ request: Request, scopes: [String]) throws(RegistryError) -> Outcome {
        try registry.waitForPause()
        var authorization = try currentAuthorization(for: scopes)
        for isLast in [false, true] {
            var authorized = request
            if let authorization { authorized.headers.append(("Authorization", authorization)) }
            let (result, sent) = try following(authorized)
            switch result {
            case .failure(let failure): return try outcome(of: failure, sent)
            case .success(let response) where response.status == 401 && !sent.isRedirected:
                guard !isLast else { throw refusal(of: authorization, response, request) }
                authorization = try newAuthorization(after: response, refused: authorization, request, scopes)
            case .success(let response): return try outcome(of: response, sent)
            }
        }
        throw refusedLogin(request)
    }

    /// Sends a request as it is.
    func transfer(_ request: Request) -> Result<Response, TransferFailure> {
        let transfer: Transfer
        do throws(TransferFailure) {
            transfer = try Transfer(request, registry)
        } catch {
            return .failure(error)
        }
        defer {
            lastBodyBytes = transfer.bodyBytes
            registry.count { $0.add(request, bodyBytes: transfer.bodyBytes) }
        }
        do throws(TransferFailure) {
            let response = try easy.perform(request, transfer, registry.options)
            registry.noteAnswer()
            return .success(response)
        } catch {
            return .failure(error)
        }
    }
}

/// What one attempt came to; what can't pass is thrown.
enum Outcome {
    case answer(Response)
    /// The same again may succeed, after the wait that the registry asked for.
    case passing(RegistryError, retryAfter: Duration?)
    /// The body could not be read.
    case body(any Error)
}

extension Response {
    /// The ways to log in that the answer offers, in order.
    var challenges: [Challenge] { all("www-authenticate").flatMap(Challenge.reading) }
}
