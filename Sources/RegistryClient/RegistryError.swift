// SPDX-License-Identifier: Apache-2.0

package import OCI

/// A request as errors name it: method and URL, without query and user names.
package struct RequestLine: Sendable, Hashable, CustomStringConvertible {
    package let method: String
    package let url: String

    init(_ method: String, _ url: String) {
        self.method = method
        self.url = String(url.prefix { $0 != "?" })
    }

    package var description: String { "\(method) \(url)" }
}

/// Why a registry did not do what was asked. No case holds credentials, tokens or URL queries.
package enum RegistryError: Error, Equatable {
    /// There are credentials, and they would cross a network in clear text. Nothing was sent.
    case credentialsInClear(Endpoint)
    /// No answer came in any attempt.
    case unreachable(RequestLine, reason: String)
    /// 429 or 5xx in every attempt.
    case unavailable(RequestLine, status: Int, faults: [Fault])
    /// 429 or 5xx with a `Retry-After` of more than `RetryPolicy.longestRequestedDelay`.
    case askedToWait(RequestLine, status: Int, seconds: Int64)
    /// TLS failed: the registry's certificate, ours, or the files that hold them.
    case certificate(host: String, reason: String)
    /// An https address whose port speaks no TLS.
    case speaksNoTLS(host: String)
    /// An http address whose port speaks TLS.
    case wantsTLS(host: String)
    /// 401, and no credentials were given.
    case loginRequired(RequestLine)
    /// 401 with the credentials of this user.
    case loginRefused(RequestLine, user: String)
    /// 403: logged in, or anonymous, and not allowed.
    case denied(RequestLine, faults: [Fault])
    /// The registry's disk or quota is full.
    case noSpace(RequestLine, faults: [Fault])
    /// Another 4xx; `Fault.code` says what for.
    case refused(RequestLine, status: Int, faults: [Fault])
    /// A redirect; none is followed.
    case redirected(RequestLine, status: Int)
    /// Another host, to which the registry redirected, answered 4xx each time.
    case redirectRefused(RequestLine, status: Int)
    /// A redirect that leads to an address without TLS, or to none; nothing was sent there.
    case unsafeRedirect(RequestLine)
    /// An upload location or a next page outside the registry; nothing was sent there.
    case foreignLocation(RequestLine)
    /// A token service outside the rule of `TokenService`; nothing was sent there.
    case untrustedTokenService(Endpoint, realm: String)
    /// The registry names another digest than that of the bytes it was sent.
    case otherDigest(RequestLine, expected: Digest, answered: String)
    /// An answer that the distribution specification doesn't allow.
    case malformed(RequestLine, status: Int, missing: String)
    /// A list that has more pages or names than any registry's.
    case listTooLong(RequestLine)
    /// The tag that lists a manifest's referrers holds something else.
    case referrersTagTaken(RequestLine, why: String)
    /// An answer of more than `limit` bytes.
    case answerTooLarge(RequestLine, limit: Int)
    /// The upload's body ended too early; the registry has not got the blob.
    case bodyTooShort(RequestLine, missing: Int64)
    case cancelled
}

extension RegistryError {
    /// What a caller decides by; exit codes come from here.
    package enum Kind: Sendable {
        /// The same again may succeed: network, load.
        case transient
        /// Login, permission or certificate.
        case access
        /// Stopped by our own rule, before a connection.
        case policy
        /// The registry is full.
        case noSpace
        /// The registry refused these bytes or broke the protocol.
        case refusal
        case cancelled
    }

    package var kind: Kind {
        switch self {
        case .unreachable, .unavailable, .askedToWait, .redirectRefused: .transient
        case .speaksNoTLS, .wantsTLS, .certificate, .loginRequired, .loginRefused, .denied, .untrustedTokenService:
            .access
        case .credentialsInClear: .policy
        case .noSpace: .noSpace
        case .refused, .redirected, .unsafeRedirect, .foreignLocation, .otherDigest, .malformed, .answerTooLarge,
            .bodyTooShort,
            .listTooLong, .referrersTagTaken:
            .refusal
        case .cancelled: .cancelled
        }
    }

