// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
package import SystemPackage
internal import Trust

/// Whose word counts for what a site has.
package struct HoldingTrust: Sendable {
    let sites: Sites
    /// The site it must be; any that is known where it is `nil`.
    let site: String?
    /// Whether a file that no known site has signed is taken all the same. A wrong signature never is.
    let acceptsUnsigned: Bool

    package init(sites: Sites, site: String? = nil, acceptsUnsigned: Bool) {
        (self.sites, self.site, self.acceptsUnsigned) = (sites, site, acceptsUnsigned)
    }

    /// Runs a check; `nil` where nobody known has signed, and that is allowed.
    fileprivate func allowing<Value>(_ check: () throws -> Value) throws -> Value? {
        do {
            return try check()
        } catch let error as SiteError where acceptsUnsigned {
            switch error {
            case .inventoryUnsigned, .unknownSite, .unproven, .untrusted(_, .unknownKey): return nil
            default: throw error
            }
        }
    }
}

extension SiteHolding {
    /// Reads what a site said that it has: an inventory with its signature beside it, or the receipt of a load.
    ///
    /// Throws `SiteError` for what no known site has signed (10) and for what was changed since (13), `InventoryError` and
    /// `StateError` for what is neither.
    package init(reading path: FilePath, by trust: HoldingTrust) throws {
        guard try InventoryLines.isInventory(path) else {
            try self.init(receipt: path, trust)
            return
        }
        do {
            try self.init(inventory: path, trust)
        } catch let error as JSONError {
            throw InventoryError.unreadable(path, line: 0, "\(error)")
        }
    }

    private init(inventory path: FilePath, _ trust: HoldingTrust) throws {
        let signed = try trust.allowing { try trust.sites.verify(inventory: path, site: trust.site) }
        var lines = try InventoryLines(path)
        guard let head = try lines.next() else { throw InventoryError.unreadable(path, line: 1, "it is missing") }
        let source = Release.BaseSite(
            target: try head["target"].string(), time: try head["time"].string(),
            digest: signed?.digest ?? Digest(of: []))
        self.init(source: source)
        var collector = HoldingCollector()
        var isWhole = false
        while let line = try lines.next() {
            isWhole = try line.optional("totals") != nil || isWhole
            guard try line.optional("manifest") != nil, let repository = try line.optional("repository") else {
                continue
            }
            try collector.add(line, in: try repository.string())
        }
        let digest = lines.digest()
        guard signed.map({ $0.digest == digest }) ?? true else { throw SiteError.inventoryChanged(path) }
        guard isWhole else { throw InventoryError.unreadable(path, line: 0, "it has no last line: it was cut off") }
        self.source.digest = digest
        self.source.name = signed?.site.name
        (repositories, blobs) = try collector.finish(path)
    }

    private init(receipt path: FilePath, _ trust: HoldingTrust) throws {
        let file = try ReceiptFile(at: path)
        let known = try trust.sites.all().filter { trust.site == nil || $0.name == trust.site }
        let signer = try trust.allowing { () throws -> String in
            guard case .signed(let key) = try file.proof(by: known.map(\.key)),
                let site = known.first(where: { $0.key.id == key })
            else { throw SiteError.unproven(path) }
            return site.name
        }
        guard case .load(let receipt) = file.content, !receipt.objects.isEmpty else {
            throw StateError.noReceipt(path, "it lists nothing that was loaded")
        }
        self.init(
            source: Release.BaseSite(target: receipt.target, time: receipt.finished, digest: file.digest))
        source.name = signer
        var collector = HoldingCollector()
        // what was not asked back may not be there
        for object in receipt.objects where object.manifestType == nil && object.proof != .none {
            collector.add(object.digest, size: UInt64(object.size), in: object.repository)
        }
        (repositories, blobs) = try collector.finish(path)
    }
}

/// Counts blobs of repositories.
private struct HoldingCollector {
    private var repositories: [String] = []
    private var numbers: [String: UInt32] = [:]
    private var blobs: [Digest: SiteHolding.Blob] = [:]
    /// A manifest's blobs stand with its first line alone.
    private var manifests: [Digest: [(Digest, UInt64)]] = [:]

    mutating func add(_ line: JSONCursor, in repository: String) throws {
        let manifest = try HoldingCollector.digest(line["manifest"])
        if let names = try line.optional("blobs") {
            manifests[manifest] = try names.elements().map { blob in
                (
                    try HoldingCollector.digest(blob["digest"]),
                    UInt64(try blob["size"].int(in: 0...Manifest.largestContent))
                )
            }
        }
        for (digest, size) in manifests[manifest] ?? [] { add(digest, size: size, in: repository) }
    }

    mutating func add(_ digest: Digest, size: UInt64, in repository: String) {
        let number = numbers[repository] ?? UInt32(repositories.count)
        if number == repositories.count {
            repositories.append(repository)
            numbers[repository] = number
        }
        var blob = blobs[digest] ?? SiteHolding.Blob(size: size, repositories: [])
        if blob.repositories.last != number, !blob.repositories.contains(number) { blob.repositories.append(number) }
        blobs[digest] = blob
    }

    /// Throws `InventoryError.unreadable` for what is no repository: the names go into a signed release.
    func finish(_ path: FilePath) throws -> ([String], [Digest: SiteHolding.Blob]) {
        if let wrong = repositories.first(where: { !Reference.isRepository($0) }) {
            throw InventoryError.unreadable(path, line: 0, "\(wrong.printable) is no repository")
        }
        return (repositories, blobs)
    }

    private static func digest(_ cursor: JSONCursor) throws -> Digest {
        guard let digest = try? Digest(parsing: cursor.string()) else { throw cursor.invalid("a digest") }
        return digest
    }
}
