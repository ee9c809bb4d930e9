// SPDX-License-Identifier: Apache-2.0

import Files
import Palette
import Support
import SystemPackage
import Testing

@testable import PaletteSources

@Suite struct ManifestDraftTests {
    private let folder = TemporaryFolder()
    private static let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"

    /// Files of a few bytes by name; one that ends in a slash is a folder.
    private func make(_ names: [String]) throws {
        for name in names {
            let path = folder.appending(name)
            try path.removingLastComponent().createDirectories()
            if name.hasSuffix("/") {
                try path.createDirectories()
            } else {
                try path.replaceContents(with: Array((name.hasSuffix(".pem") ? ManifestDraftTests.pem : "data").utf8))
            }
        }
    }

    private func draft() throws -> ManifestDraft { ManifestDraft(try Downloads(in: folder.path)) }

    /// What a manifest's reader makes of the draft.
    private func read(_ draft: ManifestDraft) throws -> ReleaseManifest {
        try folder.appending("release.yaml").createContents(Array(draft.text(prefix: "").utf8))
        return try ReleaseManifest(reading: folder.appending("release.yaml"))
    }

    private static let appliance = [
        "spectro_public_key.pem", "palette-enterprise-appliance-4.7.27.iso",
        "palette-enterprise-appliance-4.7.27.iso.sig.bin", "palette-enterprise-appliance-4.7.27.tar.zst",
        "palette-enterprise-appliance-4.7.27.tar.sig.bin",
    ]

