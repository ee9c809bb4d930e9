// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import Importing
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

/// What a site says that it has, read on the connected side.
struct HoldingTests {
    private let site: Site
    private let server: RegistryServer
    private let folder = TemporaryFolder()
    private let key: PublicKey
    private var file: FilePath { folder.appending("site.jsonl") }
    private var sites: Sites { Sites(folder.appending("sites")) }

    init() throws {
        (site, server) = (try Site(), try RegistryServer())
        _ = try site.makeKey()
        key = try PublicKey(pem: site.state.sitePublicKeyFile.contents(limit: 1 << 16))
    }

    private func load() throws -> any LoadTarget {
        let target = try registryTarget("\(server.url)/spectro-content")
        _ = try site.load(target)
        return target
    }

    private func inventory(isSigned: Bool = true) throws {
        _ = try Inventory(of: load(), tool: "test").write(to: file, now: PackedSample.now, progress: Progress())
        guard isSigned else { return }
        let signer = try #require(try site.signer())
        _ = try Inventory.sign(file, by: signer, at: PackedSample.now)
    }

    private func holding(_ path: FilePath, unsigned: Bool = false) throws -> SiteHolding {
        try SiteHolding(reading: path, by: HoldingTrust(sites: sites, acceptsUnsigned: unsigned))
    }

    /// Every blob of the release stands in every repository whose manifests name it.
    private func check(_ holding: SiteHolding) throws {
        let content = try RegistryContent(site.verified())
        for item in content.items {
            for blob in item.blobs where blob.size > 0 {
                let found = try #require(holding.blobs[blob.digest])
                #expect(found.size == UInt64(blob.size))
                #expect(found.repositories.map { holding.repositories[Int($0)] }.contains(item.reference.repository))
            }
        }
    }

    @Test func `a signed inventory and a signed receipt of a known site tell the same`() throws {
        try inventory()
        _ = try sites.add("site7", key)
        let fromInventory = try holding(file)
        #expect(fromInventory.source.name == "site7" && fromInventory.source.target == "\(server.url)/spectro-content")
        try check(fromInventory)
        let receipt = site.state.receiptsFolder.appending(try #require(try site.receipts.last))
        let fromReceipt = try holding(receipt)
        #expect(fromReceipt.source.name == "site7")
        try check(fromReceipt)
        let compared = try ContentListing(site: file, sites)
        let other = try ContentListing(site: receipt, sites)
        #expect(compared.isProven && other.isProven)
        let difference = ContentDifference(from: compared, to: other)
        #expect(difference.isEmpty && difference.need?.bytes == 0, "\(difference)")
    }

    @Test func `what no known site has signed is refused, unless it is allowed by name`() throws {
        try inventory()
        let receipt = site.state.receiptsFolder.appending(try #require(try site.receipts.last))
        for path in [file, receipt] {
            let unknown = #expect(throws: SiteError.self) { try holding(path) }
            #expect(unknown.map { [.usage, .notTrusted].contains($0.failure) } ?? false)
            #expect(try holding(path, unsigned: true).source.name == nil)
        }
        _ = try sites.add("other", PrivateKey.generate(.p384).publicKey)
        for path in [file, receipt] {
            let error = #expect(throws: SiteError.self) { try holding(path) }
            #expect(error?.failure == .notTrusted)
        }
        try Inventory.signatureFile(of: file).removeFile()
        let error = #expect(throws: SiteError.self) { try holding(file) }
        #expect(error == .inventoryUnsigned(Inventory.signatureFile(of: file)))
    }

    @Test func `what was changed after it was signed is refused, even where unsigned files are allowed`() throws {
        try inventory()
        _ = try sites.add("site7", key)
        var bytes = try file.contents(limit: 1 << 26)
        bytes[bytes.count / 2] ^= 1
        try file.replaceContents(with: bytes)
        #expect(throws: SiteError.inventoryChanged(file)) { try holding(file, unsigned: true) }
    }

    @Test(arguments: [
        "", "{\"format\":\"dray-inventory 1\"", "not json\n", "{\"format\":\"dray-inventory 1\"}\n",
        "{\"format\":\"dray-inventory 1\",\"target\":\"t\",\"time\":\"now\"}\n",
        "{\"format\":\"dray-inventory 1\",\"target\":\"t\",\"time\":\"now\"}\n{\"manifest\":\"x\",\"repository\":\"a\"}\n",
        "{\"format\":\"dray-inventory 1\",\"target\":\"t\",\"time\":\"now\"}\n{\"totals\":{}}",
    ]) func `what is no whole inventory is refused`(_ text: String) throws {
        try file.replaceContents(with: Array(text.utf8))
        let error = #expect(throws: (any Error).self) { try holding(file, unsigned: true) }
        #expect(error is InventoryError || error is StateError, "\(String(describing: error))")
    }
}
