// SPDX-License-Identifier: Apache-2.0

internal import RegistryClient
internal import Trust

/// How a registry is reached, as the command line gives it and a target keeps it. Never a password: only where it is.
package struct TargetAccess: Sendable, Equatable {
    /// PEM files, as `RegistryOptions` has them.
    package var caCertificate: String?
    /// Whether `caCertificate` was shown by the registry and compared, so that it says nothing of other hosts.
    package var pinsRegistry = false
    package var clientCertificate: String?
    package var clientKey: String?
    package var username: String?
    /// The file whose first line is the password of `username`.
    package var passwordFile: String?
    /// A Docker configuration that has the login, or names the program that has it.
    package var dockerConfig: String?
    /// The proxy's address.
    package var proxy: String?
    package var tokenHosts: [String] = []
    package var plainHTTP = false
    /// Seconds after which the registry collects what nothing names.
    package var gcDelay: Int?
    /// Rules of `RegistryMapping`.
    package var map: [String] = []
    /// Bytes that the registry's storage holds in all.
    package var capacity: UInt64?

    package init() {}

    /// These settings, and for each that isn't given that of `saved`. A login is taken whole from one of them.
    package func over(_ saved: TargetAccess) -> TargetAccess {
        var all = self
        if caCertificate == nil { (all.caCertificate, all.pinsRegistry) = (saved.caCertificate, saved.pinsRegistry) }
        if clientCertificate == nil {
            (all.clientCertificate, all.clientKey) = (saved.clientCertificate, saved.clientKey)
        }
        if username == nil && dockerConfig == nil {
            (all.username, all.passwordFile) = (saved.username, saved.passwordFile)
            all.dockerConfig = saved.dockerConfig
        }
        all.proxy = proxy ?? saved.proxy
        all.tokenHosts = tokenHosts.isEmpty ? saved.tokenHosts : tokenHosts
        all.plainHTTP = plainHTTP || saved.plainHTTP
        all.gcDelay = gcDelay ?? saved.gcDelay
        all.map = map.isEmpty ? saved.map : map
        all.capacity = capacity ?? saved.capacity
        return all
    }
}

/// A registry under a name, as `target add` was told about it.
package struct SavedTarget: Sendable, Equatable {
    package let name: String
    package let address: String
    /// Its `caCertificate` is the file beside it, if it has one.
    package var access: TargetAccess
    /// Whether `caCertificate` is the server's own certificate, so that a renewal needs another `target add`.
    package var pinsServer: Bool

    /// Takes what was checked. Throws `TargetError.badName`.
    package init(
        _ name: String, address: String, _ access: TargetAccess, pinsServer: Bool = false
    ) throws(TargetError) {
        guard SavedTarget.isName(name) else { throw .badName(name) }
        (self.name, self.address, self.access, self.pinsServer) = (name, address, access, pinsServer)
    }

    /// Whether a text can name a target: a letter or digit, then up to 63 of those and `._-`.
    package static func isName(_ text: String) -> Bool { text.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._-]{0,63}/) != nil }

    /// Where the login comes from, in words.
    package var login: String {
        if let username = access.username { return "\(username), password in \(access.passwordFile ?? "nothing")" }
        return access.dockerConfig.map { "as \($0) says" } ?? "none of its own"
    }
}

