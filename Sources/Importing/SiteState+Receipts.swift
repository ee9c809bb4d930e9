// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import OCI
package import SystemPackage
package import Trust

/// A receipt that is kept, with what proves it.
package struct KeptReceipt: Sendable {
    package let receipt: Receipt
    package let file: FilePath
    package let proof: ReceiptFile.Proof
    /// SHA-256 of the file.
    package let digest: Digest
}

extension SiteState {
    /// Whether what a receipt says may be taken back: a site with a key undoes only what that key has proven, itself or by a
    /// later receipt that names this one's bytes. Throws `SiteError.unproven` (10), and `LoadError.approvalNeeded` where policy
    /// leaves nothing to one person alone: a plan of the older release, approved, is the way back there.
    package func checkUndo(of kept: KeptReceipt) throws {
        guard try !policy().requireApproval else { throw LoadError.approvalNeeded }
        guard try siteKey() != nil else { return }
        if case .signed = kept.proof { return }
        let isNamed = try receipts().readable.contains { later in
            guard case .signed = later.proof else { return false }
            return later.receipt.previous == kept.digest.hex
        }
        guard isNamed else { throw SiteError.unproven(kept.file) }
    }
}

// Receipts as people look for them, whatever they were loaded into.
extension SiteState {
    /// Makes the folder of receipts, and takes away what a run that was killed had begun to write there: its name holds the time,
    /// so that no other would write over it. Under the state's lock.
    func prepareReceipts() throws {
        try receiptsFolder.createDirectories()
        for name in try receiptsFolder.entries() where name.hasPrefix(".") && name.hasSuffix(".new") {
            try receiptsFolder.appending(name).removeFile()
        }
    }

    /// The receipts that are kept, the newest first, and what is wrong with those that can't be read or believed. Throws
    /// `FileError`.
    package func receipts() throws -> (readable: [KeptReceipt], faults: [String]) {
        guard try receiptsFolder.exists() else { return ([], []) }
        let keys = try receiptKeys()
        var readable: [KeptReceipt] = []
        var faults: [String] = []
        for entry in try receiptsFolder.entries().sorted().reversed() where entry.hasSuffix(".json") {
            do {
                readable.append(try keptReceipt(receiptsFolder.appending(entry), keys))
            } catch let error as StateError {
                faults.append("\(error)")
            } catch let error as SiteError {
                faults.append("\(error)")
            }
        }
        return (readable, faults)
    }

    /// The keys whose signatures prove receipts here: the site's.
    package func receiptKeys() throws -> [TrustKey] { try siteKey().map { [$0.key] } ?? [] }

    /// What those keys are called.
    package func receiptKeyNames() throws -> [KeyID: String] {
        try siteKey().map { [$0.key.id: "the key of \($0.name)"] } ?? [:]
    }

    /// Reads the receipt of a load, and checks its signature where it has one of the site's key. Throws
    /// `StateError.noReceipt`, and `SiteError.untrusted` for a signature that doesn't hold.
    package func keptReceipt(_ file: FilePath) throws -> KeptReceipt { try keptReceipt(file, receiptKeys()) }

    private func keptReceipt(_ path: FilePath, _ keys: [TrustKey]) throws -> KeptReceipt {
        let file = try ReceiptFile(at: path)
        guard case .load(let receipt) = file.content else {
            throw StateError.noReceipt(path, "it is the record of an undo")
        }
        return KeptReceipt(receipt: receipt, file: path, proof: try file.proof(by: keys), digest: file.digest)
    }

    /// The receipt that a user means: a file, or the newest of a release, by `version` or `product-version`, whatever its
    /// target and outcome; the newest at all where `name` is `nil`.
    ///
    /// Throws `StateError.noReceipts` and `noReceipt`, and `SiteError.untrusted`.
    package func receipt(_ name: String?) throws -> KeptReceipt {
        if let name, try FilePath(name).statusIfPresent()?.isRegular == true { return try keptReceipt(FilePath(name)) }
        let known = try receipts().readable
        guard let found = known.first(where: { name == nil || $0.receipt.names.contains(name ?? "") }) else {
            throw StateError.noReceipts(name, receiptsFolder, known: Set(known.map(\.receipt.names[1])).sorted())
        }
        return found
    }

