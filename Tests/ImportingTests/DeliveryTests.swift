// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import OCI
import Testing

@testable import Importing

/// What a load says of parts that no registry takes.
struct DeliveryTests {
    private static let zot = "https://10.0.0.10:30003/spectro-content"
    private let given = GivenArguments(media: ["MEDIA"], target: ["--to", "site"])

    private func release(_ kind: String, _ name: String, _ delivered: [String]) -> Release {
        madeRelease("palette-enterprise", "4.7.27") { release in
            release.contents = [
                Release.Content(kind: kind, name: name, delivered: delivered, vendorSignature: .waived)
            ]
            guard delivered.contains("file") else { return }
            release.files = [
                Release.DeliveredFile(name: name, kind: kind, digest: Digest(of: []), size: 1, signature: nil)
            ]
        }
    }

    private func steps(_ release: Release, at target: String = zot) -> String {
        Delivery(release, at: target).steps(given).joined(separator: "\n")
    }

    @Test func `a content bundle goes through the Local UI, and then the cluster is updated there`() {
        let bundle = release("bundle", "palette-enterprise-appliance-4.7.27.tar.zst", ["file"])
        let text = steps(bundle)
        for part in [
            "dray-import extract palette-enterprise-appliance-4.7.27.tar.zst MEDIA --to ./", "https://<leader>:5080",
            "Content > Actions > Upload Content", "port 5082", "Status Ready, Content Synced and Health Healthy",
            "every linked host", "Cluster > Configuration > Update > Review Changes",
            "OCI Pack Registry Password must match",
        ] { #expect(text.contains(part), "\(part)") }
        #expect(!text.contains("external registry"))
        #expect(Delivery(bundle, at: Self.zot).summary.hasSuffix("no load upgrades an appliance"))
    }

    @Test func `a pack's file is uploaded and synchronised, and updates nothing`() {
        let text = steps(release("bundle", "cni-calico-3.29.2.zst", ["file"]))
        #expect(text.contains("Upload Content") && text.contains("OCI Pack Registry > Sync"))
        #expect(!text.contains("Review Changes"))
    }

    @Test func `an ISO is booted from, another file extracted`() {
        let iso = steps(release("iso", "appliance.iso", ["file"]))
        #expect(iso.contains("boot each new host") && !iso.contains("Upload Content"))
        #expect(steps(release("file", "notes.pdf", ["file"])) == "dray-import extract notes.pdf MEDIA --to ./")
    }

    @Test func `an upgrade that comes into the registry alone is no upgrade`() {
        let text = steps(release("bundle", "palette-enterprise-appliance-4.7.27.tar.zst", ["registry"]))
        #expect(text.contains("upgrades no appliance") && text.contains("deliver: [registry, file]"))
        #expect(steps(release("bundle", "cni-calico-3.29.2.zst", ["registry"])).isEmpty)
    }

    @Test func `an external registry needs both ways`() {
        let name = "palette-enterprise-appliance-4.7.27.tar.zst"
        let external = "https://harbor.example.org/spectro-content"
        let both = steps(release("bundle", name, ["file", "registry"]), at: external)
        #expect(both.contains("has to be in both") && !both.contains("doesn't come into it"))
        #expect(steps(release("bundle", name, ["file"]), at: external).contains("doesn't come into it"))
        #expect(!steps(release("bundle", name, ["file", "registry"])).contains("in both"))
        #expect(!steps(release("bundle", name, ["file"]), at: "oci:/mirror").contains("in both"))
    }

    @Test func `a receipt says that content is in the registry, and what the load left`() throws {
        var receipt = Receipt()
        (receipt.product, receipt.version, receipt.target) = ("palette-enterprise", "4.7.27", Self.zot)
        receipt.left = [LeftPart(name: "appliance.tar.zst", way: "localUI-upgrade")]
        let text = receipt.report(file: nil).text
        #expect(text.contains("done: the content is in the registry"))
        #expect(text.contains("appliance.tar.zst (localUI-upgrade)"))
        #expect(!text.lowercased().contains("upgraded"))
        #expect(try Receipt(parsing: receipt.encoded) == receipt)
        receipt.target = "oci:/mirror"
        #expect(receipt.report(file: nil).text.contains("done: the content is in the folder"))
    }
}
