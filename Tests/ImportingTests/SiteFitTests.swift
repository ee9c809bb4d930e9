// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import Testing

@testable import Importing

/// What a site is told of a release beside those that it has.
struct SiteFitTests {
    private let address = "https://zot:30003/spectro-content"
    private let product = "palette-enterprise"

    private func fit(_ release: Release, _ files: [ReceiptFile], assumed: [String] = []) throws -> SiteFit {
        SiteFit(release, try SiteReleases(files, at: address, keys: []), at: address, assumed: assumed)
    }

    private func needing(_ version: String) -> Release {
        madeRelease(product, "4.7.15-fix1") {
            $0.kind = .fix
            $0.needs = [Release.Name(product: product, version: version)]
        }
    }

    @Test func `what a release needs must be there by a receipt of this target, or a person's word`() throws {
        let there = try receiptFile(product, "4.7.15")
        #expect(try fit(needing("4.7.15"), [there]).unmet.isEmpty)
        #expect(try fit(needing("4.7.3"), [there]).unmet == ["palette-enterprise-4.7.3"])
        #expect(try fit(needing("4.7.3"), [there], assumed: ["palette-enterprise-4.7.3"]).unmet.isEmpty)
        let elsewhere = try receiptFile(product, "4.7.15", at: "https://other:30003")
        let failed = try receiptFile(product, "4.7.15") { $0.outcome = "failed" }
        for file in [elsewhere, failed] {
            let fit = try fit(needing("4.7.15"), [file])
            #expect(fit.unmet == ["palette-enterprise-4.7.15"])
            #expect(fit.objection?.failure == .refused)
            #expect(fit.objection?.description.contains("--assume-release palette-enterprise-4.7.15") == true)
        }
    }

    @Test func `an upgrade path that the release doesn't list is named, and one that it lists is not`() throws {
        let release = madeRelease(product, "4.7.27") {
            ($0.kind, $0.upgradesFrom) = (.appliance, ["4.7.15", "4.7.20"])
        }
        let old = try receiptFile(product, "4.7.3", finished: "2026-01-01T00:00:00Z")
        let warning = try #require(try fit(release, [old]).warnings.first)
        for part in [
            "is 4.7.3,", "4.7.27 lists no upgrade from", "4.7.15, 4.7.20", "--assume-release palette-enterprise-4.7.20",
        ] {
            #expect(warning.contains(part), "\(warning)")
        }
        #expect(try fit(release, [old, receiptFile(product, "4.7.15")]).warnings.isEmpty)
        #expect(try fit(release, [old], assumed: ["palette-enterprise-4.7.20"]).warnings.isEmpty)
        #expect(try fit(release, []).warnings.isEmpty)
        #expect(try fit(release, [old, receiptFile(product, "4.7.27")]).warnings.isEmpty)
        #expect(try fit(madeRelease(product, "4.7.27"), [old]).warnings.isEmpty)
        // a pack or a fix is no step on the way of an appliance
        let fix = try receiptFile(product, "4.7.3-fix1") { $0.facts.kind = .fix }
        #expect(try fit(release, [fix]).warnings.isEmpty)
    }

    @Test func `another edition in the same registry is a warning`() throws {
        let vertex = try receiptFile("vertex-enterprise", "4.7.15") { $0.edition = "vertex" }
        let release = madeRelease(product, "4.7.27")
        #expect(try fit(release, [vertex]).warnings.first?.contains("edition vertex") == true)
        #expect(try fit(release, [receiptFile("other", "1")]).warnings.isEmpty)
    }

