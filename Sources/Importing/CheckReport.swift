// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import Trust

extension CheckResult {
    /// For people. `given` are the words of `--to` and its options, quoted; `receipt` is the file that was checked.
    package func report(_ check: Check, receipt file: String, given: String) -> Report {
        let receipt = check.receipt
        var rows = [
            ("release", receipt.title), ("target", check.target.address),
            (
                "asked for",
                "\(manifests.of("manifest")) by their bytes, \(blobs.of("blob")) by their "
                    + "\(check.isDeep ? "bytes" : "size"), \(tags.of("tag"))"
            ),
        ]
        if !receipt.packs.isEmpty { rows.append(("packs", "\(receipt.packs.count), naming \(images.of("image"))")) }
        rows.append(("found", faults.isEmpty ? "all of it is there: \(receipt.contentPlace)" : summary))
        if !receipt.left.isEmpty {
            rows.append(
                ("not checked", receipt.left.map { "\($0.name) (\($0.way))" }.joined(separator: ", ").printable))
        }
        if !volumes.isEmpty { rows.append(("to bring", volumes.joined(separator: ", "))) }
        rows.append(("receipt", file))
        let lines = faults.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }.map {
            "  \($0.kind.rawValue)  \($0.name)"
        }
        var warnings: [String] = []
        if receipt.target != check.target.address {
            warnings.append("the receipt is about \(receipt.target); \(check.target.address) was checked")
        }
        if receipt.outcome != "done" {
            warnings.append(
                "the load of this receipt ended with \(receipt.outcome): not all of its tags were set; load again")
        }
        if faults.contains(where: { $0.kind == .moved }) {
            warnings.append(
                "moved: somebody has set the tag to other content; loading again needs --replace-tags for it")
        }
        if faults.contains(where: { $0.kind == .unresolved }) {
            warnings.append("unresolved: a pack names an image that can't be had whole from this registry")
        }
        return Report(
            text: (lines + [rows.aligned]).joined(separator: "\n"), json: json(check), warnings: warnings,
            next: next(given), failure: failure ?? (receipt.outcome == "done" ? nil : .incomplete))
    }

    /// Damage weighs more than absence.
    private var failure: Failure? {
        hasDamage ? .damaged : faults.isEmpty ? nil : .incomplete
    }

    private var summary: String {
        let counts = Dictionary(grouping: faults, by: \.kind).map { "\($1.count) \($0.rawValue)" }
        return counts.sorted().joined(separator: ", ")
    }

    private func next(_ given: String) -> [String] {
        guard !volumes.isEmpty else {
            return faults.isEmpty
                ? []
                : [
                    "# bring the release's media, put their folder for MEDIA and load again:",
                    "dray-import load MEDIA \(given)",
                ]
        }
        return [
            "# bring the media that hold \(volumes.map { "volumes/\($0)" }.joined(separator: ", ")), put their folder for MEDIA "
                + "and load again:",
            "dray-import load MEDIA \(given)" + (hasDamage ? " --read-back deep" : ""),
        ]
    }

    // Only a deep read-back sees damage of the right size.
    private var hasDamage: Bool { faults.contains { $0.kind == .damaged } }

    private func json(_ check: Check) -> JSONValue {
        [
            "target": .string(check.target.address), "release": .string(check.receipt.release),
            "product": .string(check.receipt.product), "version": .string(check.receipt.version),
            "edition": .string(check.receipt.edition), "preview": .bool(check.receipt.facts.isPreview),
            "deep": .bool(check.isDeep),
            "manifests": .int(Int64(manifests)), "blobs": .int(Int64(blobs)), "tags": .int(Int64(tags)),
            "images": .int(Int64(images)), "complete": .bool(faults.isEmpty),
            "volumes": .array(volumes.map(JSONValue.string)),
            "faults": .array(
                faults.map { fault in
                    [
                        "kind": .string(fault.kind.rawValue), "name": .string(fault.name),
                        "volumes": .array(fault.volumes.map(JSONValue.string)),
                    ]
                }),
        ]
    }
}
