// SPDX-License-Identifier: Apache-2.0

import Files
import Support
import SystemPackage
import Testing

@testable import PaletteSources

@Suite struct ReleaseManifestTests {
    private let folder = TemporaryFolder()

    private func make(_ names: String...) throws {
        for name in names {
            let path = folder.appending(name)
            try path.removingLastComponent().createDirectories()
            if !name.hasSuffix("/") { try path.replaceContents(with: Array("x".utf8)) }
            if name.hasSuffix("/") { try path.createDirectories() }
        }
    }

    private func resolve(_ contents: String) throws -> ReleaseManifest {
        let manifest = folder.appending("m.yaml")
        let start = "format: 1\nrelease: { product: p, version: 1, edition: palette }\ncontents:\n"
        try manifest.replaceContents(with: Array((start + contents).utf8))
        return try ReleaseManifest(reading: manifest)
    }

    private func expect(
        _ problem: ManifestError.Problem, line: Int = 4, column: Int, _ contents: String,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let expected = ManifestError(
            file: folder.appending("m.yaml").string, place: ManifestPlace(line: line, column: column), problem: problem)
        #expect(throws: expected, sourceLocation: location) { try resolve(contents) }
    }

    @Test(arguments: [
        ("iso: a.iso", "a.iso", "a.iso.sig.bin"), ("bundle: a.tar.zst", "a.tar.zst", "a.tar.sig.bin"),
        ("bundle: a.zst", "a.zst", "a.sig.bin"), ("bundle: a.tar", "a.tar", "a.tar.sig.bin"),
        ("file: a.bin", "a.bin", "a.bin.sig.bin"),
    ]) func `finds the vendor's signature beside the file`(_ item: String, _ name: String, _ signature: String) throws {
        try make(name)
        #expect(try resolve("  - \(item)\n").items.map(\.signature) == [.absent])
        try make(signature)
        let found = try resolve("  - \(item)\n").items
        #expect(found.map(\.signature) == [.file(folder.appending(signature))])
        #expect(found.map(\.path) == [folder.appending(name)])
        #expect(try resolve("  - { \(item), signature: none }\n").items.map(\.signature) == [.waived])
    }

    @Test func `takes a signature from where the manifest says`() throws {
        try make("a.iso", "a.iso.sig.bin", "keys/other.sig")
        let item = try #require(resolve("  - { iso: a.iso, signature: keys/other.sig }\n").items.first)
        #expect(item.signature == .file(folder.appending("keys/other.sig")))
        expect(
            .notFound(folder.appending("no.sig")), column: 30, "  - { iso: a.iso, signature: no.sig }\n")
    }

    @Test(
        arguments: [
            ("palette-enterprise-appliance-4.7.27.tar.zst", [.file]),
            ("palette-vertex-appliance-4.7.27.tar.zst", [.file]), ("Appliance.zst", [.file]),
            ("cni-calico-3.29.2.zst", [.registry]), ("palette-thirdparty-bundle-4.7.3.zst", [.registry]),
            ("appliances-1.zst", [.registry]),
        ] as [(String, Set<Delivery>)]) func `tells an appliance's bundle from packs by its name`(
            _ name: String, _ deliver: Set<Delivery>
        ) throws
    {
        try make(name)
        #expect(try resolve("  - bundle: \(name)\n").items.map(\.deliver) == [deliver])
        let both = try resolve("  - { bundle: \(name), deliver: [file, registry] }\n")
        #expect(both.items.map(\.deliver) == [[.file, .registry]])
    }

    @Test func `delivers what can go one way only that way`() throws {
        try make("a.iso", "f", "mirror/", "packs/p/")
        let found = try resolve(
            """
              - { iso: a.iso, deliver: [file, registry] }
              - { layout: mirror, deliver: [registry, file] }
              - packs: packs/*
              - file: f
            """)
        #expect(found.items.map(\.deliver) == [[.file], [.registry], [.registry], [.file]])
        #expect(found.items.map(\.name) == ["a.iso", "mirror", "p", "f"])
    }