// The file of a target.
extension SavedTarget {
    init(reading bytes: [UInt8], name: String, authority: String, limit: Int) throws {
        let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: limit)))
        let text = { (name: String) throws in try document.optional(name)?.string() }
        var access = TargetAccess()
        let pins = try text("authority")
        access.caCertificate = pins == nil ? nil : authority
        access.pinsRegistry = ["server", "authority"].contains(pins)
        access.clientCertificate = try text("clientCertificate")
        access.clientKey = try text("clientKey")
        access.username = try text("username")
        access.passwordFile = try text("passwordFile")
        access.dockerConfig = try text("dockerConfig")
        access.proxy = try text("proxy")
        access.tokenHosts = try document.optional("tokenHosts")?.elements().map { cursor in try cursor.string() } ?? []
        access.plainHTTP = try document.optional("plainHTTP")?.bool() ?? false
        access.gcDelay = try document.optional("gcDelay").map { cursor in Int(try cursor.int()) }
        access.map = try document.optional("map")?.elements().map { cursor in try cursor.string() } ?? []
        access.capacity = try document.optional("capacity").map { cursor in
            UInt64(try cursor.int(in: 1...Int64.max))
        }
        try self.init(name, address: document["address"].string(), access, pinsServer: pins == "server")
    }

    var json: JSONValue {
        var members: [String: JSONValue] = ["address": .string(address), "name": .string(name)]
        let texts = [
            ("clientCertificate", access.clientCertificate), ("clientKey", access.clientKey),
            ("username", access.username), ("passwordFile", access.passwordFile),
            ("dockerConfig", access.dockerConfig), ("proxy", access.proxy),
            ("authority", access.caCertificate.map { _ in pin }),
        ]
        for case (let name, let value?) in texts { members[name] = .string(value) }
        if !access.tokenHosts.isEmpty { members["tokenHosts"] = .array(access.tokenHosts.map { .string($0) }) }
        if !access.map.isEmpty { members["map"] = .array(access.map.map { .string($0) }) }
        if access.plainHTTP { members["plainHTTP"] = .bool(true) }
        if let delay = access.gcDelay { members["gcDelay"] = .int(Int64(delay)) }
        if let capacity = access.capacity { members["capacity"] = .int(Int64(clamping: capacity)) }
        return .object(members)
    }

    /// What the kept PEM file is: the server's own certificate, an authority that was compared, a file that was given.
    private var pin: String { pinsServer ? "server" : access.pinsRegistry ? "authority" : "file" }

    /// What `target show` prints, and `target add` with what it found.
    package func report(_ check: TargetCheck? = nil) -> Report {
        let authority = access.caCertificate.map { $0 + (pinsServer ? " (the server's own certificate)" : "") }
        let rows: [(String, String?)] = [
            ("name", name), ("address", address), ("trusts", authority ?? "the system's authorities"), ("login", login),
            ("client certificate", access.clientCertificate), ("proxy", access.proxy),
            ("token hosts", access.tokenHosts.isEmpty ? nil : access.tokenHosts.joined(separator: ", ")),
            ("clean-up delay", access.gcDelay.map { "\($0) s" }), ("capacity", access.capacity.map(\.asSize)),
            ("mapping", access.map.isEmpty ? nil : access.map.joined(separator: ", ")),
            ("registry", check.map { "\($0.kind)" }), ("checked", check?.checked),
        ]
        let shown = rows.compactMap { name, value in value.map { (name, $0) } }
        return Report(text: shown.aligned, json: json(check))
    }

    private func json(_ check: TargetCheck?) -> JSONValue {
        guard let check, case .object(var members) = json else { return json }
        members["registry"] = .string("\(check.kind)")
        members["checked"] = ["certificate": .bool(check.isEncrypted), "login": .bool(check.hasLogin)]
        members["permissions"] = [
            "create": .string(check.mayCreate.rawValue), "delete": .string(check.mayDelete.rawValue),
        ]
        return .object(members)
    }

    /// What `target list` prints; `words`: `--state` and its folder, or nothing.
    package static func listing(_ targets: [SavedTarget], _ words: [String]) -> Report {
        let text = targets.isEmpty ? "no target has a name here" : targets.map { ($0.name, $0.address) }.aligned
        let add = (["dray-import", "target", "add", "NAME", "URL"] + words).shellLine
        let next = targets.isEmpty ? ["# put a name for NAME and the registry's address for URL:", add] : []
        return Report(text: text, json: .array(targets.map(\.json)), next: next)
    }
}
