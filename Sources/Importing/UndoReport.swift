// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
package import SystemPackage
package import Trust

extension Undo {
    /// What would be done, or what was: `refused` are the steps that the registry refused when they were carried out, `nil`
    /// before. `again`: the command that carries it out, quoted.
    package func report(_ receipt: Receipt, refused: [String]?, again: String) -> Report {
        let done = refused != nil
        let lines = steps.map { "  \($0)" } + kept.map { "  kept  \($0)" } + lost.map { "  lost  \($0)" }
        let tags = steps.count { if case .removeManifest = $0 { false } else { true } }
        var rows = [
            ("receipt", "\(receipt.product) \(receipt.version), \(receipt.finished)"), ("target", receipt.target),
            (done ? "undone" : "to undo", "\(tags.of("tag")), \((steps.count - tags).of("manifest"))"),
        ]
        if let refused, !refused.isEmpty {
            rows.append(("but refused", refused.count.of("of these steps", "of these steps")))
        }
        if !lost.isEmpty { rows.append(("not possible", lost.count.of("tag"))) }
        rows.append(
            ("blobs", "go with the registry's own collection: Zot's by itself, docker-registry's garbage-collect"))
        let remedy =
            "the registry's administrator may have to allow delete there (docker-registry: storage.delete.enabled)"
        return Report(
            text: (lines + [rows.aligned]).joined(separator: "\n"),
            json: [
                "applied": .bool(done), "target": .string(receipt.target), "release": .string(receipt.release),
                "finished": .string(receipt.finished), "steps": .array(steps.map(\.json)),
                "kept": .array(kept.map(JSONValue.string)), "lost": .array(lost.map(JSONValue.string)),
                "refused": .array((refused ?? []).map(JSONValue.string)),
            ],
            warnings: (refused ?? []).map { "the registry refused to \($0)" }
                + (refused?.isEmpty == false ? [remedy] : []),
            next: done || steps.isEmpty ? [] : ["# read the list; then carry it out:", again],
            failure: refused?.isEmpty == false ? .failed : lost.isEmpty ? nil : .incomplete)
    }

    /// Keeps what was undone beside the receipts, in their chain. The state's lock is held.
    package func record(
        _ report: Report, receipt: Receipt, at time: UTCTime, in state: SiteState, signedBy signer: SiteSigner? = nil,
        tool: String, person: String? = nil
    ) throws -> FilePath {
        var origin = ReceiptOrigin.here(person: person)
        origin.account = target.account
        let record = UndoRecord(
            report.json, receipt, at: time, tool: tool, origin: origin, previous: try state.lastReceipt()?.hex)
        return try record.write(in: state, signedBy: signer)
    }
}

extension FilePath {
    /// `<name><suffix>` in this folder, or `<name>-2<suffix>` and so on where files of these names are there.
    func unused(_ name: String, suffix: String) throws -> FilePath {
        var (file, number) = (appending(name + suffix), 1)
        while try file.exists() {
            number += 1
            file = appending("\(name)-\(number)\(suffix)")
        }
        return file
    }
}

extension Undo.Step {
    fileprivate var json: JSONValue {
        switch self {
        case .removeTag(let place, _): ["action": "removeTag", "name": .string(place.description)]
        case .restoreTag(let place, _, let digest):
            ["action": "restoreTag", "name": .string(place.description), "digest": .string(digest.description)]
        case .removeManifest(let place): ["action": "removeManifest", "name": .string(place.description)]
        }
    }
}