    @Test func `takes what fits a pattern in the order of bytes`() throws {
        try make("packs/b.zst", "packs/a.zst", "packs/B.zst", "packs/a.sig.bin", "packs/.hidden.zst", "packs/d.zst/")
        let found = try resolve("  - bundle: packs/*.zst\n")
        #expect(found.items.map(\.name) == ["B.zst", "a.zst", "b.zst"])
        #expect(found.items.map(\.place.line) == [4, 4, 4])
        #expect(try resolve("  - bundle: p*/?.zst\n").items.count == 3)
        #expect(try resolve("  - bundle: packs/.*.zst\n").items.map(\.name) == [".hidden.zst"])
    }

    @Test func `takes folders for a pattern of packs`() throws {
        try make("packs/one/pack.json", "packs/two/pack.json", "packs/README.md")
        #expect(try resolve("  - packs: packs/*\n").items.map(\.name) == ["one", "two"])
    }

    @Test func `refuses what is not there or of another sort`() throws {
        try make("a.bin", "folder/")
        expect(.noMatch("x/*.zst"), column: 13, "  - bundle: x/*.zst\n")
        expect(.notFound(folder.appending("b.iso")), column: 10, "  - iso: b.iso\n")
        expect(.wrongSort(folder.appending("folder"), expected: "a file"), column: 11, "  - file: folder\n")
        expect(.wrongSort(folder.appending("a.bin"), expected: "a folder"), column: 13, "  - layout: a.bin\n")
        expect(
            .wrongSort(folder.appending("a.bin"), expected: "a bundle by its name (.zst or .tar)"), column: 13,
            "  - bundle: a.bin\n")
        expect(
            .wrongSort(folder.appending("a.bin"), expected: "an ISO image by its name (.iso)"), column: 10,
            "  - iso: a.bin\n")
        expect(.notFound(folder.appending("k.pem")), line: 5, column: 14, "  - file: a.bin\nvendorKeys: [k.pem]\n")
    }

    @Test func `refuses two files under one name, naming both lines`() throws {
        try make("a/x.iso", "b/x.iso", "b/X.ISO", "x.tar.sig.bin", "x.tar.zst")
        expect(.sameName("x.iso", other: 4), line: 5, column: 5, "  - iso: a/x.iso\n  - iso: b/x.iso\n")
        expect(.sameName("X.ISO", other: 4), line: 5, column: 5, "  - iso: a/x.iso\n  - iso: b/X.ISO\n")
        expect(
            .sameName("x.tar.sig.bin", other: 4), line: 5, column: 5,
            "  - { bundle: x.tar.zst, deliver: [file] }\n  - file: x.tar.sig.bin\n")
        #expect(
            try resolve("  - iso: a/x.iso\n  - { iso: b/x.iso, name: y.iso }\n").items.map(\.name) == [
                "x.iso", "y.iso",
            ])
    }

    @Test func `refuses a path that two items take`() throws {
        try make("p/x.zst")
        expect(
            .samePath(folder.appending("p/../p/x.zst"), other: 4), line: 5, column: 5,
            "  - bundle: p/*.zst\n  - bundle: p/../p/x.zst\n")
    }

    @Test func `refuses one name for many files and a name no medium takes`() throws {
        try make("a.iso", "b.iso", "d\u{fc}nn.iso")
        expect(.oneNameForMany("?.iso", count: 2), column: 27, "  - { iso: '?.iso', name: x.iso }\n")
        expect(.unusableName("d\u{fc}nn.iso"), column: 10, "  - iso: d*.iso\n")
    }

    @Test(arguments: [
        ("a.zst", "*.zst", true), ("a.zst", "*", true), (".a", "*", false), (".a", ".*", true), ("abc", "a?c", true),
        ("ac", "a?c", false), ("aXbXc", "a*b*c", true), ("aXbX", "a*b*c", false), ("", "*", true), ("[a]", "[a]", true),
        (String(repeating: "a", count: 5000), String(repeating: "*a", count: 500) + "b", false),
    ]) func `fits names to patterns`(_ name: String, _ pattern: String, _ fits: Bool) {
        #expect(PathPattern.fits(name, pattern) == fits)
    }
}
