// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import Synchronization

/// Who may do what: Zot's authentication and its access control.
final class ZotAccess: Sendable {
    enum Identity: Sendable {
        case anonymous, user
    }

    /// Why a request goes no further.
    struct Refused: Error { var answer: HTTPAnswer }

    private struct Token {
        /// `repository:<name>:<action>`
        var scopes: Set<String>
        var end: ContinuousClock.Instant
    }

    private let options: ZotServer.Options
    private let url: String
    private let tokens = Mutex<[String: Token]>([:])

    init(_ options: ZotServer.Options, url: String) { (self.options, self.url) = (options, url) }

    /// Whether a blob of this repository may be given to those who ask in another.
    func mayRead(_ repository: String, _ identity: Identity) -> Bool { options.allows(.read, repository) }

    func identify(
        _ request: HTTPRequest, _ route: ZotRoute, isTag: (String, String) -> Bool
    ) -> Result<Identity, Refused> {
        guard route != .management else { return .success(.anonymous) }
        switch options.auth {
        case .none: return permit(.anonymous, request, route, isTag)
        case .basic(let user, let password, let cost):
            guard let login = request.headers["authorization"] else { return .failure(unauthorized) }
            usleep(UInt32(cost) * 1000)
            guard login == ZotAccess.basic(user, password) else { return .failure(unauthorized) }
            return permit(.user, request, route, isTag)
        case .bearer: return checkToken(request, route)
        }
    }

    // MARK: Basic

    private static func basic(_ user: String, _ password: String) -> String {
        "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    /// One object instead of a list: so Zot's middleware writes it.
    private var unauthorized: Refused {
        var answer = HTTPAnswer(401, [HTTPAnswer.json], body: ZotErrorCode.unauthorized.json([:]))
        answer["WWW-Authenticate"] = #"Basic realm="zot""#
        return Refused(answer: answer)
    }

    private func permit(
        _ identity: Identity, _ request: HTTPRequest, _ route: ZotRoute, _ isTag: (String, String) -> Bool
    ) -> Result<Identity, Refused> {
        guard let repository = route.repository, !options.allows(action(request, route, isTag), repository) else {
            return .success(identity)
        }
        var answer: HTTPAnswer
        switch identity {
        case .anonymous: answer = .error(401, .unauthorized, ["name": repository])
        case .user: answer = .error(403, .denied, ["name": repository])
        }
        answer["WWW-Authenticate"] = #"Basic realm="zot""#
        return .failure(Refused(answer: answer))
    }

    /// Pushing to a tag that exists changes it; until 2.1.15 that didn't count for `latest`.
    private func action(
        _ request: HTTPRequest, _ route: ZotRoute, _ isTag: (String, String) -> Bool
    ) -> ZotServer.Action {
        switch request.method {
        case "GET", "HEAD": return .read
        case "DELETE": return .delete
        default:
            guard case .manifest(let repository, let tag) = route, isTag(repository, tag) else { return .create }
            return tag == "latest" && options.era == .v2_1_2 ? .create : .update
        }
    }

    // MARK: Bearer

    private func checkToken(_ request: HTTPRequest, _ route: ZotRoute) -> Result<Identity, Refused> {
        let isReading = request.method == "GET" || request.method == "HEAD"
        let scope = route.repository.map { "repository:\($0):\(isReading ? "pull" : "push")" }
        let word = request.headers["authorization"].flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil }
        if let token = word.flatMap({ word in tokens.withLock { $0[word] } }), token.end > .now,
            scope.map({ token.scopes.contains($0) }) ?? true
        {
            return .success(.user)
        }
        var challenge = #"Bearer realm="\#(url)/token",service="zot""#
        if let repository = route.repository {
            challenge += #",scope="repository:\#(repository):\#(isReading ? "pull" : "pull,push")""#
        }
        var answer = HTTPAnswer.error(401, .unauthorized)
        answer["WWW-Authenticate"] = challenge
        return .failure(Refused(answer: answer))
    }

    /// The token server: gives what was asked for, as far as it is allowed.
    func token(_ request: HTTPRequest) -> HTTPAnswer {
        guard case .bearer(let user, let password, let lifetime) = options.auth, request.method == "GET" else {
            return .notFound
        }
        if user + password != "", request.headers["authorization"] != ZotAccess.basic(user, password) {
            return HTTPAnswer(401, [HTTPAnswer.json], body: #"{"details":"incorrect username or password"}"#)
        }
        guard request.query("service") == ["zot"] else { return .empty(400) }
        let scopes = request.query("scope").flatMap { $0.split(separator: " ") }.flatMap(granted)
        let word = UUID().uuidString.lowercased()
        let token = Token(scopes: Set(scopes), end: .now + .seconds(lifetime))
        tokens.withLock { $0[word] = token }
        return HTTPAnswer(200, [HTTPAnswer.json], body: #"{"token":"\#(word)","expires_in":\#(lifetime)}"#)
    }

    private func granted(_ scope: Substring) -> [String] {
        let parts = scope.split(separator: ":")
        guard parts.count == 3, parts[0] == "repository" else { return [] }
        return parts[2].split(separator: ",").compactMap { action in
            let needed: ZotServer.Action = action == "pull" ? .read : action == "delete" ? .delete : .create
            return options.allows(needed, String(parts[1])) ? "repository:\(parts[1]):\(action)" : nil
        }
    }
}
