// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc
internal import SystemPackage
internal import Trust

/// Who ran a command, where: what a receipt says beside what was done.
package struct ReceiptOrigin: Sendable, Equatable {
    /// The account that the process runs under; empty in receipts of version 0.1.
    package var user = ""
    /// Who logged in, as the kernel's audit keeps it, where that is somebody else.
    package var login: String?
    package var host = ""
    /// The person, as `--operator` says.
    package var person: String?
    /// The registry's account; never its password.
    package var account: String?
    /// SHA-256 of the certificate that the registry showed when the load began, 64 hex digits.
    package var certificate: String?

    package init() {}

    /// This process's account and machine.
    package static func here(person: String? = nil) -> ReceiptOrigin {
        var origin = ReceiptOrigin()
        origin.user = SystemUser.name(getuid())
        origin.login = SystemUser.login.flatMap { $0 == getuid() ? nil : SystemUser.name($0) }
        origin.host = FileLock.host
        origin.person = person
        return origin
    }

    var json: JSONValue {
        var members: [String: JSONValue] = ["user": .string(user), "host": .string(host)]
        let texts = [("login", login), ("operator", person), ("account", account), ("certificate", certificate)]
        for case (let name, let value?) in texts { members[name] = .string(value) }
        return .object(members)
    }

    init(_ cursor: JSONCursor) throws(JSONError) {
        (user, host) = (try cursor["user"].string(), try cursor["host"].string())
        (login, person) = (try cursor.optional("login")?.string(), try cursor.optional("operator")?.string())
        account = try cursor.optional("account")?.string()
        certificate = try cursor.optional("certificate")?.string()
    }

    /// For people: `root (logged in as alice) on jump1`.
    package var text: String { user + (login.map { " (logged in as \($0))" } ?? "") + " on " + host }
}

/// The system's accounts, from /etc/passwd alone: libc would load modules of the host into the kit.
private enum SystemUser {
    static func name(_ id: uid_t) -> String {
        // An account that isn't in the file, or no file: the number tells as much.
        let bytes = (try? FilePath("/etc/passwd").contents(limit: 16 << 20)) ?? []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 3, omittingEmptySubsequences: false)
            guard fields.count == 4, Array(fields[2]) == Array(String(id).utf8), !fields[0].isEmpty else { continue }
            let name = String(decoding: fields[0].prefix(100), as: UTF8.self)
            return SiteState.isShownName(name) ? name : "uid \(id)"
        }
        return "uid \(id)"
    }

    /// Who logged in; `nil` where the kernel has no such record, as for services.
    static var login: uid_t? {
        guard let file = try? OpenFile.reading("/proc/self/loginuid"), let bytes = try? file.upTo(16) else {
            return nil
        }
        let digits = String(decoding: bytes, as: UTF8.self).prefix { $0.isNumber }
        return uid_t(digits).flatMap { $0 == uid_t.max ? nil : $0 }
    }
}

extension OpenFile {
    /// The first bytes; files of /proc say no size.
    fileprivate borrowing func upTo(_ count: Int) throws(FileError) -> [UInt8] {
        let buffer = Buffer(capacity: count)
        try read(into: buffer, at: 0, length: count)
        return buffer.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
    }
}

/// What a second person allowed, as a receipt keeps it.
package struct ReceiptApproval: Sendable, Equatable {
    /// One who signed the plan.
    package struct Approver: Sendable, Equatable {
        /// 64 hex digits.
        package let keyID: String
        package let name: String

        package init(keyID: String, name: String) { (self.keyID, self.name) = (keyID, name) }
    }

    /// SHA-256 of the plan's file, 64 hex digits.
    package let plan: String
    package let approvers: [Approver]

    package init(plan: String, approvers: [Approver]) { (self.plan, self.approvers) = (plan, approvers) }

    var json: JSONValue {
        [
            "plan": .string(plan),
            "approvers": .array(approvers.map { ["keyid": .string($0.keyID), "name": .string($0.name)] }),
        ]
    }

    init(_ cursor: JSONCursor) throws(JSONError) {
        plan = try cursor["plan"].string()
        approvers = try cursor["approvers"].elements().map { entry throws(JSONError) in
            Approver(keyID: try entry["keyid"].string(), name: try entry["name"].string())
        }
    }
}

/// That metadata had expired and was taken all the same, and why.
package struct ReceiptExpiry: Sendable, Equatable {
    package let reason: String
    /// What had expired, a line each.
    package let files: [String]

    package init(reason: String, files: [String]) { (self.reason, self.files) = (reason, files) }

    var json: JSONValue { ["reason": .string(reason), "files": .array(files.map(JSONValue.string))] }

    init(_ cursor: JSONCursor) throws(JSONError) {
        reason = try cursor["reason"].string()
        files = try cursor["files"].elements().map { entry throws(JSONError) in try entry.string() }
    }
}
