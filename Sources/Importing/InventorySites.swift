// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Cryptography
internal import Files
package import OCI
package import SystemPackage
package import Trust

extension Inventory {
    /// What a signed inventory's statement is about: the file, by its SHA-256.
    package static let predicateType = "urn:dray:inventory:1"

    /// Where the signature of an inventory is: `<name>.sig.json` beside it.
    package static func signatureFile(of inventory: FilePath) -> FilePath { FilePath(inventory.string + ".sig.json") }

    /// Signs an inventory that was written, atomically beside it; returns where. Throws `FileError` and `DSSEError`.
    package static func sign(_ inventory: FilePath, by signer: SiteSigner, at time: UTCTime) throws -> FilePath {
        let subject = Statement.Subject(
            name: inventory.lastComponent?.string ?? "inventory", sha256: try digest(of: inventory).hex)
        let predicate: JSONValue = ["site": .string(signer.name), "time": .string(time.description)]
        let file = signatureFile(of: inventory)
        try file.replaceContents(with: signer.file(of: Statement(about: [subject], predicateType, predicate)))
        return file
    }

    fileprivate static func digest(of inventory: FilePath) throws -> Digest {
        let file = try OpenFile.reading(inventory)
        return try Digest(of: file, size: file.status().size)
    }
}

/// The sites whose inventories are believed on the connected side, by the public keys that they carried out: `NAME.pem` in a
/// folder.
package struct Sites: Sendable {
    /// A site that is known.
    package struct Site: Sendable, Equatable {
        package let name: String
        package let key: TrustKey
    }

    /// An inventory whose signature holds. Whoever reads it then hashes what is read, and compares.
    package struct VerifiedInventory: Sendable, Equatable {
        package let site: Site
        /// SHA-256 of the file that was signed.
        package let digest: Digest
        /// When the site signed it, as it says.
        package let time: String
    }

    package let folder: FilePath
    private static let keyLimit = 64 << 10
    private static let signatureLimit = 1 << 20

    /// Nothing is made or read here.
    package init(_ folder: FilePath) { self.folder = folder }

    private func file(of name: String) -> FilePath { folder.appending("\(name).pem") }

    /// The known sites, sorted by name. Throws `FileError` and `StateError.unreadable`.
    package func all() throws -> [Site] {
        guard try folder.exists() else { return [] }
        return try folder.entries().compactMap { entry in
            let name = String(entry.dropLast(4))
            guard entry.hasSuffix(".pem"), SavedTarget.isName(name) else { return nil }
            do {
                return Site(
                    name: name, key: TrustKey(try PublicKey(pem: file(of: name).contents(limit: Sites.keyLimit))))
            } catch let error as KeyError {
                throw StateError.unreadable(file(of: name), "\(error)")
            }
        }
    }

    /// Takes a site's key from now on; `false` where it is known. Throws `SiteError.badName`, and `siteKnown` for another key.
    package func add(_ name: String, _ key: PublicKey) throws -> Bool {
        guard SavedTarget.isName(name) else { throw SiteError.badName(name) }
        if let known = try all().first(where: { $0.name == name }) {
            guard known.key == TrustKey(key) else { throw SiteError.siteKnown(name, file(of: name)) }
            return false
        }
        try folder.createDirectories()
        try file(of: name).replaceContents(with: Array(key.pem.utf8))
        return true
    }

    /// Checks an inventory by the file beside it: signed by a known site, or by the one that is named.
    ///
    /// Throws `SiteError`: `inventoryUnsigned` and `untrusted` (10), `inventoryChanged` (13), `unknownSite`.
    package func verify(inventory: FilePath, site: String? = nil) throws -> VerifiedInventory {
        let known = try all()
        let sites = known.filter { site == nil || $0.name == site }
        guard !sites.isEmpty else { throw SiteError.unknownSite(site ?? "at all", known: known.map(\.name)) }
        let signature = Inventory.signatureFile(of: inventory)
        guard try signature.exists() else { throw SiteError.inventoryUnsigned(signature) }
        let (statement, signers) = try statement(signature, sites)
        let digest = try Inventory.digest(of: inventory)
        guard statement.subjects.map(\.sha256) == [digest.hex],
            let found = sites.first(where: { signers.contains($0.key.id) })
        else { throw SiteError.inventoryChanged(inventory) }
        var time = ""
        if case .object(let members) = statement.predicate, case .string(let text)? = members["time"] { time = text }
        return VerifiedInventory(site: found, digest: digest, time: time)
    }

    private func statement(_ file: FilePath, _ sites: [Site]) throws -> (Statement, [KeyID]) {
        let bytes = try file.contents(limit: Sites.signatureLimit)
        do throws(DSSEError) {
            return try DSSEEnvelope(parsing: bytes).statement(Inventory.predicateType, by: sites.map(\.key))
        } catch {
            throw SiteError.untrusted(file.string, error)
        }
    }
}
