// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import PaletteSources
import Support
import SystemPackage
import Testing

/// What the release says about the images that its packs name, and about tags that may move.
struct PackImagesTests {
    /// Makes an OCI layout `NAME` of packs as ORAS would push them; `values` by the pack's name.
    private func layout(_ fixture: PackFixture, _ name: String, _ values: [String: String]) throws {
        for (pack, text) in values {
            let folder = fixture.sample.inputs.appending("src/\(pack)-1.0")
            try folder.createDirectories()
            try write(Array(text.utf8), to: folder.appending("values.yaml"))
        }
        let script = fixture.place.appending("packs.py")
        try write(
            Array(
                """
                import glob, hashlib, json, os, subprocess
                os.chdir("\(fixture.sample.inputs)"); os.makedirs("\(name)/blobs/sha256")
                def put(data, kind):
                    h = hashlib.sha256(data).hexdigest(); open("\(name)/blobs/sha256/" + h, "wb").write(data)
                    return {"mediaType": kind, "digest": "sha256:" + h, "size": len(data)}
                T, entries = "application/vnd.oci.image.", []
                for pack in "\(values.keys.sorted().joined(separator: " "))".split():
                    layer = subprocess.run(["tar", "-C", "src", "-czf", "-", pack + "-1.0"], check=True, capture_output=True).stdout
                    m = put(json.dumps({"schemaVersion": 2, "config": put(b"{}", "application/vnd.unknown.config.v1+json"),
                                        "layers": [put(layer, T + "layer.v1.tar")]}).encode(), T + "manifest.v1+json")
                    entries.append({**m, "annotations": {"org.opencontainers.image.ref.name": f"spectro-packs/archive/{pack}:1.0"}})
                json.dump({"schemaVersion": 2, "manifests": entries}, open("\(name)/index.json", "w"))
                open("\(name)/oci-layout", "w").write('{"imageLayoutVersion":"1.0.0"}')

                """.utf8), to: script)
        try sh("python3 \(script)")
    }

    private static func values(_ images: String...) -> String {
        "pack:\n  content:\n    images:\n" + images.map { "      - image: \($0)\n" }.joined()
    }

    private func pack(_ name: String, of references: [ReleaseReference]) throws -> ReleaseReference {
        try #require(references.first { $0.repository == "spectro-packs/archive/\(name)" })
    }

