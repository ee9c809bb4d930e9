// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Packing
import PaletteSources
import Support
import SystemPackage
import Testing

/// Vendor archives as other programs make them, whole and in parts.
struct VendorInputTests {
    @Test(arguments: [
        #""order": "first", "prefix": "bundle-pkg/", "zstd": ["-19"]"#,
        #""order": "middle", "prefix": "./", "zstd": ["-3", "--long=27", "-T2", "--no-check"]"#,
        #""order": "last", "prefix": "", "tar": "pax", "zstd": ["-1", "--no-content-size"]"#,
        #""order": "first", "prefix": "very/deep/\u00f6/", "tar": "pax", "zstd": ["-3", "-B65536", "-T2"]"#,
    ]) func `any prefix, order, tar and zstd give the same manifests, byte for byte`(_ shape: String) throws {
        let fixture = try PackFixture()
        try fixture.archive("v-1.0.zst", #""images": {"quay.io/a/b:1": 400000, "quay.io/a/c:2": 10}, "# + shape)
        try fixture.manifest("bundle: v-1.0.zst")
        let result = try fixture.pack()
        #expect(result.references.map(\.name) == ["quay.io/a/b:1", "quay.io/a/c:2"] && result.warnings == [])
        // Compared by another program with what the archive holds.
        try sh(
            """
            cd \(fixture.place.path) && mkdir in unpacked && zstd -dc \(fixture.sample.inputs)/v-1.0.zst | tar -C in -x
            for v in \(result.folder)/volumes/*.tar.zst; do zstd -dc $v | tar -xi -C unpacked; done
            from=$(dirname "$(find in -name index.json)")
            for b in "$from"/blobs/sha256/*; do cmp "$b" unpacked/blobs/sha256/$(basename "$b"); done
            """)
    }

    @Test func `what is no manifest is said to be in the file alone, and stops nothing`() throws {
        let fixture = try PackFixture()
        try fixture.archive(
            "v-1.0.zst", #""images": {"quay.io/a/b:1": 10}, "foreign": ["application/vnd.spectro.raw"]"#)
        try fixture.manifest("{ bundle: v-1.0.zst, deliver: [file, registry] }")
        let result = try fixture.pack()
        #expect(result.references.map(\.name) == ["quay.io/a/b:1"] && result.warnings.count == 1)
        #expect(result.warnings[0].contains("raw/0:1 is of the type application/vnd.spectro.raw"))
    }

    @Test(arguments: [true, false]) func `parts are one file, read as a stream`(_ isPlain: Bool) throws {
        let fixture = try PackFixture()
        try fixture.archive("v-1.0.zst", #""images": {"quay.io/a/b:1": 900000}, "part": 300000"#)
        try fixture.manifest(
            "{ bundle: v-1.0.zst_part*, deliver: [file, registry], plain: \(isPlain) }")
        let plan = try planPack(fixture.options())
        #expect(plan.inputs[0].item.parts.count == 4 && plan.inputs[0].isPlain == isPlain)
        let result = try fixture.pack()
        #expect(result.volumes.contains { $0.name == "v-1.0.zst" } == isPlain)
        try sh(
            """
            cd \(fixture.place.path) && python3 \(result.folder)/rescue.py extract v-1.0.zst whole
            cat \(fixture.sample.inputs)/v-1.0.zst_part* | cmp - whole
            openssl dgst -sha256 -verify \(fixture.sample.inputs)/spectro_public_key.pem \
              -signature \(fixture.sample.inputs)/v-1.0.sig.bin whole
            """)
        #expect(try fixture.pack().wasComplete)
    }

    @Test func `parts delivered as a file alone tell what they hold`() throws {
        let fixture = try PackFixture()
        try fixture.archive(
            "palette-enterprise-appliance-4.7.27.tar.zst",
            #""images": {"x/edge/stylus:v4.7.13": 700000}, "part": 300000"#)
        try fixture.manifest("bundle: palette-enterprise-appliance-4.7.27.tar.zst")
        for size in [UInt64(0), 1 << 20] {
            let out = "out\(size)"
            let release = try fixture.release(fixture.pack(out: out, volumeSize: size))
            let facts = try #require(release.contents[0].bundle)
            #expect(release.contents[0].delivered == ["file"] && release.references.isEmpty)
            #expect(facts.version == "4.7.27" && facts.agent == "v4.7.13" && facts.images == 1)
        }
    }

    @Test func `a missing part, a wrong order and a damaged part have their exit codes`() throws {
        let fixture = try PackFixture()
        try fixture.archive("v-1.0.zst", #""images": {"quay.io/a/b:1": 900000}, "part": 300000"#)
        try fixture.manifest("bundle: v-1.0.zst")
        let inputs = fixture.sample.inputs
        try sh("cd \(inputs) && mv v-1.0.zst_part01 kept")
        let missing = #expect(throws: PaletteSources.ManifestError.self) { try fixture.pack() }
        #expect(missing?.failure == .incomplete && missing?.description.contains("v-1.0.zst_part01 is missing") == true)
        try sh("cd \(inputs) && mv v-1.0.zst_part02 v-1.0.zst_part01 && mv kept v-1.0.zst_part02")
        let mixed = #expect(throws: (any Error).self) { try fixture.pack() }
        #expect((mixed as? any ClassifiedError)?.failure == .damaged)
    }

    @Test func `two layouts in one archive are refused, because nothing says which is meant`() throws {
        let fixture = try PackFixture()
        for name in ["a", "b"] {
            try fixture.archive("\(name).zst", "\"images\": {\"quay.io/a/\(name):1\": 9}, \"prefix\": \"\(name)/\"")
        }
        try sh(
            """
            cd \(fixture.sample.inputs) && mkdir t && for n in a b; do zstd -dc $n.zst | tar -C t -x; done
            tar -C t -c a b | zstd -q > both.zst
            """)
        for way in ["registry", "file"] {
            try fixture.manifest("{ bundle: both.zst, signature: none, deliver: [\(way)] }")
            guard way == "registry" else {
                #expect(
                    try fixture.pack(out: way).warnings.first?.contains("more than one layout, below a and b") == true)
                continue
            }
            let error = #expect(throws: PackError.self) { try fixture.pack(out: way) }
            #expect(error?.failure == .usage && error?.description.contains("below a and b") == true)
        }
    }

    @Test func `links among the members are counted, and an empty index is said to deliver nothing`() throws {
        let fixture = try PackFixture()
        try sh(
            """
            cd \(fixture.sample.inputs) && mkdir -p e/blobs/sha256 && ln -s /etc/passwd e/link && echo x > e/x && ln e/x e/y
            echo '{"schemaVersion":2,"manifests":[]}' > e/index.json && tar -c e | zstd -q > e.zst
            """)
        try fixture.manifest("{ bundle: e.zst, signature: none }", "packs: packs/*")
        let warnings = try fixture.pack().warnings
        #expect(warnings.count == 2 && warnings[0] == "e.zst: 3 members are no registry content")
        #expect(warnings[1].hasSuffix("its index.json lists nothing; nothing of it goes to the registry"))
    }

    @Test func `a file that is no archive can be delivered as the file that it is`() throws {
        let fixture = try PackFixture()
        try sh("cd \(fixture.sample.inputs) && head -c 300000 /dev/urandom > appliance-1.0.zst")
        try fixture.manifest("{ bundle: appliance-1.0.zst, signature: none }")
        let result = try fixture.pack()
        #expect(result.warnings.count == 1 && result.warnings[0].contains("what it holds is not known"))
        #expect(try fixture.release(result).contents[0].bundle == nil && result.files.count == 1)
    }
}
