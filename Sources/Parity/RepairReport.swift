// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
package import Trust

extension Repair.Result {
    /// For people: what was written, what could not be, what is lost.
    package var text: String {
        var lines: [String] = []
        let (restored, replaced) = isDryRun ? ("would restore", "would replace") : ("restored", "replaced")
        lines += smallFiles.map { "\(restored) \($0.printable)" }
        lines += volumes.map { path, blocks in
            blocks == 0
                ? "\(isDryRun ? "would set" : "set") the length of \(path.printable)"
                : "\(replaced) \(blocks.counted("block")) of \(path.printable)"
        }
        lines += rebuilt.map { "\(isDryRun ? "would rebuild" : "rebuilt") \($0.printable)" }
        lines += parity.map { "\(isDryRun ? "would renew" : "renewed") \($0.printable)" }
        lines += notWritten.map { "not written: \($0.path.printable): \($0.reason)" }
        lines += lost.map { volume, blocks in
            "lost: \(blocks.counted(of: volume)) of volumes/\(volume.name.printable)"
        }
        lines += lostFiles.map { "lost: \($0.printable) is right on no medium; copy it again" }
        if let lostNames {
            lines += lostNames.map { "needs what is lost: \($0.printable)" }
        } else if !lost.isEmpty {
            lines.append("the media are in no state to tell what needs the lost blocks")
        }
        if lines.isEmpty { lines = ["nothing is damaged or missing"] }
        lines.append("parity: \(protection.map { "stands the loss of \($0)" } ?? "none on these media")")
        return lines.joined(separator: "\n")
    }

    /// The same for programs.
    package var json: JSONValue {
        [
            "originChecked": .bool(isOriginChecked), "dryRun": .bool(isDryRun),
            "smallFiles": paths(smallFiles), "rebuilt": paths(rebuilt), "parity": paths(parity),
            "volumes": .array(volumes.map { ["path": .string($0.path.string), "blocks": .int(Int64($0.blocks))] }),
            "notWritten": .array(
                notWritten.map { ["path": .string($0.path.string), "reason": .string($0.reason)] }),
            "lost": .array(
                lost.map { volume, blocks in
                    ["volume": .string(volume.name), "blocks": .array(blocks.map { .int(Int64($0)) })]
                }),
            "lostObjects": .array(lostObjects.map { .string($0.description) }),
            "lostNames": lostNames.map { .array($0.map { .string($0) }) } ?? .null,
            "lostFiles": paths(lostFiles), "protection": protection.map { .string($0) } ?? .null,
            "notes": .array(notes.map { .string($0) }), "exitCode": .int(Int64(failure?.rawValue ?? 0)),
        ]
    }

    private func paths(_ all: [FilePath]) -> JSONValue { .array(all.map { .string($0.string) }) }

    /// What should be known beside, the missing check of the origin first.
    package var warnings: [String] {
        (isOriginChecked
            ? []
            : ["integrity only, origin not checked: the bundle was judged by its own root; give --root to check it"])
            + notes
    }
}

extension Int {
    fileprivate func counted(_ noun: String) -> String { "\(self) \(self == 1 ? noun : noun + "s")" }
}

extension [Int] {
    /// Ascending numbers of blocks as ranges, the first few.
    fileprivate func counted(of volume: Volume) -> String {
        guard count < Volume.blockCount(of: volume.length) else { return "all \(count.counted("block"))" }
        var ranges: [ClosedRange<Int>] = []
        for number in self {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        let shown = ranges.prefix(20).map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return "\(count == 1 ? "block" : "blocks") \(shown.joined(separator: ", "))"
            + (ranges.count > 20 ? " and more, \(count) in all" : "")
    }
}
