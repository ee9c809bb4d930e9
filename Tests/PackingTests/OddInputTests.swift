// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing

/// Input that is valid but rare, and input that is meant to hurt.
struct OddInputTests {
    /// Makes another layout `odd` with one image, by python: `layers` is an expression over `rnd`.
    private func layout(_ fixture: PackFixture, layers: String, manifest: String = "json.dumps(doc).encode()") throws {
        let script = fixture.place.appending("odd.py")
        try write(
            Array(
                """
                import hashlib, json, os, random
                os.makedirs("\(fixture.sample.inputs)/odd/blobs/sha256"); os.chdir("\(fixture.sample.inputs)/odd")
                rnd = random.Random(5)
                def put(data, kind, size=None):
                    name = hashlib.sha256(data).hexdigest()
                    open("blobs/sha256/" + name, "wb").write(data)
                    return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data) if size is None else size}
                L = "application/vnd.oci.image.layer.v1.tar"
                doc = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "config": put(b"{}", "application/vnd.oci.image.config.v1+json"), "layers": \(layers)}
                entry = put(\(manifest), "application/vnd.oci.image.manifest.v1+json")
                entry["annotations"] = {"org.opencontainers.image.ref.name": "odd/image:1"}
                signature = {**doc, "config": put(b'{"x":1}', "application/vnd.dev.cosign"), "layers": [],
                             "subject": {k: entry[k] for k in ("mediaType", "digest", "size")}}
                about = put(json.dumps(signature).encode(), "application/vnd.oci.image.manifest.v1+json")
                json.dump({"schemaVersion": 2, "manifests": [about, entry]}, open("index.json", "w"))
                open("oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')

                """.utf8), to: script)
        try sh("python3 \(script)")
        try fixture.sample.edit("  - layout: mirror\n", "  - layout: mirror\n  - layout: odd\n")
    }

    @Test func `empty layers, manifests with space in front, referrers before their subject`() throws {
        let fixture = try PackFixture()
        try layout(
            fixture, layers: "[put(b'', L), put(rnd.randbytes(2_500_000), L), put(b'', L)]",
            manifest: "b'\\n ' + json.dumps(doc).encode()")
        let result = try fixture.pack(volumeSize: 1 << 20)
        #expect(result.warnings.isEmpty)
        #expect(result.references.filter { $0.repository == "odd/image" }.map(\.tag) == ["1", nil])
        try sh("python3 \(result.folder)/rescue.py check \(result.folder)")
        let tool = SourceTree.tool("dray").string
        try sh("\(tool) verify \(result.folder) --root \(result.folder)/trust/1.root.json --quiet")
    }

    @Test(arguments: ["-1", "9223372036854775807", "2**41"])
    func `an impossible size in a manifest is refused`(size: String) throws {
        let fixture = try PackFixture()
        try layout(fixture, layers: "[put(b'abc', L, \(size)) for _ in range(3)]")
        #expect(throws: PackError.self) { try fixture.pack() }
    }

    @Test func `a layer whose size its manifest gives wrong is refused`() throws {
        let fixture = try PackFixture()
        try layout(fixture, layers: "[put(rnd.randbytes(100), L, 77)]")
        let error = #expect(throws: PackError.self) { try fixture.pack() }
        #expect(error?.failure == .damaged)
    }

    @Test func `a file with the name of a volume is refused, in any case`() throws {
        let fixture = try PackFixture()
        try fixture.sample.edit(
            "file: tools/tool\n", "file: tools/tool\n    name: Palette-Enterprise-1.0.0.002.tar.zst\n")
        #expect(throws: PackError.nameTaken("Palette-Enterprise-1.0.0.002.tar.zst")) { try fixture.pack() }
    }

    @Test func `two packs of one name and version are refused with both folders, before anything is read`() throws {
        let fixture = try PackFixture()
        let packs = fixture.sample.inputs.appending("packs")
        try sh("cp -r \(packs)/hello \(packs)/other; echo more >> \(packs)/other/README.md")
        let reference = "spectro-packs/archive/hello-universe:1.3.1"
        #expect(throws: PackError.packTwice(reference, "\(packs)/hello", "\(packs)/other")) { try fixture.pack() }
        #expect(throws: PackError.self) { try planPack(fixture.options()) }
    }

    @Test func `the shared bundle tag goes to the last archive that has one`() throws {
        let fixture = try PackFixture()
        try sh(
            """
            cd \(fixture.sample.inputs); for n in a b; do python3 - $n <<'P'
            import hashlib, json, os, sys
            n = sys.argv[1]; os.makedirs(f"{n}/blobs/sha256")
            def put(data, kind):
                h = hashlib.sha256(data).hexdigest(); open(f"{n}/blobs/sha256/{h}", "wb").write(data)
                return {"mediaType": kind, "digest": "sha256:" + h, "size": len(data)}
            T = "application/vnd.oci.image."
            m = put(json.dumps({"schemaVersion": 2, "config": put(b'{"n":"%s"}' % n.encode(), T + "config.v1+json"),
                                "layers": []}).encode(), T + "manifest.v1+json")
            m["annotations"] = {"org.opencontainers.image.ref.name": "bundle-definition:bundle"}
            json.dump({"schemaVersion": 2, "manifests": [m]}, open(f"{n}/index.json", "w"))
            P
            tar -cf $n.tar $n; zstd -q $n.tar -o pack-$n.zst
            openssl dgst -sha256 -sign vendor.key -out pack-$n.sig.bin pack-$n.zst; done
            """)
        try fixture.sample.edit("  - layout: mirror\n", "  - layout: mirror\n  - bundle: pack-*.zst\n")
        let result = try fixture.pack()
        let definitions = result.references.filter { $0.repository == "bundle-definition" }
        #expect(definitions.compactMap(\.tag).sorted() == ["bundle", "palette-enterprise-appliance-1.0.0"])
        #expect(definitions.filter { $0.tag == nil }.count == 1)
        #expect(result.warnings.count == 1)
    }

    @Test func `a manifest that lies in an image too stands in the first volume`() throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        // a configuration of 40 kB, which the image holds as a file as well
        try layout(fixture, layers: "[put(b'{\"a\":\"' + b'x' * 40000 + b'\"}', L)]")
        try sh(
            """
            cd \(fixture.sample.inputs); mkdir -p iso/content/blobs/sha256
            cp $(find odd/blobs -size +30k) iso/content/blobs/sha256/
            xorriso -as mkisofs -quiet -R -V X -o appliance.iso iso
            openssl dgst -sha256 -sign vendor.key -out appliance.iso.sig.bin appliance.iso
            """)
        let result = try fixture.pack()
        let place = fixture.place.path
        try sh(
            """
            mkdir \(place)/l; for v in \(result.folder)/volumes/*.tar.zst; do zstd -dc $v | tar -xf - -C \(place)/l; done
            skopeo --insecure-policy copy -q oci:\(place)/l:odd/image:1 dir:\(place)/copied
            """)
    }
}
