// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
package import SystemPackage
package import Trust

/// Checks receipts: each signature, and that none is missing between them.
package struct ReceiptVerification: Sendable {
    private struct Result {
        let file: ReceiptFile
        let proof: ReceiptFile.Proof
    }

    private var results: [Result] = []
    /// What is wrong with files that can't be read or believed.
    private var faults: [any ClassifiedError] = []
    private let chain: ReceiptChain?
    private let keyNames: [KeyID: String]

    /// Reads the files that are named, or all of the state's with their chain. `keys`: those whose signature proves a receipt,
    /// with what they are called.
    ///
    /// Throws `FileError`; what is wrong with receipts is in the report.
    package init(_ paths: [FilePath]?, in state: SiteState, keys: [TrustKey], _ keyNames: [KeyID: String]) throws {
        self.keyNames = keyNames
        for path in try paths ?? state.receiptPaths() {
            do {
                let file = try ReceiptFile(at: path)
                results.append(Result(file: file, proof: try file.proof(by: keys)))
            } catch let error as StateError {
                faults.append(error)
            } catch let error as SiteError {
                faults.append(error)
            }
        }
        let proven = results.filter { if case .signed = $0.proof { true } else { false } }
        chain =
            paths == nil
            ? ReceiptChain(results.map(\.file), proven: Set(proven.map(\.file.digest))) : nil
    }

    /// Whether the signature of a later receipt proves this one: it names its digest.
    private func isAttested(_ result: Result) -> Bool { chain?.attested.contains(result.file.digest) ?? false }

    private func isProven(_ result: Result) -> Bool {
        if case .signed = result.proof { return true }
        return isAttested(result)
    }

    /// What `receipt verify` prints. Its failure is 10 for a receipt that nothing known here proves, 13 for a chain that is broken
    /// and for files that are no receipts.
    package func report() -> Report {
        let unproven = results.filter { !isProven($0) }
        let broken = (chain?.faults ?? []).map { "\($0)" }
        let lines = results.map(text) + faults.map { "NOT A RECEIPT TO GO BY\n  \($0)" }
        let failures =
            faults.map(\.failure) + (unproven.isEmpty ? [] : [.notTrusted]) + (broken.isEmpty ? [] : [.damaged])
        return Report(
            text: (lines + [summary(unproven.count, broken)]).joined(separator: "\n"), json: json(broken),
            warnings: broken + faults.map { "\($0)" } + unproven.compactMap { $0.proof.warning($0.file.path) },
            failure: failures.min())
    }

    private func summary(_ unproven: Int, _ broken: [String]) -> String {
        var rows = [("receipts", "\(results.count + faults.count), \(results.count - unproven) proven")]
        if chain != nil {
            rows.append(("chain", broken.isEmpty ? "unbroken" : "BROKEN in \(broken.count.of("place"))"))
        }
        return rows.aligned
    }

    private func text(_ result: Result) -> String {
        var rows = [("  what", result.file.content.line), ("  signature", proofText(result))]
        if !result.file.properties.isEmpty {
            rows.append(("  properties", result.file.properties.map(\.printable).joined(separator: " ")))
        }
        return result.file.path.string + "\n" + rows.aligned
    }

    private func proofText(_ result: Result) -> String {
        isAttested(result) && result.proof == .unsigned
            ? "none of its own; a later receipt that is signed names its digest" : result.proof.text(keyNames)
    }

    private func json(_ broken: [String]) -> JSONValue {
        [
            "receipts": .array(
                results.map { result in
                    [
                        "file": .string(result.file.path.string), "sha256": .string(result.file.digest.hex),
                        "signature": .string(result.proof.word), "proven": .bool(isProven(result)),
                        "properties": .array(result.file.properties.map(JSONValue.string)),
                        "previous": result.file.previous.map(JSONValue.string) ?? .null,
                    ]
                }),
            "chain": ["checked": .bool(chain != nil), "faults": .array(broken.map(JSONValue.string))],
            "faults": .array(faults.map { .string("\($0)") }),
        ]
    }
}

extension ReceiptFile.Content {
    /// One line for people.
    var line: String {
        switch self {
        case .load(let receipt):
            "load of \(receipt.title) into \(receipt.target), \(receipt.finished), \(receipt.outcome)".printable
        case .undo(let record):
            "undo of \(record.product) \(record.version) in \(record.target), \(record.time)".printable
        }
    }
}
