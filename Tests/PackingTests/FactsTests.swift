// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Packing
import Support
import SystemPackage
import Testing

/// What the release says of itself and of what it was made from.
struct FactsTests {
    private static let appliance = #"""
        "images": {"us-docker.pkg.dev/palette-images/edge/stylus:v4.10.4": 10, "velero/velero:v1.14": 10},
        "packs": {"cni-calico:3.29.2": {"layer": "cni", "images": ["us-docker.pkg.dev/palette-images/calico:1"]},
                  "piraeus-operator:2.8.1": {"layer": "csi"}, "csi-longhorn:1.8.1": {"layer": "csi"},
                  "edge-k8s:1.32.3": {"layer": "k8s"}, "zot-registry:0.1.67": {"layer": "addon"}},
        "types": {"us-docker.pkg.dev/palette-images/edge/stylus:v4.10.4": "stylus"},
        "definition": "palette-enterprise-appliance-4.10.17"
        """#

    @Test func `an appliance's release knows bundle, agent, packs, image, profile and capability`() throws {
        let fixture = try PackFixture()
        try fixture.archive("palette-enterprise-appliance-4.10.17.tar.zst", FactsTests.appliance)
        try fixture.makeISO(
            "palette-enterprise-appliance-4.10.17.iso",
            files: """
                mkdir -p boot etc content && echo k > boot/vmlinuz-6.8.0-31-generic && echo b > content/x-1.2.tar.zst_part00
                printf 'NAME="Ubuntu"\\nVERSION_ID="22.04"\\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\\n' > etc/os-release
                """)
        try fixture.manifest(
            release: ", profile: { cni: { component: Calico, version: 3.29.2, fips: false }, platforms: [maas] }",
            "iso: palette-enterprise-appliance-4.10.17.iso", "bundle: palette-enterprise-appliance-4.10.17.tar.zst")
        let result = try fixture.pack()
        let release = try fixture.release(result)
        #expect(release.kind == .appliance && !release.isPreview)
        let bundle = try #require(release.contents.first { $0.kind == "bundle" }?.bundle)
        #expect(bundle.version == "4.10.17" && bundle.agent == "v4.10.4" && bundle.images == 2 && bundle.fips == false)
        #expect(
            bundle.packs.map(\.name)
                == ["cni-calico", "csi-longhorn", "edge-k8s", "piraeus-operator", "zot-registry"])
        #expect(bundle.capabilities == ["backup-restore"])
        #expect(bundle.packs[0].fips == false && bundle.packs[1].fips == nil)
        let iso = try #require(release.contents.first { $0.kind == "iso" }?.iso)
        #expect(iso.volumeID == "COS_LIVE" && iso.kernel == "6.8.0-31-generic" && iso.os == "Ubuntu 22.04.5 LTS")
        #expect(iso.edition == "palette" && iso.version == "4.10.17" && iso.bundles == ["x-1.2.tar.zst"])
        let layers = try #require(release.profile?.layers)
        // Two packs are of the layer csi: which of them the appliance runs on, nobody says.
        #expect(layers.map(\.layer) == ["os", "k8s", "cni", "registry"])
        #expect(layers.map(\.component) == ["Ubuntu", "edge-k8s", "Calico", "zot-registry"])
        #expect(layers.map(\.isDeclared) == [false, false, true, false] && layers[0].version == "22.04")
        #expect(release.profile?.platforms == ["maas"] && result.warnings == [])
    }

    @Test func `an ISO and a content bundle of different versions are said to be, before and after reading`() throws {
        let fixture = try PackFixture()
        try fixture.archive("palette-enterprise-appliance-4.10.17.tar.zst", FactsTests.appliance)
        try fixture.makeISO("palette-enterprise-appliance-4.10.4.iso", files: "echo k > kernel")
        try fixture.manifest(
            "iso: palette-enterprise-appliance-4.10.4.iso", "bundle: palette-enterprise-appliance-4.10.17.tar.zst")
        let text =
            "palette-enterprise-appliance-4.10.4.iso is of version 4.10.4 and "
            + "palette-enterprise-appliance-4.10.17.tar.zst of 4.10.17; an installer needs the content bundle of its own version"
        #expect(try planPack(fixture.options()).warnings == [text])
        #expect(try fixture.pack().warnings == [text])
        // A bundle that was renamed says inside what it is.
        try sh(
            """
            cd \(fixture.sample.inputs) && mv palette-enterprise-appliance-4.10.17.tar.zst palette-appliance-4.10.4.tar.zst
            mv palette-enterprise-appliance-4.10.17.tar.sig.bin palette-appliance-4.10.4.tar.sig.bin
            """)
        try fixture.manifest("iso: palette-enterprise-appliance-4.10.4.iso", "bundle: palette-appliance-4.10.4.tar.zst")
        #expect(try planPack(fixture.options()).warnings == [])
        let warnings = try fixture.pack(out: "b").warnings
        #expect(warnings.count == 2 && warnings[0].contains("named after version 4.10.4, but inside it says 4.10.17"))
    }

    @Test func `what the manifest declares stands in the release, and another declaration is another release`() throws {
        let fixture = try PackFixture()
        try fixture.manifest(
            release: """
                , kind: fix, preview: true, requires: [palette-core-4.7.3], upgradesFrom: [4.7.3],
                  fipsEvidence: [{ component: a, statement: b, source: c }]
                """, "packs: packs/*")
        #expect(try planPack(fixture.options()).kind == .fix)
        let result = try fixture.pack()
        let release = try fixture.release(result)
        #expect(release.kind == .fix && release.isPreview && release.upgradesFrom == ["4.7.3"])
        #expect(release.needs == [Release.Name(product: "palette-core", version: "4.7.3")])
        #expect(release.fipsEvidence == [.init(component: "a", statement: "b", source: "c")] && release.profile == nil)
        #expect(try fixture.pack().wasComplete)
        try fixture.sample.edit("preview: true", "preview: false")
        #expect(throws: PackError.bundleExists(result.folder)) { try fixture.pack() }
    }

    @Test func `packs alone are a release of kind packs, and bring what the release holds of their images`() throws {
        let fixture = try PackFixture()
        try write(
            Array(
                "pack:\n  content:\n    images:\n      - image: velero/velero:v1.14\n      - image: x/kube-bench:1\n"
                    .utf8),
            to: fixture.sample.inputs.appending("packs/hello/values.yaml"))
        try fixture.archive("thirdparty-4.7.3.zst", #""images": {"velero/velero:v1.14": 10}"#)
        try fixture.manifest("packs: packs/*", "bundle: thirdparty-4.7.3.zst")
        let release = try fixture.release(fixture.pack())
        #expect(release.kind == .packs && release.profile == nil)
        #expect(release.contents.map { $0.bundle?.capabilities } == [["backup-restore"], ["backup-restore"]])
        try fixture.manifest("packs: packs/*")
        #expect(try fixture.release(fixture.pack(out: "b")).contents.map { $0.bundle?.capabilities } == [[]])
    }

    @Test func `the release of an x86 kernel is read out of its header`() throws {
        let fixture = try PackFixture()
        try fixture.makeISO(
            "x.iso",
            files: """
                mkdir -p boot && python3 -c "
                b = bytearray(4096); b[0x202:0x206] = b'HdrS'; b[0x20e:0x210] = (0x300).to_bytes(2, 'little')
                t = b'5.15.0-91-generic (build@host) #101'; b[0x500:0x500 + len(t)] = t
                open('boot/kernel', 'wb').write(b)"
                mkdir .disk && echo 'Ubuntu-Server 22.04 LTS' > .disk/info
                """, volumeID: "PALETTE_VERTEX")
        try fixture.manifest("iso: x.iso")
        let iso = try #require(fixture.release(fixture.pack()).contents[0].iso)
        #expect(iso.kernel == "5.15.0-91-generic" && iso.os == "Ubuntu-Server 22.04 LTS" && iso.bundles == [])
        #expect(iso.edition == "vertex" && iso.version == nil)
    }

    @Test func `a file that is no ISO image is said to be none`() throws {
        let fixture = try PackFixture()
        try sh("cd \(fixture.sample.inputs) && head -c 100000 /dev/zero > x.iso")
        try fixture.manifest("{ iso: x.iso, signature: none }")
        let result = try fixture.pack()
        #expect(result.warnings.count == 1 && result.warnings[0].hasPrefix("x.iso: no ISO 9660 image"))
    }

    @Test func `an ISO image that was cut short is said to be`() throws {
        let fixture = try PackFixture()
        try fixture.makeISO("x.iso", files: "head -c 10000 /dev/urandom > a")
        try sh("cd \(fixture.sample.inputs) && truncate -s -2048 x.iso")
        try fixture.manifest("{ iso: x.iso, signature: none }")
        let warnings = try planPack(fixture.options()).warnings
        #expect(warnings.count == 1 && warnings[0].hasSuffix("it is cut short"))
    }
}

/// The rules of the two editions.
struct EditionRuleTests {
    private static let other = #""images": {"us-docker.pkg.dev/palette-images/a:1": 10}"#
    private static func calico(_ folder: String) -> String {
        #""packs": {"cni-calico:3.30.2": {"layer": "cni", "images": ["us-docker.pkg.dev/\#(folder)/calico:1"]}}"#
    }

    @Test(arguments: ["registry", "file"]) func `a VerteX release takes no image of the other build`(_ way: String)
        throws
    {
        let fixture = try PackFixture()
        try fixture.archive("x-1.0.zst", EditionRuleTests.other)
        try fixture.manifest(edition: "vertex", "{ bundle: x-1.0.zst, deliver: [\(way)] }")
        let error = #expect(throws: PackError.self) { try fixture.pack() }
        #expect(error == .nonFIPS("x-1.0.zst", ["us-docker.pkg.dev/palette-images/a:1"], count: 1))
        #expect(error?.failure == .refused)
        try fixture.manifest(edition: "vertex", "{ bundle: x-1.0.zst, deliver: [\(way)], nonFIPS: true }")
        let content = try fixture.release(fixture.pack()).contents[0]
        #expect(content.isNonFIPSAllowed && content.bundle?.fips == false)
    }

    @Test func `a pack folder of the other build is refused before anything is read`() throws {
        let fixture = try PackFixture()
        try write(
            Array("pack:\n  content:\n    images:\n      - image: gcr.io/spectro-images-public/x:1\n".utf8),
            to: fixture.sample.inputs.appending("packs/hello/values.yaml"))
        try fixture.manifest(edition: "vertex", "packs: packs/*")
        #expect(throws: PackError.nonFIPS("hello", ["pack hello-universe:1.3.1"], count: 1)) {
            try planPack(fixture.options())
        }
    }

    @Test func `the FIPS build and what is of nobody's build are taken`() throws {
        let fixture = try PackFixture()
        try fixture.archive("x-1.0.zst", EditionRuleTests.calico("palette-images-fips"))
        try fixture.manifest(edition: "vertex", "bundle: x-1.0.zst", "packs: packs/*")
        #expect(try fixture.release(fixture.pack()).contents.map { $0.bundle?.packs.map(\.fips) } == [[nil], [true]])
    }

    @Test func `one tag in both builds is refused, by its builds`() throws {
        let fixture = try PackFixture()
        try fixture.archive("a-1.0.zst", EditionRuleTests.calico("palette-images-fips"))
        try fixture.archive("b-1.0.zst", EditionRuleTests.calico("palette-images"))
        try fixture.manifest("bundle: '?-1.0.zst'")
        let inputs = fixture.sample.inputs
        let error = #expect(throws: PackError.self) { try fixture.pack() }
        #expect(
            error
                == .flavoursMixed(
                    "spectro-packs/archive/cni-calico:3.30.2", fips: "\(inputs)/a-1.0.zst", other: "\(inputs)/b-1.0.zst"
                ))
        #expect(error?.failure == .refused)
    }

    @Test func `packs of both builds under different tags are warned of`() throws {
        let fixture = try PackFixture()
        try fixture.archive("a-1.0.zst", EditionRuleTests.calico("palette-images-fips"))
        try fixture.archive(
            "b-1.0.zst", EditionRuleTests.calico("palette-images").replacing("3.30.2", with: "3.30.3"))
        try fixture.manifest("bundle: '?-1.0.zst'")
        let warnings = try fixture.pack().warnings.filter { $0.contains("FIPS") }
        #expect(warnings.count == 1 && warnings[0].contains("cni-calico:3.30.2) and of the other (cni-calico:3.30.3)"))
    }
}