    @Test func `a preview is named as one`() throws {
        let preview = madeRelease(product, "4.8.0") { $0.isPreview = true }
        #expect(
            try fit(preview, []).warnings == [
                "palette-enterprise 4.8.0 is a PREVIEW, not for production, by its publisher's word"
            ])
        #expect(preview.title == "palette-enterprise 4.8.0 (palette), PREVIEW, not for production")
        #expect(madeRelease(product, "4.8.0").title == "palette-enterprise 4.8.0 (palette)")
    }

    @Test func `capabilities are new, brought again, or there already`() throws {
        let release = madeRelease("palette-thirdparty", "4.7.3") { release in
            var facts = Release.BundleFacts()
            facts.capabilities = ["backup-restore", "sbom-scan"]
            var content = Release.Content(
                kind: "bundle", name: "x.zst", delivered: ["registry"], vendorSignature: .waived)
            content.bundle = facts
            release.contents = [content]
        }
        let old = try receiptFile("palette-thirdparty", "4.7.0") {
            $0.facts.capabilities = ["backup-restore", "of-later"]
        }
        let text = try fit(release, [old]).text
        #expect(text.contains("  backup and restore  brought again; there by palette-thirdparty 4.7.0"))
        #expect(text.contains("  SBOM scanning  new at this site"))
        #expect(text.contains("  of-later  there by palette-thirdparty 4.7.0, not in this release"))
        #expect(!text.contains("older receipts"))
        #expect(try fit(release, [old, receiptFile(product, "4.7.3")]).text.contains("older receipts"))
        #expect(try fit(madeRelease(product, "1"), []).text.isEmpty)
    }

    @Test func `the infrastructure is compared with that of the last appliance release`() throws {
        func profile(_ calico: String, _ platforms: [String]) -> Release.Profile {
            let layer = Release.Layer(
                layer: "cni", component: "calico", version: calico, fips: true, isDeclared: true)
            let os = Release.Layer(layer: "os", component: "ubuntu", version: "20.04", fips: nil, isDeclared: false)
            return Release.Profile(layers: [os, layer], platforms: platforms)
        }
        let release = madeRelease(product, "4.7.27") { $0.profile = profile("3.30.2", ["maas", "vsphere"]) }
        let old = try receiptFile(product, "4.7.3") { $0.facts.profile = profile("3.29.2", ["vsphere"]) }
        let text = try fit(release, [old]).text
        #expect(text.contains("infrastructure, against palette-enterprise 4.7.3:"))
        #expect(text.contains("  cni: calico 3.29.2 (FIPS) -> calico 3.30.2 (FIPS)"))
        #expect(text.contains("  platforms: vsphere -> maas, vsphere"))
        #expect(!text.contains("os:"))
        let same = try receiptFile(product, "4.7.15", finished: "2026-12-01T00:00:00Z") {
            $0.facts.profile = profile("3.30.2", ["maas", "vsphere"])
        }
        #expect(try fit(release, [old, same]).text.isEmpty)
    }

    @Test func `plan and load refuse what needs more than the site has, and a stated release lets them`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let media = try publisher.release("2.0.0") {
            $0.needs = [Release.Name(product: "palette-enterprise", version: "1.0.0")]
            ($0.kind, $0.isPreview, $0.upgradesFrom) = (.appliance, true, ["1.5.0"])
        }
        let report = try scene.plan(media)
        #expect(report.failure == .refused)
        #expect(report.next.last?.hasSuffix("--assume-release palette-enterprise-1.0.0") == true)
        #expect(refusal { try scene.load(media) }?.code == .refused)
        #expect(try !scene.layout.path.exists())
        let assume = { (run: inout LoadRun) in run.assumedReleases = ["palette-enterprise-1.0.0"] }
        let receipt = try scene.load(media, assume)
        #expect(receipt.assumedReleases == ["palette-enterprise-1.0.0"])
        #expect(receipt.facts.isPreview && receipt.facts.needs.count == 1)
        #expect(receipt.findings.contains { $0.contains("PREVIEW") })
        #expect(receipt.findings.contains { $0.contains("lists no upgrade from that: it lists 1.5.0") })
        #expect(try scene.plan(try publisher.release("1.0.0")).failure == nil)
    }

    @Test func `a plan that takes a release for granted is carried out with that alone`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let media = try publisher.release("2.0.0") {
            $0.needs = [Release.Name(product: "palette-enterprise", version: "1.0.0")]
        }
        try scene.plan(media, out: "plan.json") { $0.assumedReleases = ["palette-enterprise-1.0.0"] }
        let other = refusal {
            try scene.load(media) {
                $0.plan = scene.folder.appending("plan.json")
                $0.assumedReleases = ["palette-enterprise-1.0.0", "palette-enterprise-0.9"]
            }
        }
        #expect(other?.text.contains("taken for granted here only: palette-enterprise-0.9") == true)
        try scene.load(media) { $0.plan = scene.folder.appending("plan.json") }
    }

    @Test func `what another host loaded is known by the copies in the registry`() throws {
        var publisher = try MadePublisher()
        let (scene, server) = (try TrustScene(publisher), try ZotServer())
        let target = try server.target()
        try scene.load(try publisher.release("1.0.0"), to: target)
        let media = try publisher.release("2.0.0") {
            $0.needs = [Release.Name(product: "palette-enterprise", version: "1.0.0")]
        }
        let other = try TrustScene(publisher)
        #expect(try other.plan(media, to: target).failure == nil)
    }
}
