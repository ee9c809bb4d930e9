// SPDX-License-Identifier: Apache-2.0

/// A path and query below `/v2/` of the registry that we were told to use, and of no other.
struct Target: Equatable, Sendable {
    /// Path and query, as sent.
    let text: String

    init(_ text: String) { self.text = text }

    /// Without the query, which may hold secrets of the registry: for messages.
    var path: String { String(text.prefix { $0 != "?" }) }

    /// The same with one more query parameter; what is there stays as it is, in order (distribution-spec 1.1, "Pushing
    /// blobs": a location's parameters may be critical).
    func adding(_ name: String, _ value: String) -> Target {
        Target(text + (text.contains("?") ? "&" : "?") + name + "=" + Target.escaped(value))
    }

    /// The upload location that a registry answered to a request for `self` (RFC 3986, section 5).
    ///
    /// It must stand at the same scheme, host and port and below `/v2/`, without user name, fragment or dot segments:
    /// anything else could carry the credentials elsewhere (CVE-2026-50151 in oras-go). `nil` where it is refused.
    func resolving(_ location: String, at endpoint: Endpoint) -> Target? {
        guard !location.isEmpty, location.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C && $0 != 0x23 }) else {
            return nil
        }
        guard let relative = Target.local(location, at: endpoint) else { return nil }
        let folder = path.prefix(through: path.lastIndex(of: "/") ?? path.startIndex)
        let target = Target((relative.hasPrefix("/") ? "" : String(folder)) + String(relative))
        let segments = target.path.lowercased().split(separator: "/", omittingEmptySubsequences: false)
        let isPlain = segments.allSatisfy { !["..", "."].contains($0.replacing("%2e", with: ".")) }
        return isPlain && target.path.hasPrefix("/v2/") ? target : nil
    }

    // The location without scheme and authority, provided that they are ours.
    private static func local(_ location: String, at endpoint: Endpoint) -> Substring? {
        var rest = location[...]
        let colon = rest.prefix { $0 != "/" && $0 != "?" }.firstIndex(of: ":")
        if let colon {
            guard rest[..<colon].lowercased() == endpoint.scheme.rawValue else { return nil }
            rest = rest[rest.index(after: colon)...]
            guard rest.hasPrefix("//") else { return nil }
        }
        guard rest.hasPrefix("//") else { return rest }
        let authority = rest.dropFirst(2).prefix { $0 != "/" && $0 != "?" }
        let ours = Authority(endpoint.authority, defaultPort: endpoint.port)
        guard let theirs = Authority(authority, defaultPort: endpoint.scheme.defaultPort), theirs == ours else {
            return nil
        }
        rest = rest.dropFirst(2 + authority.count)
        return rest.hasPrefix("/") ? rest : nil
    }

    /// Everything but letters, digits and `-._~/` as `%XX`.
    static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F, 0x7E:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }
}
