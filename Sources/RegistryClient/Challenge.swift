// SPDX-License-Identifier: Apache-2.0

/// One way to log in that a 401 offers (RFC 9110, section 11.3).
struct Challenge: Equatable {
    /// In lower case: `basic`, `bearer`.
    let scheme: String
    /// Names in lower case.
    var parameters: [String: String] = [:]

    /// The challenges of one `WWW-Authenticate` value, in order; what can't be read ends the list.
    static func reading(_ header: String) -> [Challenge] {
        var challenges: [Challenge] = []
        var rest = header[...]
        while let word = rest.takeWord() {
            if rest.first == "=", !challenges.isEmpty {
                rest.removeFirst()
                guard let value = rest.takeValue() else { break }
                challenges[challenges.count - 1].parameters[word.lowercased()] = value
            } else {
                challenges.append(Challenge(scheme: word.lowercased()))
            }
        }
        return challenges
    }
}

extension Substring {
    /// Takes a token, and the blanks and commas before it.
    fileprivate mutating func takeWord() -> String? {
        self = drop { $0 == " " || $0 == "," || $0 == "\t" }
        let word = prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "!#$%&'*+-.^_`|~".contains($0)) }
        self = dropFirst(word.count)
        return word.isEmpty ? nil : String(word)
    }

    /// Takes a token or a quoted string.
    fileprivate mutating func takeValue() -> String? {
        guard first == "\"" else { return takeWord() }
        removeFirst()
        var value = ""
        while let character = popFirst() {
            if character == "\"" { return value }
            guard character == "\\" else {
                value.append(character)
                continue
            }
            guard let escaped = popFirst() else { return nil }
            value.append(escaped)
        }
        return nil
    }
}

/// Where tokens for a registry come from (distribution, "Token Authentication Specification").
///
/// The rule for whom credentials are sent to: the registry's own host, in any port but never from TLS to plain HTTP, and
/// the hosts that the user named for it (`RegistryOptions.tokenHosts`), over TLS. Never with a user name in the URL.
struct TokenService: Equatable, Sendable {
    /// The URL as given.
    let realm: String
    let service: String?
    /// Whether it is the registry's own host, which may see our client certificate.
    let isOurs: Bool

    /// Takes a Bearer challenge of the registry at `endpoint`; on the connected side, without a login, from any host.
    init?(_ challenge: Challenge, of endpoint: Endpoint, _ options: RegistryOptions) {
        let takesAny = options.isOpenNetwork && options.credentials == nil
        self.init(challenge, of: endpoint, trusting: options.tokenHosts, orAnyHost: takesAny)
    }

    /// Takes a Bearer challenge of the registry at `endpoint`; `nil` where the rule forbids it.
    init?(
        _ challenge: Challenge, of endpoint: Endpoint, trusting tokenHosts: [String] = [], orAnyHost: Bool = false
    ) {
        guard let realm = challenge.parameters["realm"], realm.utf8.count <= 2000,
            realm.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C && $0 != 0x23 }),
            let mark = realm.firstRange(of: "://"),
            let scheme = Endpoint.Scheme(rawValue: realm[..<mark.lowerBound].lowercased())
        else { return nil }
        let authority = realm[mark.upperBound...].prefix { $0 != "/" && $0 != "?" }
        guard let host = Authority(authority, defaultPort: scheme.defaultPort) else { return nil }
        isOurs = host.host == endpoint.host
        let isNamed = orAnyHost || tokenHosts.contains { $0.lowercased() == host.host }
        guard isOurs ? scheme == .https || endpoint.scheme == .http : isNamed && scheme == .https else { return nil }
        self.realm = realm
        service = challenge.parameters["service"]
    }

    /// The form that asks for a token with an identity token (distribution, "OAuth2 Token Authentication").
    func form(for scopes: [String], _ identityToken: String) -> String {
        let fields =
            [("grant_type", "refresh_token"), ("client_id", "dray"), ("refresh_token", identityToken)]
            + (service.map { [("service", $0)] } ?? []) + [("scope", scopes.joined(separator: " "))]
        return fields.map { "\($0)=\(Target.escaped($1))" }.joined(separator: "&")
    }

    /// The URL that asks for a token of these scopes, each in a parameter of its own.
    func url(for scopes: [String]) -> String {
        let parameters =
            [service.map { "service=" + Target.escaped($0) }] + scopes.map { "scope=" + Target.escaped($0) }
        let query = parameters.compactMap { $0 }.joined(separator: "&")
        return query.isEmpty ? realm : realm + (realm.contains("?") ? "&" : "?") + query
    }
}
