// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import OCI
internal import Parity
package import SystemPackage
internal import Trust

extension VerifiedBundle {
    /// Reads every block on the media and says what is damaged or missing; with a `memory` not what it has found good before.
    ///
    /// `media`: where parity may stand, asked for where something is lacking; what it can bring back is said.
    /// `file`: where the block report goes; one that is there is replaced. `next` of the result names the volumes that are missing.
    package func verification(
        threads: Int, memory: VerifyMemory? = nil, reportTo file: FilePath? = nil,
        media: () throws -> [MediaFolder] = { [] }, progress: Progress
    ) throws -> Report {
        let check = try checkVolumes(threads: threads, records: memory?.records, progress: progress)
        var warnings = check.failure == nil ? check.findings.map(\.description) : []
        do { try memory?.records.check() } catch {
            warnings.append("what was verified could not be kept for the next time: \(error)")
        }
        if let file { try file.replaceContents(with: check.wanted.json.canonicalBytes + [UInt8(ascii: "\n")]) }
        let parity = check.wanted.isEmpty ? nil : try ParityVerdict(self, check.wanted, try media())
        var text = [verifyRows(check).aligned] + check.lines.map { "  \($0)" }
        if let parity { text.append("  \(parity.text)") }
        if !check.wanted.isEmpty {
            text.append("to ask for what is lacking, on paper or by telephone (dray copy --blocks takes it):")
            text.append("  \(check.wanted.short)")
        }
        let missing = check.volumes.filter { $0.fault == .volumeMissing($0.volume.name) }.map(\.volume.name)
        return Report(
            text: text.joined(separator: "\n"), json: check.json.adding("parity", parity?.json ?? .null),
            warnings: warnings,
            next: missing.isEmpty ? [] : [VerifiedBundle.addMedia(missing)], failure: check.failure)
    }

    private func verifyRows(_ check: VerifyReport) -> [(String, String)] {
        let good = Set(check.volumes.filter { $0.isGood && $0.path != nil }.compactMap(\.path)).count
        let before =
            check.bytesSkipped > 0 ? ", \(check.bytesSkipped.asSize) of it before (--recheck reads it again)" : ""
        let signers = Set(metadata.targets.signers + [sumsSigner]).map { String($0.hex.prefix(16)) }.sorted()
        var rows = [
            ("release", release.title),
            ("root", RootCandidate.grouped(metadata.fingerprint?.hex ?? "")),
            ("signed by", signers.joined(separator: ", ")),
            (
                "checked",
                "\((check.bytesChecked + check.bytesSkipped).asSize) in \(good.of("good volume file"))\(before)"
            ),
        ]
        rows += deltaRows
        rows.append(("result", check.failure.map { "\($0)" } ?? check.allIsWell))
        return rows
    }
}

extension VerifyReport {
    fileprivate var allIsWell: String {
        let elsewhere = Set(volumes.filter { !$0.elsewhere.isEmpty }.map(\.number)).count
        return elsewhere == 0
            ? "all volumes are there and whole"
            : "all volumes are whole; \(elsewhere.of("volume")) of them on media that are not at hand"
    }
}

extension JSONValue {
    /// An object with one member more.
    fileprivate func adding(_ name: String, _ value: JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        members[name] = value
        return .object(members)
    }
}

/// Whether parity on the media can bring back what is lacking; parity blocks themselves are read only by `repair`.
private struct ParityVerdict {
    private let blocks: Int
    private let lost: Int

    /// `nil` where the media have no parity.
    init?(_ bundle: VerifiedBundle, _ wanted: BlockReport, _ media: [MediaFolder]) throws {
        guard let set = try bundle.paritySet(on: media) else { return nil }
        let lacking = wanted.volumes.map { entry in
            let count = Volume.blockCount(of: bundle.index.volumes[entry.number].length)
            return (entry.number, Set(entry.isMissing ? Array(0..<count) : entry.blocks.flatMap { $0 }))
        }
        blocks = lacking.reduce(0) { $0 + $1.1.count }
        lost = set.unrepairable(Dictionary(uniqueKeysWithValues: lacking)).reduce(0) { $0 + $1.value.count }
    }

    var text: String {
        guard lost > 0 else {
            return
                "all of that is repairable from parity: dray-import repair, or load --repair from media that can't be written"
        }
        return "parity can't bring back \(lost.of("block")) of the \(blocks) that are lacking"
            + (lost < blocks ? "; the others are repairable" : "")
    }

    var json: JSONValue { ["lacking": .int(Int64(blocks)), "lost": .int(Int64(lost)), "repairable": .bool(lost == 0)] }
}
