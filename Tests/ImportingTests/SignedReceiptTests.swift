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

/// A site with a key of its own, loading into Debian's docker-registry.
struct SignedReceiptTests {
    private let site: Site
    private let server: RegistryServer
    private var target: RegistryTarget { get throws { try registryTarget(server.url + "/spectro-content") } }

    init() throws {
        (site, server) = (try Site(), try RegistryServer())
        _ = try site.makeKey()
    }

    private func lastFile() throws -> FilePath {
        site.state.receiptsFolder.appending(try #require(try site.receipts.last))
    }

    @Test func `a load's receipt is signed, says who and what, and names the one before it`() throws {
        let first = try site.load(target, person: "A. Turing")
        let firstFile = try lastFile()
        #expect(first.previous == nil)
        let second = try site.load(target, person: "A. Turing", later: 60)
        #expect(second.previous == Digest(of: try firstFile.contents(limit: 1 << 24)).hex)
        let kept = try site.state.keptReceipt(lastFile())
        #expect(kept.receipt == second)
        #expect(kept.proof == .signed(try #require(try site.state.siteKey()).key.id))
        #expect(second.origin.person == "A. Turing")
        #expect(!second.origin.user.isEmpty && !second.origin.host.isEmpty)
        #expect(second.origin.certificate == nil)  // http has none
        #expect((second.threshold, second.keyCount) == (1, 1))
        #expect(second.timestampVersion == 1 && second.snapshotVersion == 1 && second.targetsVersion == 1)
        let report = try site.verification().report()
        #expect(report.failure == nil, "\(report.text)")
        #expect(report.text.contains("chain:    unbroken"))
        #expect(report.text.contains("DRAY_SIGNATURES_VERIFIED DRAY_THRESHOLD_1_OF_1 DRAY_LOADED DRAY_READ_BACK_HEAD"))
    }

    @Test func `openssl and securesystemslib check it, by the recipe of the documentation`() throws {
        _ = try site.load(target)
        let page = String(
            decoding: try SourceTree.root.appending("docs/receipts.md").contents(limit: 1 << 20), as: UTF8.self)
        let recipe = try #require(page.split(separator: "```").first { $0.hasPrefix("sh\n") }).dropFirst(3)
        let shell = Shell()
        try shell.write(try lastFile().contents(limit: 1 << 20), "receipt.json")
        try shell.write(try site.state.sitePublicKeyFile.contents(limit: 1 << 20), "pub.pem")
        #expect(shell.run("RECEIPT=receipt.json PUB=pub.pem\n\(recipe)"))
        #expect(String(decoding: try shell.read("log"), as: UTF8.self) == "Verified OK\n")
        #expect(shell.run(#"jq -e '.predicate.verifier.policies == [] and .predicate.dray.outcome == "done"' payload"#))
        let python = SourceTree.root.appending(".build/python/bin/python3")
        try #require(try python.exists(), "securesystemslib is missing: scripts/setup --test")
        let script = SourceTree.root.appending("Tests/python/check_dsse.py")
        #expect(shell.run("\(python) \(script) receipt.json pub.pem \(Receipt.predicateType)"))
        #expect(String(decoding: try shell.read("log"), as: UTF8.self).hasPrefix("ok ecdsa-sha2-nistp384 "))
        try shell.write(Array(try PrivateKey.generate().publicKey.pem.utf8), "pub.pem")
        #expect(!shell.run("RECEIPT=receipt.json PUB=pub.pem\n\(recipe)"))
    }

    @Test func `a receipt changed in the chain, one taken out and one put in are found`() throws {
        for minute in 0..<3 { _ = try site.load(target, later: Int64(60 * minute)) }
        let files = try site.receipts.map { site.state.receiptsFolder.appending($0) }
        let middle = try files[1].contents(limit: 1 << 24)
        var envelope = try #require(String(validating: middle, as: UTF8.self))
        envelope = envelope.replacing("\"payload\":\"e", with: "\"payload\":\"f")
        try files[1].replaceContents(with: Array(envelope.utf8))
        #expect(try site.verification().report().failure == .damaged)  // the payload is no statement any more
        try files[1].removeFile()
        let broken = try site.verification().report()
        #expect(broken.failure == .damaged)
        #expect(broken.text.contains("chain:    BROKEN in 1 place"))
        try files[1].replaceContents(with: middle)
        #expect(try site.verification().report().failure == nil)
        let foreign = try site.signer(named: "other", try PrivateKey.generate())
        let last = try site.state.keptReceipt(files[2]).receipt
        _ = try last.write(in: site.state, signedBy: foreign)
        let forked = try site.verification().report()
        #expect(forked.failure == .notTrusted)
        #expect(forked.warnings.contains { $0.contains("both come after the same receipt") })
    }

    @Test func `a signature that doesn't hold is refused wherever the receipt is used`() throws {
        let receipt = try site.load(target)
        let file = try lastFile()
        let other = try site.signer(named: "Site 7", try PrivateKey.generate())
        let id = try #require(try site.state.siteKey()).key.id.hex
        let forged = String(decoding: try receipt.file(signedBy: other), as: UTF8.self)
        try file.replaceContents(with: Array(forged.utf8))
        #expect(try site.state.keptReceipt(file).proof == .unknownKey([other.id.hex]))
        #expect(try site.verification().report().failure == .notTrusted)
        try file.replaceContents(with: Array(forged.replacing(other.id.hex, with: id).utf8))
        let error = #expect(throws: SiteError.self) { try site.state.keptReceipt(file) }
        #expect(error?.failure == .notTrusted)
        #expect(try site.verification().report().failure == .notTrusted)
        #expect(try site.state.receipts().readable.isEmpty)
        #expect(try site.state.receipts().faults.count == 1)
    }

    @Test func `an undo's record is signed and in the chain too`() throws {
        let receipt = try site.load(target)
        let undo = try Undo(receipt, at: target, jobs: 1, progress: Progress())
        let report = undo.report(receipt, refused: [], again: "again")
        let file = try undo.record(
            report, receipt: receipt, at: PackedSample.now.adding(days: 1), in: site.state,
            signedBy: try site.signer(), tool: "test", person: "B")
        guard case .undo(let record) = try ReceiptFile(at: file).content else {
            Issue.record("no record of an undo")
            return
        }
        #expect(record.origin.person == "B" && record.release == receipt.release && record.previous != nil)
        #expect(try site.verification().report().failure == nil)
        #expect(try site.state.otherReceipts(than: Receipt()).isEmpty)  // undone, so nobody's
    }

    @Test func `a site that has a key loads nothing unsigned`() throws {
        let error = #expect(throws: SiteError.self) { try site.load(target, signer: .some(nil)) }
        #expect(error == .keyNotOpened(site.state.sitePublicKeyFile))
        #expect(try site.receipts.isEmpty)
    }

    @Test func `no receipt holds the registry's password`() throws {
        var options = RegistryServer.Options()
        options.login = ("loader", "Pa55w0rd-of-ours")
        let server = try RegistryServer(options)
        let login = Credentials(username: "loader", password: "Pa55w0rd-of-ours")
        let receipt = try site.load(registryTarget(server.url + "/spectro-content", login: login))
        #expect(receipt.origin.account == "loader")
        let file = try ReceiptFile(at: lastFile())
        guard case .load(let read) = file.content else { return }
        #expect(!String(decoding: read.encoded, as: UTF8.self).contains("Pa55w0rd"))
    }

    @Test func `the certificate that the registry shows is in the receipt`() throws {
        var options = RegistryServer.Options()
        options.tls = true
        let server = try RegistryServer(options)
        let authority = try #require(server.certificates).authority
        let receipt = try site.load(registryTarget(server.url + "/spectro-content", certificate: authority))
        let shell = Shell()
        #expect(
            shell.run(
                "openssl s_client -connect 127.0.0.1:\(server.port) </dev/null 2>/dev/null | openssl x509 -outform DER | sha256sum"
            ))
        #expect(receipt.origin.certificate == String(decoding: try shell.read("log").prefix(64), as: UTF8.self))
        #expect(receipt.properties.contains("DRAY_TLS_VERIFIED"))
    }
}

