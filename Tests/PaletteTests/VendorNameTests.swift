// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Palette

@Suite struct VendorNameTests {
    @Test(arguments: [
        ("palette-enterprise-appliance-4.7.27.tar.zst", "4.7.27"), ("palette-enterprise-appliance-4.10.17", "4.10.17"),
        ("palette-thirdparty-bundle-4.7.3.zst", "4.7.3"), ("cni-calico-3.30.2-rev2.zst", "3.30.2-rev2"),
        ("kubernetes-rke2-1.32.6-rke2r1-build20250618.zst", "1.32.6-rke2r1-build20250618"),
        ("airgap-vertex-v4.9.18.bin", "4.9.18"), ("Palette-Vertex-4.7.27-amd64.ISO", "4.7.27"),
        ("x-4.7.27.tar.zst_part00", "4.7.27"), ("ubuntu-aws-22.04.zst", "22.04"),
        ("bundle", nil), ("palette-4", nil), ("", nil), ("palette-4.7.27-final.zst", nil),
    ]) func `finds the version at the end of a name`(_ name: String, _ version: String?) {
        #expect(VendorName.version(in: name) == version)
    }

    @Test(arguments: [
        ("palette-enterprise-appliance-4.7.27.iso", Edition.palette), ("palette-vertex-appliance-4.7.27.iso", .vertex),
        ("PALETTE_VERTEX", .vertex), ("appliance.iso", nil), ("vertexes", nil),
    ]) func `finds the edition among a name's words`(_ name: String, _ edition: Edition?) {
        #expect(VendorName.edition(in: name) == edition)
    }

    @Test func `shows a vendor's text on one line without what moves a cursor`() {
        #expect(VendorName.shown(" a\u{1b}[2J\n b\u{202e} c ") == "a[2J b c")
        #expect(VendorName.shown("\u{0}\u{7}  ") == nil)
        #expect(VendorName.shown(String(repeating: "x", count: 500))?.count == 200)
    }
}

@Suite struct CapabilityTests {
    @Test(
        arguments: [
            (["velero/velero", "velero/velero-plugin-for-aws"], [Capability.backup]),
            (["velero/velero-plugin-for-aws"], []),
            (
                ["docker.io/aquasec/kube-bench", "us-docker.pkg.dev/palette-images/packs/kube-hunter"],
                [.configurationSecurity, .penetrationTesting]
            ),
            (["anchore/syft"], []), (["anchore/grype", "x/spectro-syft-linux-amd64"], [.sbom]),
            (["sonobuoy/sonobuoy", "registry.k8s.io/conformance"], [.conformance]),
            (["quay.io/me/not-velero", "velero/other"], []), ([], []),
        ] as [([String], [Capability])])
    func `a capability is brought by the images of all its tools`(_ images: [String], _ brought: [Capability]) {
        #expect(Capability.brought(by: images) == brought)
    }

    @Test func `the Third Party pack brings four and the Conformance pack one`() {
        #expect(Capability.allCases.filter { $0.source == .thirdParty }.count == 4)
        #expect(Capability.conformance.source == .conformance)
    }
}

@Suite struct InfrastructureTests {
    @Test(arguments: [
        ("cni-calico", "cni", InfrastructureLayer.cni), ("edge-k8s", "k8s", .k8s), ("piraeus-operator", "csi", .csi),
        ("zot-registry", "addon", .registry), ("zot", "addon", .registry), ("argo-cd", "addon", nil),
        ("odd", "registry", nil), ("odd", "", nil),
    ]) func `a pack's layer`(_ name: String, _ layer: String, _ expected: InfrastructureLayer?) {
        #expect(InfrastructureLayer(ofPack: name, layer: layer) == expected)
    }
}

@Suite struct PackFlavourTests {
    @Test(arguments: [
        ("us-docker.pkg.dev/palette-images-fips/k8s/pause", true),
        ("us-docker.pkg.dev/palette-images/edge/stylus", false),
        ("gcr.io/spectro-images-public/x", false), ("gcr.io/spectro-images-fips/x", true),
        ("quay.io/palette-images/x", nil),
        ("us-docker.pkg.dev/other/x", nil), ("palette-images/x", nil),
    ]) func `the build by the vendor's repository`(_ repository: String, _ fips: Bool?) {
        #expect(PackFlavour.isFIPS(repository: repository) == fips)
    }
}
