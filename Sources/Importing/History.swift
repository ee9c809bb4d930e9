// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
internal import SystemPackage
package import Trust

/// What brought something into a target, or moved it: the receipts that tell, for an auditor.
package struct History: Sendable {
    /// What is asked for; each that is set must fit.
    package struct Question: Sendable {
        /// Of a manifest, a blob or `release.json`.
        package var digest: Digest?
        /// `repository:tag`.
        package var tag: String?
        /// The earliest end, as receipts write times: `2026-11-21` or `2026-11-21T03:00:00Z`.
        package var since: String?
        /// The target's address.
        package var target: String?

        package init() {}
    }

    /// A receipt that fits, with what it says about what was asked.
    struct Entry {
        let file: ReceiptFile
        let proof: ReceiptFile.Proof
        let findings: [String]
    }

    private var entries: [Entry] = []
    private var faults: [String] = []
    private let keyNames: [KeyID: String]
    private let question: Question

    /// Asks receipts, the newest first in the answer. `keys`: those that prove one, with what they are called.
    package init(_ question: Question, _ source: Source, keys: [TrustKey], _ keyNames: [KeyID: String]) {
        (self.question, self.keyNames) = (question, keyNames)
        faults = source.faults
        for file in source.files {
            guard let findings = question.findings(in: file) else { continue }
            do throws(SiteError) {
                entries.append(Entry(file: file, proof: try file.proof(by: keys), findings: findings))
            } catch {
                faults.append("\(error)")
            }
        }
        entries.sort { ($0.file.time, $0.file.path.string) > ($1.file.time, $1.file.path.string) }
    }

    /// What `history` prints. Ends with 10 where a receipt's signature doesn't hold, or it can't be read.
    package func report() -> Report {
        let unproven = entries.compactMap { $0.proof.warning($0.file.path) }
        return Report(
            text: entries.isEmpty
                ? "no receipt tells of it" : entries.map { $0.text(keyNames) }.joined(separator: "\n"),
            json: .array(entries.map { $0.json(keyNames) }), warnings: faults + unproven,
            failure: faults.isEmpty ? nil : .notTrusted)
    }
}

extension History {
    /// Receipts, wherever they are kept.
    package struct Source: Sendable {
        let files: [ReceiptFile]
        let faults: [String]

        /// Those of a state's folder. Throws `FileError`.
        package init(of state: SiteState) throws {
            let (files, faults) = try state.receiptFiles()
            (self.files, self.faults) = (files, faults.map { "\($0)" })
        }

        /// Those that a target keeps, for a state that is lost. `since`: earlier ones aren't fetched.
        ///
        /// Throws `SiteArtifactError.notKept`, and `RegistryError`.
        package init(in target: any LoadTarget, since: String? = nil, progress: Progress) throws {
            guard target.keepsEvidence else { throw SiteArtifactError.notKept(target.address) }
            progress.label = "asking \(target.address)"
            let session = try target.session()
            let prefix = SiteArtifact.receiptPrefix
            let tags = try session.tags(of: SiteArtifact.repository) ?? []
            let earliest = since.map { $0.filter { $0.isNumber || $0 == "T" || $0 == "Z" } } ?? ""
            var (files, faults): ([ReceiptFile], [String]) = ([], [])
            for tag in tags.sorted() where tag.hasPrefix(prefix) && tag.dropFirst(prefix.count) >= earliest {
                try Interruption.check()
                do {
                    guard let bytes = try SiteArtifact.receipt(tag, session, target) else { continue }
                    let name = "\(SiteArtifact.repository):\(tag)"  // a path would spoil the address
                    files.append(try ReceiptFile(parsing: bytes, path: FilePath(name)))
                } catch let error as any ClassifiedError where error.failure == .damaged {
                    faults.append("\(SiteArtifact.repository):\(tag.printable): \(error)")
                } catch let error as DSSEError {
                    faults.append("\(SiteArtifact.repository):\(tag.printable): \(error)")
                }
            }
            (self.files, self.faults) = (files, faults)
        }
    }
}

extension ReceiptFile {
    /// When what it tells of had ended.
    fileprivate var time: String {
        switch content {
        case .load(let receipt): receipt.finished
        case .undo(let record): record.time
        case .prune(let record): record.time
        }
    }

    fileprivate var target: String { content.target }

    fileprivate var origin: ReceiptOrigin {
        switch content {
        case .load(let receipt): receipt.origin
        case .undo(let record): record.origin
        case .prune(let record): record.origin
        }
    }
}

