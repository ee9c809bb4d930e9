// SPDX-License-Identifier: Apache-2.0

// On the connected side registries keep blobs, and some their manifests, on other hosts (distribution-spec 1.1,
// "Pulling blobs": a 307 to the content).
extension RegistryConnection {
    /// Redirects of one request; more is a loop.
    private static let mostRedirects = 5

    /// Sends a request and follows its redirects where `RegistryOptions.isOpenNetwork` allows; gives the last answer, and the
    /// request that it answers.
    ///
    /// The login stays with the registry's own scheme, host and port. Throws `unsafeRedirect`, `redirected` for a loop.
    func following(_ request: Request) throws(RegistryError) -> (Result<Response, TransferFailure>, Request) {
        var request = request
        for _ in 0...RegistryConnection.mostRedirects {
            let result = transfer(request)
            guard registry.options.isOpenNetwork, ["GET", "HEAD"].contains(request.method),
                case .success(let response) = result, [301, 302, 303, 307, 308].contains(response.status),
                let location = response.header("location")
            else { return (result, request) }
            guard let address = WebAddress(location, from: request.url), mayFollow(address) else {
                throw .unsafeRedirect(request.line)
            }
            request = redirected(request, to: address)
        }
        throw .redirected(request.line, status: 302)
    }

    private func mayFollow(_ address: WebAddress) -> Bool {
        switch address.endpoint.scheme {
        case .https: true
        case .http:
            endpoint.scheme == .http
                && (registry.options.plainHTTP || endpoint.isLoopback && address.endpoint.isLoopback)
        }
    }

    private func redirected(_ request: Request, to address: WebAddress) -> Request {
        var next = Request(method: request.method, url: address.url)
        (next.headers, next.answerLimit, next.sink) = (request.headers, request.answerLimit, request.sink)
        (next.isCleanUp, next.hidesAnswer, next.answers) = (request.isCleanUp, request.hidesAnswer, request.answers)
        next.isOurs = request.isOurs && address.endpoint.origin == endpoint.origin
        next.isRedirected = !next.isOurs
        if !next.isOurs { next.headers.removeAll { $0.name.lowercased() == "authorization" } }
        return next
    }
}