    /// What `receipt list` prints; `words`: `--state` and its folder, or nothing.
    package func receiptListing(_ words: [String]) throws -> Report {
        let (receipts, faults) = try receipts()
        let rows = receipts.map { kept in
            let receipt = kept.receipt
            let mark = receipt.facts.isPreview ? " (PREVIEW)" : ""
            return [receipt.finished, receipt.names[1] + mark, receipt.outcome, kept.proof.shortText, receipt.target]
        }
        let isUnproven = receipts.contains { $0.proof == .unsigned }
        let warning = "receipts that are not signed prove nothing; site init makes the key that signs those to come"
        let show = ["dray-import", "receipt", "show", "RELEASE"] + words
        return Report(
            text: rows.isEmpty ? "no load has left a receipt in \(receiptsFolder)" : rows.columns,
            json: .array(
                receipts.map { kept in
                    let receipt = kept.receipt
                    return [
                        "file": .string(kept.file.string), "signature": .string(kept.proof.word),
                        "product": .string(receipt.product),
                        "version": .string(receipt.version), "target": .string(receipt.target),
                        "outcome": .string(receipt.outcome), "finished": .string(receipt.finished),
                        "kind": receipt.facts.kind.map { .string($0.rawValue) } ?? .null,
                        "preview": .bool(receipt.facts.isPreview),
                    ]
                }), warnings: faults + (isUnproven ? [warning] : []),
            next: rows.isEmpty
                ? [] : ["# put one of these releases, or a receipt's file, for RELEASE:", show.shellLine])
    }
}

extension ReceiptFile.Proof {
    fileprivate var shortText: String {
        switch self {
        case .unsigned: "not signed"
        case .signed: "signed"
        case .unknownKey: "unknown key"
        }
    }
}

extension Receipt {
    /// What a user may call its release: the version, and the product with it.
    fileprivate var names: [String] { [version, "\(product)-\(version)"] }
}

extension [[String]] {
    /// Lines whose words stand below one another.
    fileprivate var columns: String {
        let widths = (first ?? []).indices.map { column in map { $0[column].count }.max() ?? 0 }
        return map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
                .trimmingEnd
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var trimmingEnd: String { String(self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)]) }
}

extension SiteState {
    /// The receipt that a user means: a file, or the newest in the state of a release, by `version` or `product-version`, at this
    /// address; the newest at all where `name` is `nil`. A receipt of a load that ended well comes before others.
    ///
    /// Throws `StateError.noSuchRelease` and `noReceipt`.
    package func receipt(_ name: String?, at address: String) throws -> KeptReceipt {
        if let name, try FilePath(name).statusIfPresent()?.isRegular == true { return try keptReceipt(FilePath(name)) }
        let all = try receipts().readable
        let names = { (receipt: Receipt) in [receipt.version, "\(receipt.product)-\(receipt.version)"] }
        let here = all.filter { entry in
            entry.receipt.target == address && (name.map { names(entry.receipt).contains($0) } ?? true)
        }
        guard let found = here.first(where: { $0.receipt.outcome == "done" }) ?? here.first else {
            throw StateError.noSuchRelease(name, address, known: Set(all.map { names($0.receipt)[1] }).sorted())
        }
        return found
    }
}

extension SiteState {
    /// Receipts of loads of other releases into the same target that ended well and were neither undone nor pruned.
    package func otherReceipts(than receipt: Receipt) throws -> [Receipt] {
        try releases(at: receipt.target).releases.filter { $0.newest.release != receipt.release }.flatMap(\.receipts)
            .filter { $0.outcome == "done" }.sorted { $0.finished < $1.finished }
    }
}
