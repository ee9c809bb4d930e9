// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import OCI
package import SystemPackage
internal import Trust

extension VerifiedBundle {
    /// Reads every block on the media and says what is damaged or missing; with a `memory` not what it has found good before.
    ///
    /// `file`: where the block report goes; one that is there is replaced. `next` of the result names the volumes that are missing.
    package func verification(
        threads: Int, memory: VerifyMemory? = nil, reportTo file: FilePath? = nil, progress: Progress
    ) throws -> Report {
        let check = try checkVolumes(threads: threads, records: memory?.records, progress: progress)
        var warnings = check.failure == nil ? check.findings.map(\.description) : []
        do { try memory?.records.check() } catch {
            warnings.append("what was verified could not be kept for the next time: \(error)")
        }
        if let file { try file.replaceContents(with: check.wanted.json.canonicalBytes + [UInt8(ascii: "\n")]) }
        var text = [verifyRows(check).aligned] + check.lines.map { "  \($0)" }
        if !check.wanted.isEmpty {
            text.append("to ask for what is lacking, on paper or by telephone (dray copy --blocks takes it):")
            text.append("  \(check.wanted.short)")
        }
        let missing = check.volumes.filter { $0.fault == .volumeMissing($0.volume.name) }.map(\.volume.name)
        return Report(
            text: text.joined(separator: "\n"), json: check.json, warnings: warnings,
            next: missing.isEmpty ? [] : [VerifiedBundle.addMedia(missing)], failure: check.failure)
    }

    private func verifyRows(_ check: VerifyReport) -> [(String, String)] {
        let good = Set(check.volumes.filter { $0.isGood && $0.path != nil }.compactMap(\.path)).count
        let before = check.bytesSkipped > 0 ? ", \(check.bytesSkipped.asSize) of it before (--recheck reads it again)" : ""
        let signers = Set(metadata.targets.signers + [sumsSigner]).map { String($0.hex.prefix(16)) }.sorted()
        var rows = [
            ("release", release.title),
            ("root", RootCandidate.grouped(metadata.fingerprint?.hex ?? "")),
            ("signed by", signers.joined(separator: ", ")),
            ("checked", "\((check.bytesChecked + check.bytesSkipped).asSize) in \(good.of("good volume file"))\(before)"),
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