    @Test func `packs of folders, layouts and archives carry their images, in a resumed run too`() throws {
        let fixture = try PackFixture()
        let inputs = fixture.sample.inputs
        try write(
            Array(PackImagesTests.values("docker.io/library/db:16", "db:16", "quay.io/not/there:1").utf8),
            to: inputs.appending("packs/hello/values.yaml"))
        let web = "us-docker.pkg.dev/palette-images/web:1.2.3"
        let line = try sh("grep -o 'spegel@sha256:[0-9a-f]*' \(inputs)/mirror/index.json").output
        let digest = String(line.split(separator: "@")[1].prefix(71))
        try layout(fixture, "packed", ["one": PackImagesTests.values(web, "'{{.x}}'", "UPPER"), "two": "charts: {}\n"])
        try layout(
            fixture, "vendor",
            [
                "fips": PackImagesTests.values(
                    "us-docker.pkg.dev/palette-images-fips/k8s/pause:3.8", "ghcr.io/spegel-org/spegel@\(digest)")
            ])
        try sh("cd \(inputs) && tar -cf v.tar vendor && zstd -q v.tar -o vendor.zst")
        try fixture.sample.edit(
            "  - packs: packs/*\n",
            "  - packs: packs/*\n  - layout: packed\n  - bundle: vendor.zst\n    signature: none\n")
        // A run that stops at the end, after which the archive is not read again: nothing is left to read in it.
        try fixture.leaveNothingPlain()
        let move = "movesTags: [{ tag: a:1, from: 'sha256:\(String(repeating: "0", count: 64))' }]\n"
        try fixture.sample.edit("contents:\n", move + "contents:\n")
        #expect(throws: PaletteSources.ManifestError.self) { try fixture.pack(volumeSize: 1 << 20) }
        try sh(
            """
            cd \(inputs) && cp -p vendor.zst kept && head -c $(stat -c %s kept) /dev/zero | dd of=vendor.zst conv=notrunc \
            status=none && touch -r kept vendor.zst
            """)
        try fixture.sample.edit(move, "")
        let result = try fixture.pack(volumeSize: 1 << 20)
        #expect(result.wasResumed)
        #expect(try pack("hello-universe", of: result.references).images == ["library/db:16", "quay.io/not/there:1"])
        let one = try pack("one", of: result.references)
        #expect(one.images == [web] && one.fips == false)
        #expect(try pack("two", of: result.references).images == nil)
        let fips = try pack("fips", of: result.references)
        #expect(
            fips.images == [
                "ghcr.io/spegel-org/spegel@\(digest)", "us-docker.pkg.dev/palette-images-fips/k8s/pause:3.8",
            ])
        #expect(fips.fips == true)
        #expect(
            Set(result.missingImages.map(\.image))
                == ["quay.io/not/there:1", "us-docker.pkg.dev/palette-images-fips/k8s/pause:3.8"])
        let said = result.warnings.joined(separator: "\n")
        #expect(said.contains("pack spectro-packs/archive/one:1.0: \"{{.x}}\" is a template"))
        #expect(said.contains("\"UPPER\" is no image reference"))
        #expect(said.contains("2 images that 2 packs of the release name are not in it"))
    }

    @Test func `a tag that moves gets what the release delivers, and an unknown one is refused at its place`() throws {
        let fixture = try PackFixture()
        let from = "sha256:" + String(repeating: "0", count: 64)
        let text = "contents:\n"
        try fixture.sample.edit(text, "movesTags:\n  - { tag: library/none:1, from: \(from) }\n" + text)
        let error = #expect(throws: PaletteSources.ManifestError.self) { try fixture.pack() }
        #expect(error?.problem == .tagNotDelivered("library/none:1") && error?.place.line == 5)
        // What was read before is not read again.
        try fixture.sample.edit("library/none:1", "library/db:16")
        let plan = try planPack(fixture.options())
        let result = try fixture.pack()
        #expect(result.wasResumed)
        let db = try #require(result.references.first { $0.name == "library/db:16" }).descriptor.digest
        #expect(result.movesTags.map(\.name) == ["library/db:16"] && result.movesTags.first?.to == db)
        #expect(plan.delivered["library/db:16"] == db)
        #expect(try fixture.pack().wasComplete)
        let tool = SourceTree.tool("dray").string
        let line = "library/db:16  \(from) -> \(db)"
        #expect(try sh("\(tool) pack --dry-run --trust x \(fixture.sample.manifest)").output.contains(line))
        #expect(try sh("\(tool) list \(result.folder)").output.contains(line))
        #expect(try sh("\(tool) inspect \(result.folder)").output.contains("1 tag"))
        try fixture.sample.edit("from: \(from)", "from: \(db)")
        #expect(throws: PackError.bundleExists(result.folder)) { try fixture.pack() }
        let stays = #expect(throws: PaletteSources.ManifestError.self) { try fixture.pack(out: "b") }
        #expect(stays?.problem == .tagStays("library/db:16", digest: db.description))
    }

    @Test func `without an archive a tag that isn't delivered is refused before anything is read`() throws {
        let fixture = try PackFixture()
        try fixture.sample.edit("    deliver: [file, registry]\n", "    deliver: [file]\n")
        try fixture.sample.edit(
            "contents:\n", "movesTags: [{ tag: a:1, from: 'sha256:\(String(repeating: "0", count: 64))' }]\ncontents:\n"
        )
        #expect(throws: PaletteSources.ManifestError.self) { try planPack(fixture.options()) }
    }
}
