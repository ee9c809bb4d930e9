// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import OCI
package import SystemPackage
internal import Trust

// Receipts, and records of undos and prunes, form a chain: each names the SHA-256 of the file before it.
extension SiteState {
    /// Receipts, and records of undos and prunes, by name.
    func receiptPaths() throws -> [FilePath] {
        guard try receiptsFolder.exists() else { return [] }
        let names = try receiptsFolder.entries().filter { name in
            [".json", ".undo", ".prune"].contains { name.hasSuffix($0) }
        }
        return names.map { receiptsFolder.appending($0) }
    }

    /// Every readable file of the receipts' folder, by name.
    func receiptFiles() throws -> (files: [ReceiptFile], faults: [StateError]) {
        var files: [ReceiptFile] = []
        var faults: [StateError] = []
        for path in try receiptPaths() {
            do {
                files.append(try ReceiptFile(at: path))
            } catch let error as StateError {
                faults.append(error)
            }
        }
        return (files, faults)
    }

    /// The SHA-256 of the file that the next receipt comes after; `nil` where there is none. The state's lock is held.
    ///
    /// It is the one that no other comes after. Of several, as receipts of version 0.1 leave them, one of the chain counts
    /// before one outside, and then the last by name; the clock may have gone back, so names alone don't tell.
    package func lastReceipt() throws -> Digest? {
        let files = try receiptFiles().files
        let named = Set(files.compactMap(\.previous))
        let ends = files.filter { !named.contains($0.digest.hex) }
        return (ends.last { $0.previous != nil } ?? ends.last)?.digest
    }
}

/// Where a chain of receipts is broken.
package enum ChainFault: Sendable, Equatable {
    /// This file comes after one that isn't here.
    case missing(FilePath, previous: String)
    /// Two files come after the same one.
    case fork(FilePath, FilePath)
    /// A second beginning: nothing leads to this file or from it.
    case loose(FilePath)
}

extension ChainFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let file, let previous):
            "\(file) comes after a receipt with the SHA-256 \(previous.printable), which isn't here: it was removed or changed; "
                + "the registry keeps a copy (history --from-target)"
        case .fork(let first, let second):
            "\(first) and \(second) both come after the same receipt: two copies of this state went on apart"
        case .loose(let file): "\(file) begins a chain of its own: what came before it was removed, or it was put here"
        }
    }
}

/// A chain of receipts, as far as files at hand show it.
package struct ReceiptChain: Sendable {
    package private(set) var faults: [ChainFault] = []
    /// The files that a signed one comes after, directly or through others: its signature proves them too.
    package private(set) var attested: Set<Digest> = []

    /// Looks at files and at those that are `proven` by a signature of their own. A single beginning is allowed; unsigned files
    /// outside of the chain, as version 0.1 left them, are no fault of it.
    package init(_ files: [ReceiptFile], proven: Set<Digest>) {
        let byDigest = Dictionary(files.map { ($0.digest.hex, $0) }) { first, _ in first }
        var after: [String: ReceiptFile] = [:]
        for file in files {
            guard let previous = file.previous else { continue }
            if byDigest[previous] == nil { faults.append(.missing(file.path, previous: previous)) }
            if let other = after.updateValue(file, forKey: previous) { faults.append(.fork(other.path, file.path)) }
        }
        let beginnings = files.filter { $0.previous == nil && ($0.isSigned || after[$0.digest.hex] != nil) }
        faults += beginnings.dropFirst().map { .loose($0.path) }
        for file in files where proven.contains(file.digest) {
            var place = file.previous.flatMap { byDigest[$0] }
            while let found = place, attested.insert(found.digest).inserted {
                place = found.previous.flatMap { byDigest[$0] }
            }
        }
    }
}
