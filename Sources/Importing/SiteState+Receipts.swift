// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage
internal import Trust

// Receipts as people look for them, whatever they were loaded into.
extension SiteState {
    /// The receipts that are kept, the newest first, and what is wrong with those that can't be read. Throws `FileError`.
    package func receipts() throws -> (readable: [(receipt: Receipt, file: FilePath)], faults: [String]) {
        guard try receiptsFolder.exists() else { return ([], []) }
        var readable: [(receipt: Receipt, file: FilePath)] = []
        var faults: [String] = []
        for entry in try receiptsFolder.entries().sorted().reversed() where entry.hasSuffix(".json") {
            let file = receiptsFolder.appending(entry)
            do {
                readable.append((try Receipt(at: file), file))
            } catch let error as StateError {
                faults.append("\(error)")
            }
        }
        return (readable, faults)
    }

    /// The receipt that a user means: a file, or the newest of a release, by `version` or `product-version`, whatever its
    /// target and outcome; the newest at all where `name` is `nil`.
    ///
    /// Throws `StateError.noReceipts` and `noReceipt`.
    package func receipt(_ name: String?) throws -> (receipt: Receipt, file: FilePath) {
        if let name, try FilePath(name).statusIfPresent()?.isRegular == true {
            return (try Receipt(at: FilePath(name)), FilePath(name))
        }
        let known = try receipts().readable
        guard let found = known.first(where: { name == nil || $0.receipt.names.contains(name ?? "") }) else {
            throw StateError.noReceipts(name, receiptsFolder, known: Set(known.map(\.receipt.names[1])).sorted())
        }
        return found
    }

    /// What `receipt list` prints; `words`: `--state` and its folder, or nothing.
    package func receiptListing(_ words: [String]) throws -> Report {
        let (receipts, faults) = try receipts()
        let rows = receipts.map { [$0.receipt.finished, $0.receipt.names[1], $0.receipt.outcome, $0.receipt.target] }
        let show = ["dray-import", "receipt", "show", "RELEASE"] + words
        return Report(
            text: rows.isEmpty ? "no load has left a receipt in \(receiptsFolder)" : rows.columns,
            json: .array(
                receipts.map { receipt, file in
                    [
                        "file": .string(file.string), "product": .string(receipt.product),
                        "version": .string(receipt.version), "target": .string(receipt.target),
                        "outcome": .string(receipt.outcome), "finished": .string(receipt.finished),
                    ]
                }), warnings: faults,
            next: rows.isEmpty
                ? [] : ["# put one of these releases, or a receipt's file, for RELEASE:", show.shellLine])
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
    package func receipt(_ name: String?, at address: String) throws -> (receipt: Receipt, file: FilePath) {
        if let name, try FilePath(name).statusIfPresent()?.isRegular == true {
            return (try Receipt(at: FilePath(name)), FilePath(name))
        }
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
    /// Receipts of loads of other releases into the same target that ended well and were not undone.
    package func otherReceipts(than receipt: Receipt) throws -> [Receipt] {
        guard try receiptsFolder.exists() else { return [] }
        let names = try receiptsFolder.entries()
        let undone = Set(try names.filter { $0.hasSuffix(".undo") }.compactMap(undone))
        return try names.filter { $0.hasSuffix(".json") }.sorted().compactMap { name in
            let other = try Receipt(at: receiptsFolder.appending(name))
            guard other.target == receipt.target, other.release != receipt.release, other.outcome == "done" else {
                return nil
            }
            return undone.contains(other.release + other.finished) ? nil : other
        }
    }

    /// The release and time of a load that this record says was undone.
    private func undone(_ name: String) throws -> String? {
        let file = receiptsFolder.appending(name)
        do {
            let limit = Receipt.maximumSize
            let record = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
            return try record["release"].string() + record["finished"].string()
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }
}