/// Files that claim to be receipts.
struct HostileReceiptTests {
    private let site: Site
    private let key: PrivateKey

    init() throws {
        site = try Site()
        key = try PrivateKey.generate()
    }

    private func read(_ bytes: [UInt8]) throws -> ReceiptFile {
        let file = site.folder.appending("hostile.json")
        try file.replaceContents(with: bytes)
        return try ReceiptFile(at: file)
    }

    private var receipt: Receipt {
        var receipt = Receipt()
        receipt.release = String(repeating: "0a", count: 32)
        return receipt
    }

    @Test func `duplicate members, other payloads and other predicates are no receipts`() throws {
        let good = String(decoding: try receipt.statement.signed(by: key).encoded, as: UTF8.self)
        #expect(try read(Array(good.utf8)).content == .load(receipt))
        let hostile: [[UInt8]] = [
            Array(good.replacing("\"payloadType\"", with: "\"payloadType\":\"x\",\"payloadType\"").utf8),
            try DSSEEnvelope(signing: receipt.statement.bytes, type: "application/json", by: key).encoded,
            try Statement(about: receipt.statement.subjects, "https://slsa.dev/provenance/v1", receipt.json)
                .signed(by: key).encoded,
            try Statement(about: receipt.statement.subjects, Receipt.predicateType, ["dray": receipt.json])
                .signed(by: key).encoded,
            try Statement(about: receipt.statement.subjects, Receipt.predicateType, ["properties": [], "dray": 1])
                .signed(by: key).encoded,
            Array("{\"payloadType\":1}".utf8), Array(good.utf8) + Array("{}".utf8), [], [0xff, 0xfe],
            receipt.encoded.dropLast(3) + Array(",\"format\":1}".utf8),
        ]
        for bytes in hostile {
            let error = #expect(throws: StateError.self) { try read(bytes) }
            #expect(error?.failure == .damaged)
        }
    }

    @Test func `a file that is too large isn't read`() throws {
        let file = site.folder.appending("large.json")
        try OpenFile.creating(file).truncate(to: UInt64(DSSEEnvelope.maximumSize) + 1)
        #expect(throws: FileError.self) { try ReceiptFile(at: file) }
    }

    @Test func `a receipt from before the key is proven by the signed one after it`() throws {
        let server = try RegistryServer()
        let target = try registryTarget(server.url + "/base")
        _ = try site.load(target)
        _ = try site.makeKey()
        let second = try site.load(target, later: 60)
        #expect(second.previous != nil)
        let report = try site.verification().report()
        #expect(report.failure == nil, "\(report.text)")
        #expect(report.text.contains("a later receipt that is signed names its digest"))
    }
}
