// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
package import SystemPackage
internal import Trust

extension ContentListing {
    /// What an inventory or a receipt lists. `sites`: whose signatures prove it; without one it is listed all the same, as unproven.
    ///
    /// Throws `InventoryError` and `StateError` for what is neither, `SiteError` for a wrong signature or changed bytes.
    package init(site path: FilePath, _ sites: Sites) throws {
        let trust = HoldingTrust(sites: sites, acceptsUnsigned: true)
        guard try InventoryLines.isInventory(path) else {
            try self.init(receipt: path, sites)
            return
        }
        let signed = try trust.allowing { try sites.verify(inventory: path) }
        do {
            var lines = try InventoryLines(path)
            guard let head = try lines.next() else { throw InventoryError.unreadable(path, line: 1, "it is missing") }
            self.init(
                title: "inventory of \(try head["target"].string()), \(try head["time"].string())".printable,
                proof: signed.map { "signed by the site \($0.site.name)" }
                    ?? "NOT CHECKED: no known site has signed it",
                isProven: signed != nil)
            var blobs: [Digest: UInt64] = [:]
            while let line = try lines.next() { try add(line, &blobs) }
            self.blobs = blobs
            let digest = lines.digest()
            guard signed.map({ $0.digest == digest }) ?? true else { throw SiteError.inventoryChanged(path) }
        } catch let error as JSONError {
            throw InventoryError.unreadable(path, line: 0, "\(error)")
        }
    }

    private mutating func add(_ line: JSONCursor, _ blobs: inout [Digest: UInt64]) throws {
        guard try line.optional("problem") == nil, let repository = try line.optional("repository")?.string() else {
            return
        }
        if let tag = try line.optional("tag")?.string() {
            tags[Name(repository: repository, tag: tag)] = try HoldingCollector.digest(line["digest"])
        } else if let names = try line.optional("blobs") {
            let size = try line["size"].int(in: 0...Manifest.largestContent)
            blobs[try HoldingCollector.digest(line["manifest"])] = UInt64(size)
            for blob in try names.elements() {
                let size = try blob["size"].int(in: 0...Manifest.largestContent)
                blobs[try HoldingCollector.digest(blob["digest"])] = UInt64(size)
            }
        }
    }

    private init(receipt path: FilePath, _ sites: Sites) throws {
        let file = try ReceiptFile(at: path)
        let known = try sites.all()
        guard case .load(let receipt) = file.content else { throw StateError.noReceipt(path, "it is of an undo") }
        var signer: String?
        if case .signed(let key) = try file.proof(by: known.map(\.key)) {
            signer = known.first { $0.key.id == key }?.name
        }
        self.init(
            title: "receipt of \(receipt.product) \(receipt.version) in \(receipt.target), \(receipt.finished)"
                .printable,
            proof: signer.map { "signed by the site \($0)" } ?? "NOT CHECKED: no known site has signed it",
            isProven: signer != nil)
        for tag in receipt.counts.tags {
            guard let digest = Digest(written: tag.digest) else { continue }
            tags[Name(repository: tag.repository, tag: tag.tag)] = digest
        }
        guard !receipt.objects.isEmpty else { return }
        blobs = Dictionary(receipt.objects.map { ($0.digest, UInt64($0.size)) }) { first, _ in first }
    }
}

extension Digest {
    /// `nil` for what is no digest.
    fileprivate init?(written text: String) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hex: text.dropFirst(7))
    }
}
