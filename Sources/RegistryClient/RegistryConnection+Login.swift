// SPDX-License-Identifier: Apache-2.0

// How a request gets its `Authorization`, and another one after a 401.
extension RegistryConnection {
    /// What to send at once: nothing until the registry has said how it wants it.
    func currentAuthorization(for scopes: [String]) throws(RegistryError) -> String? {
        switch registry.method {
        case .unknown: nil
        case .basic: registry.basicAuthorization
        case .bearer(let service): try bearer(service, scopes)
        }
    }

    /// What to send after a 401: an answer to the first challenge that we can answer. Throws where there is none, or
    /// where it was answered already.
    func newAuthorization(
        after response: Response, refused: String?, _ request: Request, _ scopes: [String]
    ) throws(RegistryError) -> String {
        for challenge in response.challenges {
            if challenge.scheme == "basic", let basic = registry.basicAuthorization {
                guard refused != basic else { throw refusedLogin(request) }
                registry.method = .basic
                return basic
            }
            guard challenge.scheme == "bearer" else { continue }
            guard let service = TokenService(challenge, of: endpoint, registry.options) else {
                throw .untrustedTokenService(endpoint, realm: RequestLine.shownRealm(challenge))
            }
            if refused != nil { registry.keep(nil, of: service, for: scopes) }
            registry.method = .bearer(service)
            return try bearer(service, scopes)
        }
        throw refusedLogin(request)
    }

    /// What a 401 after a login means: a token that is good, and not for this, is a matter of permission (RFC 6750, 3.1).
    func refusal(of authorization: String?, _ response: Response, _ request: Request) -> RegistryError {
        let lacksScope = response.challenges.contains { $0.parameters["error"] == "insufficient_scope" }
        guard lacksScope, authorization != nil, registry.options.credentials != nil else {
            return refusedLogin(request)
        }
        return .denied(request.line, faults: faults(of: response))
    }

    /// Who was refused, if anybody.
    func refusedLogin(_ request: Request) -> RegistryError {
        guard let user = registry.options.credentials?.username else { return .loginRequired(request.line) }
        return .loginRefused(request.line, user: user)
    }

    private func bearer(_ service: TokenService, _ scopes: [String]) throws(RegistryError) -> String {
        if let token = registry.token(of: service, for: scopes) { return "Bearer " + token.text }
        let token = try fetchToken(service, scopes, orAll: true)
        registry.keep(token, of: service, for: scopes)
        return "Bearer " + token.text
    }

    /// `orAll`: Quay's service answers 400 where `delete` is asked for by name, and knows `*`.
    private func fetchToken(
        _ service: TokenService, _ scopes: [String], orAll: Bool
    ) throws(RegistryError) -> Token {
        let request = tokenRequest(service, scopes)
        let response: Response
        do throws(RegistryError) {
            response = try persistently { () throws(RegistryError) in try answer(to: request) }
        } catch {
            guard orAll, case .refused(_, status: 400, _) = error, scopes.contains(where: \.asksForDeletion) else {
                throw error
            }
            return try fetchToken(service, scopes.map(\.askingForAll), orAll: false)
        }
        guard response.status == 200, let token = Token(reading: response.body) else {
            throw unexpected(response, request, "a token")
        }
        return token
    }

    private func tokenRequest(_ service: TokenService, _ scopes: [String]) -> Request {
        guard let credentials = registry.options.credentials, credentials.isIdentityToken else {
            var request = Request(method: "GET", url: service.url(for: scopes), isOurs: service.isOurs)
            if let basic = registry.basicAuthorization { request.headers.append(("Authorization", basic)) }
            return request
        }
        let form = service.form(for: scopes, credentials.password)
        var request = Request(
            method: "POST", url: service.realm, content: .bytes(Array(form.utf8)), isOurs: service.isOurs)
        request.headers = [("Content-Type", "application/x-www-form-urlencoded")]
        return request
    }

    private func answer(to request: Request) throws(RegistryError) -> Outcome {
        switch transfer(request) {
        case .failure(let failure): return try outcome(of: failure, request)
        case .success(let response):
            guard response.status != 401 else { throw refusedLogin(request) }
            return try outcome(of: response, request)
        }
    }
}

extension RequestLine {
    /// A challenge's realm for a message: without query and user name.
    fileprivate static func shownRealm(_ challenge: Challenge) -> String {
        let realm = Fault.printable(String((challenge.parameters["realm"] ?? "no address").prefix { $0 != "?" }))
        guard let at = realm.lastIndex(of: "@") else { return realm }
        return "…" + realm[at...]
    }
}
