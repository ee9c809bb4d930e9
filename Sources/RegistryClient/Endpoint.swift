// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// Where a registry is and which repositories below it are ours: `https://host:30003/spectro-content`.
///
/// The path is a prefix of repository names, not of URLs: the registry's API always stands at `/v2/` of the host.
package struct Endpoint: Sendable, Hashable {
    /// How the registry is spoken to.
    package enum Scheme: String, Sendable {
        case http, https

        var defaultPort: UInt16 { self == .https ? 443 : 80 }
    }

    package let scheme: Scheme
    /// A name or an address, in lower case; an IPv6 address without its brackets.
    package let host: String
    package let port: UInt16
    /// The prefix of repository names without slashes at its ends; "" for none.
    package let base: String

    /// Reads an address. Throws `EndpointError` for another scheme, user names, queries, fragments, a malformed host or
    /// port, or a path that can't begin a repository name (distribution-spec 1.1, "Pulling manifests").
    package init(parsing text: String) throws(EndpointError) {
        let shown = Endpoint.withoutUserInfo(text)
        guard let mark = text.firstRange(of: "://"),
            let scheme = Scheme(rawValue: text[..<mark.lowerBound].lowercased())
        else { throw .scheme(shown) }
        let rest = text[mark.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard !rest.contains("@") else { throw .userInfo(shown) }
        guard !rest.contains("?"), !rest.contains("#") else { throw .queryOrFragment(shown) }
        guard let authority = Authority(rest[..<slash], defaultPort: scheme.defaultPort) else { throw .host(shown) }
        let base = String(rest[slash...].drop { $0 == "/" }).droppingOneTrailingSlash
        guard base.isEmpty || Reference.isRepository(base), !rest[slash...].hasPrefix("//") else { throw .path(shown) }
        self.scheme = scheme
        (host, port) = (authority.host, authority.port)
        self.base = base
    }

    /// Whether what is sent never leaves this machine: `localhost`, 127.0.0.0/8 and ::1, as written.
    package var isLoopback: Bool {
        guard host != "localhost", host != "::1" else { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Host and port as a URL holds them; the port is left out where it is the scheme's own.
    package var authority: String { port == scheme.defaultPort ? bracketedHost : "\(bracketedHost):\(port)" }

    /// The host as a URL holds it: an IPv6 address in brackets.
    var bracketedHost: String { host.contains(":") ? "[\(host)]" : host }

    /// Scheme, host and port, to which a path beginning with `/` is appended.
    var origin: String { "\(scheme.rawValue)://\(authority)" }

    /// The full name of a repository below the base.
    package func repository(_ name: String) -> String { base.isEmpty ? name : "\(base)/\(name)" }

    private static func withoutUserInfo(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return String(text.prefix(300)) }
        return "…" + text[at...].prefix(300)
    }
}

extension Endpoint: CustomStringConvertible {
    package var description: String { base.isEmpty ? origin : "\(origin)/\(base)" }
}

extension String {
    fileprivate var droppingOneTrailingSlash: String { hasSuffix("/") ? String(dropLast()) : self }
}

/// Host and port of a URL, read strictly.
struct Authority: Equatable {
    let host: String
    let port: UInt16

    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; `nil` for anything else, also for a user name.
    init?(_ text: some StringProtocol, defaultPort: UInt16) {
        var rest = text.lowercased()[...]
        if rest.hasPrefix("[") {
            guard let close = rest.firstIndex(of: "]") else { return nil }
            host = String(rest[rest.index(after: rest.startIndex)..<close])
            guard host.wholeMatch(of: /[0-9a-f:.]{2,45}/) != nil, host.contains(":") else { return nil }
            rest = rest[rest.index(after: close)...]
        } else {
            host = String(rest.prefix { $0 != ":" })
            guard host.utf8.count <= 253, host.wholeMatch(of: /[a-z0-9]([a-z0-9._-]*[a-z0-9])?/) != nil else {
                return nil
            }
            rest = rest.dropFirst(host.count)
        }
        guard !rest.isEmpty else {
            port = defaultPort
            return
        }
        guard rest.wholeMatch(of: /:[0-9]{1,5}/) != nil, let port = UInt16(rest.dropFirst()), port > 0 else {
            return nil
        }
        self.port = port
    }
}

/// Why a text is no registry's address; each case holds the text without user names.
package enum EndpointError: Error, Equatable {
    case scheme(String)
    case userInfo(String)
    case queryOrFragment(String)
    case host(String)
    case path(String)
}

extension EndpointError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .scheme(let text):
            "\"\(text)\" is no registry address; write https://host:port/base or http://host:port/base"
        case .userInfo(let text):
            "the registry address \(text) holds a user name; give it with --username and --password-file"
        case .queryOrFragment(let text): "the registry address \(text) holds a ? or #; write https://host:port/base"
        case .host(let text): "the registry address \(text) has no valid host and port; write https://host:port/base"
        case .path(let text):
            "the path of \(text) can't begin a repository name; use lower-case letters, digits and single . _ - between them"
        }
    }
}