    /// Whether a blob was refused because its bytes have another digest.
    package var saysOtherBytes: Bool {
        guard case .refused(_, _, let faults) = self else { return false }
        return faults.contains { $0.code == "DIGEST_INVALID" }
    }

    /// Whether a manifest was refused, perhaps because something that it names is not there (any more): Zot doesn't say
    /// which, and says `MANIFEST_INVALID`.
    package var mayLackReferences: Bool {
        guard case .refused(_, _, let faults) = self else { return false }
        return faults.contains { ["MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID"].contains($0.code) }
    }
}

extension RegistryError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .credentialsInClear(let endpoint):
            "\(endpoint) is not encrypted and credentials were given; use https, or --plain-http where the network is trusted"
        case .unreachable(let line, let reason):
            "\(line): no answer (\(reason)); check that the registry runs, then run the same command again"
        case .unavailable(let line, let status, let faults):
            "\(line): the registry answered \(status)\(faults.shown) each time; run the same command again later"
        case .askedToWait(let line, let status, let seconds):
            "\(line): the registry answered \(status) and asks to wait \(seconds) s; run the same command again after that"
        case .certificate(let host, let reason):
            "no trusted connection to \(host): \(reason); check --ca-cert, --client-cert and the registry's certificate"
        case .speaksNoTLS(let host): "\(host): that port speaks no TLS: try http:, or the registry's https port"
        case .wantsTLS(let host): "\(host): that port speaks TLS: use https:"
        case .loginRequired(let line):
            "\(line): the registry wants a login; give --username with --password-file or --password-stdin"
        case .loginRefused(let line, let user):
            "\(line): the registry refused the login of \(user); check the user name and the password"
        case .denied(let line, let faults):
            "\(line): not allowed\(faults.shown); ask the registry's administrator for read, create and update there"
        case .noSpace(let line, let faults):
            "\(line): the registry has no space\(faults.shown); make room there and run the same command again"
        case .refused(let line, let status, let faults): "\(line): the registry answered \(status)\(faults.shown)"
        case .redirected(let line, let status):
            "\(line): the registry answered \(status), a redirect, and none is followed; give the registry's own address"
        case .redirectRefused(let line, let status):
            "\(line): the host that the registry redirects to answered \(status) each time; run the same command again later"
        case .unsafeRedirect(let line):
            "\(line): redirected to an address that is not https, and not followed; give the content's own address"
        case .foreignLocation(let line):
            "\(line): the registry named a location on another host or outside /v2/, and it was not used; "
                + "behind a proxy, set the registry's external address or relative URLs"
        case .untrustedTokenService(let endpoint, let realm):
            "\(endpoint) sends logins to \(realm), which is not trusted for that; where that host is right, name it with --token-host, else check the registry's "
                + "token settings"
        case .otherDigest(let line, let expected, let answered):
            "\(line): the registry stored \(answered), not \(expected); something between here and there changes content"
        case .malformed(let line, let status, let missing):
            "\(line): the answer \(status) is no registry's: \(missing); check the address"
        case .listTooLong(let line): "\(line): the list doesn't end; check the address"
        case .referrersTagTaken(let line, let why):
            "\(line): this tag must list the referrers of its manifest, and \(why); look at it, remove it, and run the same "
                + "command again"
        case .answerTooLarge(let line, let limit): "\(line): the answer has more than \(limit) bytes; check the address"
        case .bodyTooShort(let line, let missing):
            "\(line): the content ended \(missing) bytes early; nothing was stored"
        case .cancelled: "interrupted; the same command again goes on from here"
        }
    }
}

extension [Fault] {
    /// As a sentence's part: ": " and the reasons, or nothing.
    fileprivate var shown: String { isEmpty ? "" : ": " + map(\.description).joined(separator: "; ") }
}
