// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage
package import Trust

/// What a prune took away, as it is kept beside the receipts.
package struct PruneRecord: Sendable, Equatable {
    package static let predicateType = "urn:dray:prune:1"

    /// A release whose content went, with the ends of its loads into the target.
    package struct Gone: Sendable, Equatable {
        package var product, version: String
        /// SHA-256 of its `release.json`, 64 hex digits.
        package var release: String
        /// When its loads had ended, as their receipts say.
        package var loads: [String]

        /// Its loads, by release and end.
        var keys: [String] { loads.map { release + $0 } }
    }

    package let target: String
    /// Releases of which nothing is left that only they had.
    package let gone: [Gone]
    /// Releases of which something may be left: the prune was stopped, or a registry refused.
    package let begun: [Gone]
    package var time = ""
    package var tool = ""
    package var previous: String?
    package var origin = ReceiptOrigin()
    /// The record, as it stands in the file.
    package private(set) var json: JSONValue

    /// A record of what `report` says, which is that of a `Prune` that was carried out.
    init(
        _ report: JSONValue, at target: String, gone: [Gone], begun: [Gone] = [], time: UTCTime, tool: String,
        origin: ReceiptOrigin,
        previous: String?
    ) {
        (self.target, self.gone, self.begun, self.time) = (target, gone, begun, time.description)
        (self.tool, self.origin, self.previous) = (tool, origin, previous)
        json = report
        guard case .object(var members) = report else { return }
        (members["time"], members["tool"]) = (.string(self.time), .string(tool))
        (members["origin"], members["pruned"]) = (origin.json, .array(gone.map(\.json)))
        members["begun"] = .array(begun.map(\.json))
        if let previous { members["previous"] = .string(previous) }
        json = .object(members)
    }

    /// Throws `JSONError`.
    init(_ document: JSONCursor) throws(JSONError) {
        (target, time) = (try document["target"].string(), try document["time"].string())
        tool = try document["tool"].string()
        gone = try document["pruned"].elements().map { entry throws(JSONError) in try Gone(entry) }
        begun = try document["begun"].elements().map { entry throws(JSONError) in try Gone(entry) }
        previous = try document.optional("previous")?.string()
        if let origin = try document.optional("origin") { self.origin = try ReceiptOrigin(origin) }
        json = document.value
    }

    /// `product version` of each release, in one line.
    var releases: String { (gone + begun).map { "\($0.product) \($0.version)" }.joined(separator: ", ") }

    /// What was taken away, by name.
    var names: [String] { members(of: "steps").compactMap { $0["name"] } }

    private func members(of list: String) -> [[String: String]] {
        guard case .object(let members) = json, case .array(let entries)? = members[list] else { return [] }
        return entries.map { entry in
            guard case .object(let members) = entry else { return [:] }
            return members.compactMapValues { value in
                guard case .string(let text) = value else { return nil }
                return text
            }
        }
    }

    /// What a signed record states.
    var statement: Statement {
        let subjects = (gone + begun).map {
            Statement.Subject(name: "\($0.product)-\($0.version)/release.json", sha256: $0.release)
        }
        return Statement(about: subjects, PruneRecord.predicateType, json)
    }

    /// Writes the record atomically, never over another one; returns where. The state's lock is held.
    func write(in state: SiteState, signedBy signer: SiteSigner?) throws -> FilePath {
        let stamp = time.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
        try state.prepareReceipts()
        let file = try state.receiptsFolder.unused("\(stamp)-prune", suffix: ".prune")
        try file.replaceContents(with: signer?.file(of: statement) ?? json.canonicalBytes + [UInt8(ascii: "\n")])
        return file
    }
}

extension PruneRecord.Gone {
    /// All loads of a release that are known.
    init(_ release: SiteRelease) {
        (product, version) = (release.newest.product, release.newest.version)
        (self.release, loads) = (release.id, release.receipts.map(\.finished))
    }

    var json: JSONValue {
        [
            "product": .string(product), "version": .string(version), "sha256": .string(release),
            "loads": .array(loads.map(JSONValue.string)),
        ]
    }

    /// Throws `JSONError`.
    init(_ cursor: JSONCursor) throws(JSONError) {
        (product, version) = (try cursor["product"].string(), try cursor["version"].string())
        release = try cursor["sha256"].string()
        loads = try cursor["loads"].elements().map { entry throws(JSONError) in try entry.string() }
    }
}
