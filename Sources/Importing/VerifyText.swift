// SPDX-License-Identifier: Apache-2.0

internal import OCI
package import BundleFormat
package import Files
internal import Trust

extension VerifiedBundle {
    /// Reads every block on the media and says what is damaged or missing.
    package func verification(threads: Int, progress: Progress) throws -> Report {
        let check = try checkVolumes(threads: threads, progress: progress)
        let good = check.volumes.count { $0.isGood }
        var rows = [
            ("release", release.title),
            ("root", RootCandidate.grouped(metadata.fingerprint?.hex ?? "")),
            (
                "signed by",
                Set(metadata.targets.signers + [sumsSigner]).map { String($0.hex.prefix(16)) }.sorted()
                    .joined(separator: ", ")
            ),
            ("checked", "\(check.bytesChecked.asSize) in \(good.of("good volume file"))"),
        ]
        rows.append(("result", check.failure.map { "\($0)" } ?? "all volumes are there and whole"))
        return Report(
            text: ([rows.aligned] + check.lines.map { "  \($0)" }).joined(separator: "\n"), json: check.json,
            warnings: check.failure == nil ? check.findings.map(\.description) : [], failure: check.failure)
    }
}