extension History.Question {
    /// What a receipt says about what is asked, a line each; `nil` where it doesn't fit.
    fileprivate func findings(in file: ReceiptFile) -> [String]? {
        if let since, file.time < since { return nil }
        if let target, file.target != target { return nil }
        guard digest != nil || tag != nil else { return [] }
        let found =
            switch file.content {
            case .load(let receipt): findings(in: receipt)
            case .undo(let record): findings(in: record)
            case .prune(let record): findings(in: record)
            }
        return found.isEmpty ? nil : found
    }

    private func findings(in receipt: Receipt) -> [String] {
        var lines: [String] = []
        for record in receipt.counts.tags {
            let name = "\(record.repository):\(record.tag)"
            let names = [record.digest, record.before].compactMap(\.self)
            guard tag.map({ $0 == name }) ?? true, digest.map({ names.contains($0.description) }) ?? true else {
                continue
            }
            lines.append(record.line(name))
        }
        guard tag == nil, let digest else { return lines }
        if receipt.release == digest.hex { lines.append("it is the release.json of this release") }
        for object in receipt.objects where object.digest == digest {
            let kind = object.manifestType == nil ? "blob" : "manifest"
            lines.append("\(kind) in \(object.repository): \(object.isAdded ? "brought" : "was there")")
        }
        return lines
    }

    private func findings(in record: PruneRecord) -> [String] {
        var lines = record.names.filter { name in
            (tag.map { $0 == name } ?? true) && (digest.map { name.hasSuffix("@\($0)") } ?? true)
        }.map { "removed \($0)" }
        guard tag == nil, let digest else { return lines }
        for gone in record.gone where gone.release == digest.hex {
            lines.append("what only \(gone.product) \(gone.version) had was removed")
        }
        return lines
    }

    private func findings(in record: UndoRecord) -> [String] {
        record.steps.compactMap { step in
            let isTag = tag.map { $0 == step.name } ?? true
            let isDigest = digest.map { step.digest == $0.description || step.name.hasSuffix($0.description) } ?? true
            guard isTag, isDigest else { return nil }
            return "\(step.action) \(step.name)" + (step.digest.map { " to \($0)" } ?? "")
        }
    }
}

extension LoadTally.TagRecord {
    fileprivate func line(_ name: String) -> String {
        switch action {
        case "new": "tag \(name) made, is \(digest)"
        case "move": "tag \(name) moved from \(before ?? "nothing") to \(digest)"
        default: "tag \(name) was \(digest) already"
        }
    }
}

extension History.Entry {
    fileprivate func text(_ names: [KeyID: String]) -> String {
        var rows: [(String, String)] = [
            ("  receipt", file.path.string), ("  signature", proof.text(names)),
        ]
        let origin = file.origin
        if !origin.user.isEmpty { rows.append(("  run by", origin.text)) }
        if let person = origin.person { rows.append(("  operator", person)) }
        if !approvers.isEmpty { rows.append(("  approved by", approvers.joined(separator: ", "))) }
        let lines = findings.map { "    " + $0.printable }
        return ([file.content.line] + lines + [rows.map { ($0, $1.printable) }.aligned]).joined(separator: "\n")
    }

    private var approvers: [String] {
        guard case .load(let receipt) = file.content else { return [] }
        return receipt.approval?.approvers.map(\.name) ?? []
    }

    fileprivate func json(_ names: [KeyID: String]) -> JSONValue {
        var members: [String: JSONValue] = [
            "receipt": .string(file.path.string), "sha256": .string(file.digest.hex), "time": .string(file.time),
            "target": .string(file.target), "signature": .string(proof.word), "origin": file.origin.json,
            "approvers": .array(approvers.map(JSONValue.string)),
            "findings": .array(findings.map(JSONValue.string)),
        ]
        if case .signed(let id) = proof { members["keyid"] = .string(id.hex) }
        switch file.content {
        case .load(let receipt):
            members["action"] = "load"
            members["release"] = ["product": .string(receipt.product), "version": .string(receipt.version)]
            members["outcome"] = .string(receipt.outcome)
        case .undo(let record):
            members["action"] = "undo"
            members["release"] = ["product": .string(record.product), "version": .string(record.version)]
        case .prune(let record):
            members["action"] = "prune"
            members["releases"] = .array(
                record.gone.map { ["product": .string($0.product), "version": .string($0.version)] })
        }
        return .object(members)
    }
}