    @Test func `names what an appliance's downloads are, and its reader takes it`() throws {
        try make(
            ManifestDraftTests.appliance + [
                "palette-thirdparty-bundle-4.7.3.zst", "palette-thirdparty-bundle-4.7.3.sig.bin",
                "packs/cni-calico-3.29.2.zst", "packs/cni-calico-3.29.2.sig.bin", "own/demo/pack.json",
                "own/demo/values.yaml", "mirror/oci-layout", "mirror/index.json", "mirror/blobs/", "MOK.der",
            ])
        let draft = try draft()
        #expect(draft.warnings == [] && draft.isComplete)
        let manifest = try read(draft)
        #expect(manifest.release.product == "palette-enterprise-appliance" && manifest.release.version == "4.7.27")
        #expect(manifest.release.edition == .palette)
        #expect(manifest.vendorKeys == [folder.appending("spectro_public_key.pem")])
        let items = manifest.items.map { "\($0.kind.rawValue) \($0.name)" }
        #expect(
            items == [
                "iso palette-enterprise-appliance-4.7.27.iso", "bundle palette-enterprise-appliance-4.7.27.tar.zst",
                "bundle palette-thirdparty-bundle-4.7.3.zst", "bundle cni-calico-3.29.2.zst", "layout mirror",
                "packs demo",
                "file MOK.der",
            ])
        #expect(manifest.items.filter { $0.signature == .absent }.map(\.name) == ["mirror", "demo", "MOK.der"])
    }

    @Test func `reads well`() throws {
        try make(ManifestDraftTests.appliance + ["packs/cni-calico-3.29.2.zst"])
        let text = try draft().text(prefix: "").replacing(folder.path.string, with: "DOWNLOADS")
        #expect(
            text == """
                # Written by "dray manifest init" from what is in DOWNLOADS.
                # Read it, answer each line that begins with "# ?", then try it: dray pack THIS-FILE --trust TRUST --dry-run
                # manifests/README.md describes every key.
                # ! packs/cni-calico-3.29.2.zst has no signature; fetch cni-calico-3.29.2.sig.bin to where it stands
                format: 1

                release:
                  product: palette-enterprise-appliance
                  version: 4.7.27  # of palette-enterprise-appliance-4.7.27.iso
                  edition: palette
                  # supportEnd: YYYY-MM-DD    when the release's metadata expires; 18 months when left out

                # What the vendor's *.sig.bin files are checked with.
                vendorKeys:
                  - spectro_public_key.pem

                contents:
                  # The installer: delivered as a file, its signature beside it.
                  - iso: palette-enterprise-appliance-4.7.27.iso  # 4 B, signed

                  # The appliance's content bundle: delivered as the file that the appliance's own upload takes.
                  # With "deliver: [file, registry]" its content goes to an external registry too.
                  - bundle: palette-enterprise-appliance-4.7.27.tar.zst  # 4 B, signed

                  # Packs and other bundles: to the registry.
                  - bundle: packs/cni-calico-3.29.2.zst  # 4 B
                    # ? no signature is there: fetch cni-calico-3.29.2.sig.bin, or write: signature: none

                """)
    }

    struct Names: CustomTestStringConvertible, Sendable {
        let files: [String]
        let product: String?
        let version: String?
        let edition: Edition?
        var testDescription: String { files.joined(separator: " ") }
    }

    @Test(arguments: [
        Names(
            files: ["vertex-management-appliance-4.7.3.tar.zst"], product: "vertex-management-appliance",
            version: "4.7.3",
            edition: .vertex),
        Names(
            files: ["palette-enterprise-appliance-4.10.17-rc.1.iso"], product: "palette-enterprise-appliance",
            version: "4.10.17-rc.1", edition: .palette),
        Names(
            files: ["palette-thirdparty-bundle-4.7.3.zst", "cni-calico-3.29.2.zst"],
            product: "palette-thirdparty-bundle",
            version: "4.7.3", edition: .palette),
        Names(files: ["cni-calico-3.29.2.zst", "kubernetes-1.32.3.zst"], product: nil, version: nil, edition: nil),
        Names(files: ["installer.iso"], product: nil, version: nil, edition: nil),
        Names(files: [], product: nil, version: nil, edition: nil),
    ]) func `tells the release by the names, or asks`(_ names: Names) throws {
        try make(names.files)
        let draft = try draft()
        #expect(draft.product == names.product && draft.version == names.version && draft.edition == names.edition)
        let text = draft.text(prefix: "")
        for (value, key) in [
            (names.product, "product"), (names.version, "version"), (names.edition?.rawValue, "edition"),
        ] {
            #expect(text.contains("# ? \(key): ") == (value == nil))
        }
        if names.product == nil || names.edition == nil { #expect(throws: ManifestError.self) { try read(draft) } }
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let names: [String]
        let warning: String
        var testDescription: String { warning }
    }

    @Test(arguments: [
        Fault(names: ["a-1.0.0.zst"], warning: "a-1.0.0.zst has no signature"),
        Fault(names: ["x/a-1.0.0.sig.bin"], warning: "x/a-1.0.0.sig.bin is a signature without its file"),
        Fault(names: ["a-1.0.0.zst", "a-1.0.0.sig.bin"], warning: "no vendor key"),
        Fault(
            names: ["palette-appliance-4.7.3.iso", "palette-appliance-4.7.27.tar.zst"],
            warning:
                "the versions differ: palette-appliance-4.7.3.iso is 4.7.3, palette-appliance-4.7.27.tar.zst is 4.7.27"),
        Fault(
            names: ["cni-calico-fips-3.30.2.zst", "cni-calico-3.30.2.zst"],
            warning: "cni-calico-fips-3.30.2.zst and cni-calico-3.30.2.zst look like the FIPS build and the other"),
        Fault(names: ["a.tar.zst.part"], warning: "a.tar.zst.part looks like an unfinished download"),
        Fault(
            names: ["a-1.0.0.tar.zst_part00", "a-1.0.0.tar.zst_part02"],
            warning: "a-1.0.0.tar.zst_part01 is missing, without which a-1.0.0.tar.zst can't be put together"),
        Fault(
            names: ["a.zst", "a.zst_part00"], warning: "a.zst is there whole and in parts"),
        Fault(names: ["a/b/c/d"], warning: "is neither a pack nor an OCI layout"),
    ]) func `warns`(_ fault: Fault) throws {
        try make(fault.names)
        let warnings = try draft().warnings
        #expect(warnings.contains { $0.contains(fault.warning) }, "\(warnings)")
        #expect(try draft().text(prefix: "").contains("# ! "))
    }

    @Test func `leaves private keys out, and takes a certificate as a file`() throws {
        try make(["a-1.0.0.zst"])
        try folder.appending("own.pem").replaceContents(with: Array("-----BEGIN PRIVATE KEY-----\n".utf8))
        try folder.appending("ca.pem").replaceContents(with: Array("-----BEGIN CERTIFICATE-----\n".utf8))
        let downloads = try Downloads(in: folder.path)
        #expect(downloads.keys == [] && downloads.inputs.map(\.path) == ["a-1.0.0.zst", "ca.pem"])
        #expect(downloads.warnings.contains { $0.contains("private key") })
    }

    @Test func `puts a set of parts together`() throws {
        try make([
            "palette-appliance-4.7.3.tar.zst_part00", "palette-appliance-4.7.3.tar.zst_part01",
            "palette-appliance-4.7.3.tar.sig.bin",
        ])
        let input = try #require(try Downloads(in: folder.path).inputs.first)
        #expect(
            input
                == .init(
                    kind: .bundle, path: "palette-appliance-4.7.3.tar.zst", size: 8, parts: 2, isSigned: true))
    }

    @Test func `a name that no medium takes gets another, a missing signature is asked for`() throws {
        try make(ManifestDraftTests.appliance + ["a: \u{fc}b?.txt", "ends."])
        let names = try read(try draft()).items.filter { $0.kind == .file }.map(\.name)
        #expect(names == ["a_ __b_.txt", "ends._"])
        try folder.appending("palette-enterprise-appliance-4.7.27.iso.sig.bin").removeFile()
        #expect(try draft().isComplete == false)
    }

    @Test func `names of any kind are written so that the reader sees the same`() throws {
        let names = [
            "a b.zst", "#x.zst", "quote\"d.zst", "back\\slash.zst", "- x.zst", "a: b.zst", "ü.zst", "tab\t.zst",
            "1.0.zst",
            "{x}.zst", "'.zst", "null.zst", "line\nbreak.zst", "\u{85}.zst", "@x.zst",
        ]
        try make(names)
        let text = try draft().text(prefix: "")
            .replacing("# ? product: ", with: "product: a #").replacing("# ? version: ", with: "version: 1 #")
            .replacing("# ? edition: ", with: "edition: palette #")
        let document = try ManifestDocument(parsing: Array(text.utf8), file: "x")
        #expect(Set(document.contents.map(\.pattern)) == Set(names))
    }

    @Test func `never replaces what is there`() throws {
        let file = folder.appending("release.yaml")
        try file.createContents([1])
        #expect(throws: FileError("create", file, .fileExists)) { try file.createContents([2]) }
        #expect(try file.contents(limit: 10) == [1])
        #expect(try folder.path.entries() == ["release.yaml"])
    }
}
