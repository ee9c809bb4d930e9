// SPDX-License-Identifier: Apache-2.0

import Trust

/// What targets metadata says about files (TUF section 4.5).
struct TargetTable {
    let files: [String: LinkContent]
    /// Whether other roles may list more: this tool doesn't follow them.
    let hasDelegations: Bool

    /// Reads signed content.
    init(_ document: JSONCursor) throws(JSONError) {
        var files: [String: LinkContent] = [:]
        for (name, entry) in try document["targets"].members() {
            let file = try LinkContent(ordinary: entry)
            guard file.length != nil, file.sha256 != nil || file.sha512 != nil else {
                throw entry.invalid("a file's length and hashes")
            }
            files[name] = file
        }
        self.files = files
        guard let delegations = try document.optional("delegations") else {
            hasDelegations = false
            return
        }
        let roles = try delegations.optional("roles")?.elements() ?? []
        let bins = try delegations.optional("succinct_roles")
        hasDelegations = !roles.isEmpty || bins != nil
    }

    /// Reads the file that was verified.
    init(_ targets: Verified<Targets>) throws(JSONError) {
        let limits = JSONLimits.document(bytes: Role.targets.byteLimit, depth: 64)
        try self.init(JSONCursor(try JSONValue(parsing: targets.bytes, limits))["signed"])
    }
}

extension LinkContent {
    /// Length and hashes, as far as they are given. Of the hashes at least one must be SHA-256 or SHA-512.
    init(ordinary entry: JSONCursor) throws(JSONError) {
        var digests: [String: [UInt8]] = [:]
        if let hashes = try entry.optional("hashes") {
            for (name, count) in [("sha256", 32), ("sha512", 64)] {
                guard let cursor = try hashes.optional(name) else { continue }
                guard let bytes = OrdinaryKey.bytes(hex: try cursor.string()), bytes.count == count else {
                    throw cursor.invalid("a digest of \(count * 2) hex digits")
                }
                digests[name] = bytes
            }
            guard !digests.isEmpty else { throw hashes.invalid("SHA-256 or SHA-512") }
        }
        self.init(length: try entry.optional("length")?.int(), sha256: digests["sha256"], sha512: digests["sha512"])
    }
}
