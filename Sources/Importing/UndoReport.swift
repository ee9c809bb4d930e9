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
        var lines = steps.map { "  \($0)" }
        lines += kept.map { "  kept  \($0)" }
        let tags = steps.count { if case .removeManifest = $0 { false } else { true } }
        let rows = [
            ("receipt", "\(receipt.product) \(receipt.version), \(receipt.finished)"), ("target", receipt.target),
            (done ? "undone" : "to undo", "\(tags.of("tag")), \((steps.count - tags).of("manifest"))"),
            ("blobs", "go with the registry's own collection: Zot's by itself, docker-registry's garbage-collect"),
        ]
        return Report(
            text: (lines + [rows.aligned]).joined(separator: "\n"),
            json: [
                "applied": .bool(done), "target": .string(receipt.target), "release": .string(receipt.release),
                "steps": .array(steps.map(\.json)), "kept": .array(kept.map(JSONValue.string)),
                "refused": .array((refused ?? []).map(JSONValue.string)),
            ],
            warnings: (refused ?? []).map { "the registry refused to \($0)" },
            next: done || steps.isEmpty ? [] : ["# read the list; then carry it out:", again],
            failure: refused?.isEmpty == false ? .failed : nil)
    }

    /// Keeps what was undone beside the receipts. The state's lock is held.
    package func record(_ report: Report, receipt: Receipt, at time: UTCTime, in state: SiteState) throws -> FilePath {
        let stamp = time.description.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
        let file = state.receiptsFolder.appending("\(stamp)-undo-\(receipt.product)-\(receipt.version).undo")
        try state.receiptsFolder.createDirectories()
        try file.replaceContents(with: report.json.canonicalBytes + [UInt8(ascii: "\n")])
        return file
    }
}

extension Undo.Step {
    fileprivate var json: JSONValue {
        switch self {
        case .removeTag(let place): ["action": "removeTag", "name": .string(place.description)]
        case .restoreTag(let place, let digest):
            ["action": "restoreTag", "name": .string(place.description), "digest": .string(digest.description)]
        case .removeManifest(let place): ["action": "removeManifest", "name": .string(place.description)]
        }
    }
}
