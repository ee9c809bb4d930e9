// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing
import Trust

struct ReceiptTests {
    private let folder = TemporaryFolder()

    private func sample() -> Receipt {
        var receipt = Receipt()
        (receipt.product, receipt.version, receipt.edition) = ("palette-enterprise", "4.7.27", "palette")
        (receipt.target, receipt.tool) = ("https://zot:30003/spectro-content", "dray-import 1")
        (receipt.started, receipt.finished) = ("2026-11-21T03:00:00Z", "2026-11-21T03:01:02Z")
        receipt.signers = ["aa", "bb"]
        receipt.counts.pushed = .init(blobs: 3, bytes: 12345)
        receipt.counts.tags = [
            .init(repository: "a/b", tag: "1", digest: "sha256:x", before: nil, action: "new"),
            .init(repository: "a/b", tag: "2", digest: "sha256:x", before: "sha256:y", action: "move"),
        ]
        receipt.counts.readBack = .init(manifests: 1, tags: 2, blobs: 3, isComplete: true)
        receipt.findings = ["something"]
        return receipt
    }

    @Test func `a receipt is read as it was written`() throws {
        var receipt = sample()
        #expect(try Receipt(parsing: receipt.encoded) == receipt)
        receipt.note(Interrupted())
        #expect(receipt.exitCode == 130)
        #expect(receipt.outcome == "interrupted")
        #expect(try Receipt(parsing: receipt.encoded) == receipt)
    }

    @Test func `a receipt never replaces another one`() throws {
        let state = SiteState(folder.path)
        let first = try sample().write(in: state)
        let second = try sample().write(in: state)
        #expect(first.lastComponent?.string == "20261121T030102Z-palette-enterprise-4.7.27.json")
        #expect(second.lastComponent?.string == "20261121T030102Z-palette-enterprise-4.7.27-2.json")
    }

    @Test func `for people it names the moved tags with what they were`() {
        let text = sample().report(file: nil).text
        #expect(text.contains("a/b:2 was sha256:y, is sha256:x"))
        #expect(!text.contains("a/b:1 was"))
        #expect(text.contains("tags:          1 new, 0 unchanged, 1 moved"))
        #expect(text.contains("read back:     1 manifest, 2 tags, 3 blobs are there"))
    }

    @Test func `a check that was skipped is seen`() {
        var receipt = sample()
        #expect(!receipt.report(file: nil).text.contains("NOT CHECKED"))
        receipt.skippedTLSVerify = true
        #expect(receipt.report(file: nil).text.contains("NOT CHECKED"))
    }

    @Test func `a receipt of another format is refused`() {
        let text = String(decoding: sample().encoded, as: UTF8.self).replacing(#""format":1"#, with: #""format":2"#)
        #expect(throws: JSONError.invalid(path: "format", expected: "from 1 to 1")) {
            try Receipt(parsing: Array(text.utf8))
        }
    }

    @Test func `a receipt of version 0_1 is read without what came later`() throws {
        guard case .object(var members) = sample().json, case .object(var trust) = members["trust"] else { return }
        for name in ["origin", "previous", "objects", "packs", "planned", "done", "stagingLeft"] { members[name] = nil }
        for name in ["timestampVersion", "snapshotVersion", "threshold", "keys"] { trust[name] = nil }
        members["trust"] = .object(trust)
        var expected = sample()
        expected.origin = ReceiptOrigin()
        #expect(try Receipt(parsing: JSONValue.object(members).canonicalBytes) == expected)
    }

    @Test func `what the release says of itself comes back, and is not there in older receipts`() throws {
        var receipt = sample()
        receipt.facts.kind = .fix
        receipt.facts.needs = [Release.Name(product: "palette-enterprise", version: "4.7.15")]
        (receipt.facts.upgradesFrom, receipt.facts.isPreview) = (["4.7.15"], true)
        receipt.facts.capabilities = ["backup"]
        let calico = Release.Layer(
            layer: "cni", component: "calico", version: "3.29.2", fips: true, isDeclared: true)
        receipt.facts.profile = Release.Profile(layers: [calico], platforms: ["maas"])
        let digest = try Digest(parsing: "sha256:" + String(repeating: "a", count: 64))
        var base = Release.Base()
        base.sites = [Release.BaseSite(target: "https://zot:30003", time: "2026-11-21T03:00:00Z", digest: digest)]
        receipt.facts.base = base
        receipt.assumedReleases = ["palette-enterprise-4.7.15"]
        #expect(try Receipt(parsing: receipt.encoded) == receipt)
        #expect(receipt.report(file: nil).text.contains("4.7.27 (palette), PREVIEW, not for production"))
        #expect(try Receipt(parsing: sample().encoded).facts == ReceiptFacts())
        #expect(!sample().report(file: nil).text.contains("PREVIEW"))
    }

    @Test func `who approved, what had expired and the FIPS module come back`() throws {
        var receipt = sample()
        receipt.approval = ReceiptApproval(plan: "ab", approvers: [.init(keyID: "cd", name: "Grace")])
        receipt.expiredAccepted = ReceiptExpiry(reason: "no courier until May", files: ["timestamp.json"])
        receipt.crypto = ["fips": true, "module": "fips.so"]
        (receipt.previous, receipt.origin) = ("ef", .here(person: "Alan"))
        (receipt.origin.account, receipt.origin.certificate) = ("loader", "0123")
        #expect(try Receipt(parsing: receipt.encoded) == receipt)
        #expect(receipt.properties.contains("DRAY_EXPIRED_ACCEPTED") && receipt.properties.contains("DRAY_FIPS"))
        let text = receipt.report(file: nil).text
        for part in ["Grace (key cd)", "no courier until May", "Alan", "SHA-256 0123"] { #expect(text.contains(part)) }
    }
}
