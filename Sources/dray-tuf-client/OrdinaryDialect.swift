// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Trust

extension Dialect {
    /// Ordinary TUF metadata: any JSON of the format in TUF section 4, whose signatures are over the OLPC canonical form of
    /// what was parsed. It exists in this tool alone.
    static let ordinary = Dialect(
        envelope: { (bytes, role, file) throws(TrustError) in try Envelope(ordinary: bytes, role, file) },
        root: { (envelope) throws(TrustError) in
            try envelope.content(.root) { (header, document) throws(JSONError) in try Root(header, ordinary: document) }
        },
        timestamp: { (envelope) throws(TrustError) in
            try envelope.content(.timestamp) { (header, document) throws(JSONError) in
                Timestamp(header: header, snapshot: try Link(ordinary: document["meta"]["snapshot.json"]))
            }
        },
        snapshot: { (envelope) throws(TrustError) in
            try envelope.content(.snapshot) { (header, document) throws(JSONError) in
                try Snapshot(header, ordinary: document)
            }
        },
        targets: { (envelope) throws(TrustError) in
            try envelope.content(.targets) { (header, document) throws(JSONError) in
                _ = try TargetTable(document)  // what can't be read isn't accepted
                let release = SignedRelease(product: "", edition: "", version: "")
                return Targets(header: header, release: release, files: [:])
            }
        })
}

extension Envelope {
    /// The most that a file may nest; the file's size bounds the rest.
    private static let depth = 64

    /// Parses a file of any layout. Throws `.tooLarge`, `.malformed` and `.duplicateSignature`.
    fileprivate init(ordinary bytes: [UInt8], _ role: Role, _ file: String) throws(TrustError) {
        guard bytes.count <= role.byteLimit else { throw .tooLarge(file: file, limit: role.byteLimit) }
        let signed: JSONValue
        var signatures: [Signature] = []
        do throws(JSONError) {
            let limits = JSONLimits.document(bytes: role.byteLimit, depth: Envelope.depth)
            let document = JSONCursor(try JSONValue(parsing: bytes, limits))
            signed = try document["signed"].value
            for entry in try document["signatures"].elements() {
                let signature = OrdinaryKey.bytes(hex: try entry["sig"].string()) ?? []  // counts for nothing then
                signatures.append(Signature(keyID: try entry["keyid"].string(), bytes: signature))
            }
        } catch { throw .malformed(file: file, error) }
        try self.init(file: file, signatures: signatures, message: signed.signedBytes, document: signed)
    }

    /// What the file says, and about itself.
    fileprivate func content<Content>(
        _ role: Role, _ read: (MetadataHeader, JSONCursor) throws(JSONError) -> Content
    ) throws(TrustError) -> Content {
        do throws(JSONError) {
            let cursor = JSONCursor(document ?? .null)
            let type = try cursor["_type"]
            guard try type.string() == role.rawValue else { throw type.invalid("\"\(role.rawValue)\"") }
            return try read(MetadataHeader(ordinary: cursor), cursor)
        } catch { throw .malformed(file: file, error) }
    }
}

extension MetadataHeader {
    fileprivate init(ordinary document: JSONCursor) throws(JSONError) {
        let specification = try document["spec_version"]
        let parts = try specification.string().split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), parts[0] == "1", parts.allSatisfy({ UInt32($0) != nil }) else {
            throw specification.invalid("a version 1 of TUF")
        }
        let expires = try document["expires"]
        guard let moment = UTCTime(try expires.string()) else {
            throw expires.invalid("a time like 2031-05-01T00:00:00Z")
        }
        self.init(
            version: try document["version"].int(in: 1...JSONValue.largestInteger),
            issued: UTCTime(secondsSince1970: 0), expires: moment)
    }
}

extension Root {
    fileprivate init(_ header: MetadataHeader, ordinary document: JSONCursor) throws(JSONError) {
        var keys: [String: OrdinaryKey] = [:]
        for (id, object) in try document["keys"].members() { keys[id] = try OrdinaryKey(object) }
        var roles: [Role: RoleKeys] = [:]
        for role in Role.allCases { roles[role] = try RoleKeys(ordinary: document["roles"][role.rawValue], keys) }
        let consistent = try document.optional("consistent_snapshot")?.bool() ?? false
        self.init(header: header, roles: roles, consistentSnapshot: consistent)
    }
}

extension RoleKeys {
    /// A key that is listed under two ids counts once, under the first; an id without a key counts for nothing.
    fileprivate init(ordinary role: JSONCursor, _ table: [String: OrdinaryKey]) throws(JSONError) {
        var (ids, known): (Set<String>, Set<OrdinaryKey>) = ([], [])
        var keys: [DialectKey] = []
        for cursor in try role["keyids"].elements() {
            let id = try cursor.string()
            guard ids.insert(id).inserted else { throw cursor.invalid("an id named once") }
            guard let key = table[id], known.insert(key).inserted else { continue }
            keys.append(DialectKey(KeyID(named: id)) { key.isSigner(of: $0, $1) })
        }
        let threshold = try role["threshold"].int(in: 1...Int64(Int32.max))
        self.init(foreign: keys, threshold: Int(threshold))
    }
}

extension Snapshot {
    fileprivate init(_ header: MetadataHeader, ordinary document: JSONCursor) throws(JSONError) {
        var others: [String: Link] = [:]
        for (name, cursor) in try document["meta"].members() where name != "targets.json" {
            others[name] = try Link(ordinary: cursor)
        }
        self.init(header: header, targets: try Link(ordinary: document["meta"]["targets.json"]), others: others)
    }
}

extension Link {
    fileprivate init(ordinary entry: JSONCursor) throws(JSONError) {
        let content = try LinkContent(ordinary: entry)
        self.init(version: try entry["version"].int(in: 1...JSONValue.largestInteger), content: content)
    }
}
