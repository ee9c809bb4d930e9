// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage
package import Trust

/// What an undo did, as it is kept beside the receipts.
package struct UndoRecord: Sendable, Equatable {
    package static let predicateType = "urn:dray:undo:1"

    /// SHA-256 of the `release.json` whose load was undone, and when that load had ended.
    package let release, finished: String
    package let target: String
    /// When, and of which release; empty in records of version 0.1.
    package var (time, product, version) = ("", "", "")
    package var tool = ""
    package var previous: String?
    package var origin = ReceiptOrigin()
    /// The record, as it stands in the file.
    package private(set) var json: JSONValue

    /// A record of what `report` says. `report` is that of `Undo`, carried out.
    init(
        _ report: JSONValue, _ receipt: Receipt, at time: UTCTime, tool: String, origin: ReceiptOrigin,
        previous: String?
    ) {
        (release, finished, target) = (receipt.release, receipt.finished, receipt.target)
        (self.time, product, version) = (time.description, receipt.product, receipt.version)
        (self.tool, self.origin, self.previous) = (tool, origin, previous)
        json = report
        guard case .object(var members) = report else { return }
        (members["time"], members["product"]) = (.string(self.time), .string(product))
        (members["version"], members["tool"]) = (.string(version), .string(tool))
        members["origin"] = origin.json
        if let previous { members["previous"] = .string(previous) }
        json = .object(members)
    }

    /// Throws `JSONError`.
    init(_ document: JSONCursor) throws(JSONError) {
        (release, finished) = (try document["release"].string(), try document["finished"].string())
        target = try document["target"].string()
        time = try document.optional("time")?.string() ?? ""
        product = try document.optional("product")?.string() ?? ""
        version = try document.optional("version")?.string() ?? ""
        tool = try document.optional("tool")?.string() ?? ""
        previous = try document.optional("previous")?.string()
        if let origin = try document.optional("origin") { self.origin = try ReceiptOrigin(origin) }
        json = document.value
    }

    /// A step that was carried out, as the record has it; steps that can't be read are left out.
    struct Step: Equatable {
        let action, name: String
        let digest: String?
    }

    var steps: [Step] {
        guard case .object(let members) = json, case .array(let steps)? = members["steps"] else { return [] }
        return steps.compactMap { step in
            guard case .object(let members) = step, case .string(let action)? = members["action"],
                case .string(let name)? = members["name"]
            else { return nil }
            guard case .string(let digest)? = members["digest"] else {
                return Step(action: action, name: name, digest: nil)
            }
            return Step(action: action, name: name, digest: digest)
        }
    }

    /// What a signed record states.
    var statement: Statement {
        Statement(
            about: [Statement.Subject(name: "release.json", sha256: release)], UndoRecord.predicateType, json)
    }

    /// Writes the record atomically, never over another one; returns where. The state's lock is held.
    func write(in state: SiteState, signedBy signer: SiteSigner?) throws -> FilePath {
        let stamp = time.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
        try state.prepareReceipts()
        let file = try state.receiptsFolder.unused("\(stamp)-undo-\(product)-\(version)", suffix: ".undo")
        try file.replaceContents(with: signer?.file(of: statement) ?? json.canonicalBytes + [UInt8(ascii: "\n")])
        return file
    }
}
