// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Reads logins that `docker login` and `podman login` left in a `config.json` or `auth.json`
/// (docker/cli, "config.json"; containers-auth.json(5)).
package enum DockerConfig {
    /// The credentials for a registry, or `nil` when the file has none for it.
    ///
    /// The longest entry wins that names the host and a front part of the endpoint's path; a login that another program
    /// keeps is asked of `helper`, by the program's short name and the entry's. Throws `DockerConfigError` for a file that
    /// can't be read, and what `helper` throws.
    package static func credentials(
        for endpoint: Endpoint, configJSON bytes: Data,
        helper: Helper = { (name: String, key: String) throws(DockerConfigError) in
            try CredentialHelper.credentials(name, for: key)
        }
    ) throws(DockerConfigError) -> Credentials? {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: bytes)
        } catch {
            throw .unreadable
        }
        let names = keys(of: endpoint)
        for name in names {
            if let program = document.credHelpers?[name] { return try helper(program, name) }
            guard let (key, entry) = document.auths?.first(where: { normalised($0.key) == name }) else { continue }
            return try credentials(of: entry, key, store: document.credsStore, helper)
        }
        return nil
    }

    /// Gives the login that a program keeps under a name.
    package typealias Helper = (_ program: String, _ key: String) throws(DockerConfigError) -> Credentials?

    private struct Document: Decodable {
        var auths: [String: Entry]?
        var credHelpers: [String: String]?
        var credsStore: String?
    }

    private struct Entry: Decodable {
        var auth: String?
        var username: String?
        var password: String?
        var identitytoken: String?
        var registrytoken: String?
    }

    private static func credentials(
        of entry: Entry, _ key: String, store: String?, _ helper: Helper
    ) throws(DockerConfigError) -> Credentials? {
        guard (entry.registrytoken ?? "").isEmpty else { throw .token(for: key) }
        if let token = entry.identitytoken, !token.isEmpty {
            return Credentials(username: Credentials.tokenUser, password: token)
        }
        if let auth = entry.auth, !auth.isEmpty {
            let text = Data(base64Encoded: auth).map { String(decoding: $0, as: UTF8.self) }
            guard let text, let colon = text.firstIndex(of: ":"), colon != text.startIndex else {
                throw .malformed(key)
            }
            // Old Docker versions end the password with NUL bytes.
            let password = text[text.index(after: colon)...].prefix { $0 != "\0" }
            return Credentials(username: String(text[..<colon]), password: String(password))
        }
        if let username = entry.username, !username.isEmpty {
            return Credentials(username: username, password: entry.password ?? "")
        }
        guard let store, !store.isEmpty else { return nil }
        return try helper(store, key)
    }

    // Keys under which a login for the endpoint may stand, the most specific first.
    private static func keys(of endpoint: Endpoint) -> [String] {
        let host = endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host
        let authorities =
            ["\(host):\(endpoint.port)"] + (endpoint.port == endpoint.scheme.defaultPort ? [host] : [])
        let elements = endpoint.base.split(separator: "/")
        return (0...elements.count).reversed().flatMap { count in
            authorities.map { ([$0] + elements.prefix(count).map(String.init)).joined(separator: "/") }
        }
    }

    // Docker also writes `https://host/v1/` for what is `host`.
    private static func normalised(_ key: String) -> String {
        var name = key[...]
        for scheme in ["https://", "http://"] where name.hasPrefix(scheme) { name = name.dropFirst(scheme.count) }
        while name.hasSuffix("/") { name.removeLast() }
        for version in ["/v1", "/v2"] where name.hasSuffix(version) { name = name.dropLast(version.count) }
        let slash = name.firstIndex(of: "/") ?? name.endIndex
        return name[..<slash].lowercased() + name[slash...]
    }
}

/// Why a Docker configuration gave no login.
package enum DockerConfigError: Error, Equatable {
    case unreadable
    /// The entry of this name holds no user name and password.
    case malformed(String)
    /// The login is kept by this program, which didn't give it.
    case helper(String, for: String, why: HelperFault)
    /// The entry holds a registry's token in place of a login.
    case token(for: String)
}

extension DockerConfigError: CustomStringConvertible {
    package var description: String {
        let advice = "give --username with --password-file or --password-stdin"
        return switch self {
        case .unreadable: "the Docker configuration is no readable JSON; \(advice)"
        case .malformed(let name): "the Docker configuration's login for \(name) is damaged; log in again, or \(advice)"
        case .helper(let helper, let name, let why):
            "the login for \(name) is kept by \(helper), which \(why); log in again, or \(advice)"
        case .token(let name): "the login for \(name) is a token, which is not used; \(advice)"
        }
    }
}
