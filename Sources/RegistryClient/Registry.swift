// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Synchronization

/// A registry to talk to: its address, how, and what its connections have learned about logging in.
package final class Registry: Sendable {
    package let endpoint: Endpoint
    package let options: RegistryOptions
    private let login = Mutex(Login())
    private let known = Mutex(Known())
    /// Until when the registry wants no requests (429 with `Retry-After`).
    private let pauseEnd = Mutex<ContinuousClock.Instant?>(nil)
    let rateLimit: RateLimit?

    private struct Login {
        var method = LoginMethod.unknown
        var tokens: [TokenKey: Token] = [:]
        /// Tokens that were given out and replaced since, the newest last.
        var oldTokens: [String] = []
    }

    private struct Known {
        var habits = RegistryHabits()
        var traffic = Traffic()
        var hasAnswered = false
    }

    private struct TokenKey: Hashable {
        let realm: String
        let scopes: [String]
    }

    /// Connects to nothing yet. Throws `credentialsInClear` where credentials would cross a network unencrypted and
    /// `RegistryOptions.plainHTTP` doesn't allow that.
    package init(_ endpoint: Endpoint, _ options: RegistryOptions = RegistryOptions()) throws(RegistryError) {
        let isClear =
            endpoint.scheme == .http && !options.plainHTTP
            && (!endpoint.isLoopback || options.proxy != nil)
        guard options.credentials == nil || !isClear else { throw .credentialsInClear(endpoint) }
        self.endpoint = endpoint
        self.options = options
        rateLimit = options.limitRate.map(RateLimit.init)
    }

    /// A connection for one thread; what any of them learns about logging in, all of them use.
    package func connection() -> RegistryConnection { RegistryConnection(self) }

    /// What the registry was found to take: given by the caller at the start, with what was learned at the end.
    package var habits: RegistryHabits {
        get { known.withLock { $0.habits } }
        set { known.withLock { $0.habits = newValue } }
    }

    /// What was sent so far.
    package var traffic: Traffic { known.withLock { $0.traffic } }

    func learn(_ change: (inout RegistryHabits) -> Void) { known.withLock { change(&$0.habits) } }

    func count(_ change: (inout Traffic) -> Void) { known.withLock { change(&$0.traffic) } }

    /// Whether any answer ever came.
    package var hasAnswered: Bool { known.withLock { $0.hasAnswered } }

    func noteAnswer() { known.withLock { $0.hasAnswered = true } }

    /// Has all connections wait: a registry that limits requests counts them all together. Returns the end of this pause,
    /// for `endPause`.
    @discardableResult
    func pause(for delay: Duration) -> ContinuousClock.Instant {
        let end = ContinuousClock.now + delay
        pauseEnd.withLock { $0 = max($0 ?? end, end) }
        return end
    }

    /// Ends the pause that was to end then; a longer one goes on.
    func endPause(_ end: ContinuousClock.Instant) { pauseEnd.withLock { if $0 == end { $0 = nil } } }

    /// Waits until the registry wants requests again. Throws `cancelled`.
    func waitForPause() throws(RegistryError) {
        while let end = pauseEnd.withLock({ $0 }) {
            guard options.retry.wait(end - .now, unless: options.isCancelled) else { throw .cancelled }
            endPause(end)
        }
    }

    /// How the registry wants requests to be authorised, as far as it has said so.
    var method: LoginMethod {
        get { login.withLock { $0.method } }
        set { login.withLock { $0.method = newValue } }
    }

    /// The `Authorization` value of Basic authentication, where there are a user name and a password.
    var basicAuthorization: String? {
        options.credentials.flatMap { $0.isIdentityToken ? nil : $0 }.map {
            "Basic " + Data("\($0.username):\($0.password)".utf8).base64EncodedString()
        }
    }

    /// A token of exactly these scopes that is good for a while.
    func token(of service: TokenService, for scopes: [String]) -> Token? {
        let token = login.withLock { $0.tokens[TokenKey(realm: service.realm, scopes: scopes)] }
        return token.flatMap { $0.expiry > .now ? $0 : nil }
    }

    /// Keeps a token for all connections; `nil` forgets it.
    func keep(_ token: Token?, of service: TokenService, for scopes: [String]) {
        login.withLock { login in
            let key = TokenKey(realm: service.realm, scopes: scopes)
            let old = login.tokens[key]
            login.tokens[key] = token
            if let old { login.oldTokens = login.oldTokens.suffix(100) + [old.text] }
        }
    }

    /// What must never be shown, longest first: the login in the forms that it is sent in, and the tokens got for it.
    var secrets: [String] {
        var secrets = login.withLock { $0.tokens.values.map(\.text) + $0.oldTokens }
        if let password = options.credentials?.password { secrets += [password, Target.escaped(password)] }
        if let basicAuthorization { secrets.append(String(basicAuthorization.dropFirst("Basic ".count))) }
        return Set(secrets).subtracting([""]).sorted { $0.utf8.count > $1.utf8.count }
    }
}

/// How requests are authorised.
enum LoginMethod: Equatable {
    /// Not asked for yet.
    case unknown
    case basic
    case bearer(TokenService)
}

/// A Bearer token.
struct Token {
    let text: String
    /// When to get another one, some time before the service stops honouring it.
    let expiry: ContinuousClock.Instant

    /// Reads a token service's answer; `nil` if it holds none that can stand in a header.
    init?(reading body: [UInt8]) {
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(body)),
            let text = answer.token ?? answer.access_token, !text.isEmpty,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        self.text = text
        let life = min(max(answer.expires_in ?? 60, 1), 86_400)  // 60 s unless said (token specification)
        expiry = .now + .seconds(life) * 0.75
    }

    private struct Answer: Decodable {
        var token: String?
        var access_token: String?
        var expires_in: Int?
    }
}
