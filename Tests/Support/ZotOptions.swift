// SPDX-License-Identifier: Apache-2.0

extension ZotServer {
    /// How the stand-in is configured; the defaults are those of Zot's Helm chart.
    package struct Options: Sendable {
        /// Blobs are hard-linked between repositories: HEAD and mount find those of others.
        package var dedupe = true
        /// `http.compat: ["docker2s2"]`: Docker manifests are accepted.
        package var docker2s2 = false
        package var era: Era = .v2_1_2
        package var auth: Auth = .none
        /// Who may do what where, by the longest matching prefix; empty allows everything, else no match allows nothing.
        package var permissions: [Permission] = []
        /// How long a whole request may take before it is cut; `nil` is what the era does (2.1.20: 60 s).
        package var requestDeadline: Duration?
        /// Content that nothing refers to goes after this time, without being asked; `nil`: only `collect()` does it.
        package var gcDelay: Duration?
        /// Annotations that every image manifest must carry (`extensions.lint.mandatoryAnnotations`).
        package var mandatoryAnnotations: [String] = []

        package init() {}
    }

    /// The version whose answers are given.
    package enum Era: String, Sendable, CaseIterable {
        case v2_1_2 = "2.1.2"
        case v2_1_20 = "2.1.20"
    }

    /// What clients must show.
    package enum Auth: Sendable {
        case none
        /// One user, and how long checking the password takes, on every request as bcrypt does.
        case basic(user: String, password: String, bcryptCostMilliseconds: Int = 0)
        /// Tokens from `/token` on this server, for which the user and password are asked unless both are empty.
        case bearer(user: String, password: String, lifetimeSeconds: Int = 60)
    }

    /// What a client does to a repository. A push to a tag that exists is an update.
    package enum Action: String, Sendable, CaseIterable {
        case read, create, update, delete
    }

    /// What is allowed in the repositories whose name begins with a prefix.
    package struct Permission: Sendable {
        package var prefix: String
        package var actions: Set<Action>

        package init(_ prefix: String, _ actions: Set<Action>) { (self.prefix, self.actions) = (prefix, actions) }
    }

    /// A request as it came, and what became of it.
    package struct Asked: Sendable {
        package let method: String
        /// Path and query.
        package let target: String
        /// Names in lower case.
        package let headers: [String: String]
        package let kind: Kind
        /// Bytes of the body that were read.
        package internal(set) var bodyCount = 0
        /// The status answered; 0 for none.
        package internal(set) var status = 0

        /// `GET /v2/`
        package var line: String { "\(method) \(target)" }
    }

    /// What a request is about.
    package enum Kind: Sendable, Hashable {
        case base, catalog, tags, referrers, manifest, blob, uploads, session, token, other
    }

    /// Something that goes wrong with a request.
    package enum Fault: Sendable {
        /// The connection breaks after so many bytes of the body; the session is gone then.
        case cutBody(after: Int)
        /// The request is carried out, and the connection closed without an answer.
        case loseAnswer
        /// This answer, and nothing is done.
        case answer(Int, headers: [String: String] = [:], body: String = "")
        /// Everything that nothing refers to is collected first, however young.
        case collectBefore
        /// `Location` is absolute, with a query that the session then insists on.
        case absoluteLocation(query: Bool)
        /// `Range: bytes=0-n`
        case rangePrefix
        /// `Location` leads to another host: this address and then the path.
        case foreignLocation(String)
        /// The blob or manifest is kept with other bytes than came.
        case storeOtherBytes
        /// `Docker-Content-Digest` of the answer is this.
        case claimDigest(String)
        /// The answer takes so much longer.
        case delay(Duration)
        /// A request for a range of a blob is answered with all of it, as some proxies do.
        case ignoreRange
        /// The request is read, and nothing is said until the client hangs up.
        case silence
    }
}

extension ZotServer.Options {
    /// Whether something may be done to a repository.
    func allows(_ action: ZotServer.Action, _ repository: String) -> Bool {
        guard !permissions.isEmpty else { return true }
        let matching = permissions.filter { repository.hasPrefix($0.prefix) }
        return matching.max { $0.prefix.count < $1.prefix.count }?.actions.contains(action) ?? false
    }

    var deadline: Duration? { requestDeadline ?? (era == .v2_1_20 ? .seconds(60) : nil) }
}
