// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import OCI
import RegistryClient
import Support
import Testing

@testable import Importing

/// Signed content that is meant to hurt, as the import meets it (docs/hostile-cases.md).
struct HostileContentTests {
    private static let digest = String(repeating: "0a", count: 32)

    /// Reads an image manifest whose layer has this digest.
    private func parse(_ digest: String) throws -> Manifest {
        let config = MadeLayout.text(Contents.blob("config"))
        let layer = #"{"mediaType":"\#(MediaType.gzipLayer)","digest":"\#(digest)","size":1}"#
        let text = #"{"schemaVersion":2,"config":\#(config),"layers":[\#(layer)]}"#
        return try Manifest(parsing: Data(text.utf8), mediaType: MediaType.manifest)
    }

    @Test(arguments: [
        "sha256:../../x", "sha256:\(digest.uppercased())", "sha256:\(digest.dropLast())", "sha256:\(digest)0",
        "sha512:\(digest)", "md5:\(digest.prefix(32))", "SHA256:\(digest)", digest, "sha256:", "",
        "sha256:\(digest)\\n",
        "sha256:\(digest.dropLast(2))..", " sha256:\(digest)", "sha256:sha256:\(digest)",
    ]) func `case 59: a manifest with a digest that is none is refused`(_ digest: String) throws {
        #expect(throws: ManifestError.self) { try parse(digest) }
        #expect(try parse("sha256:\(Self.digest)").blobs.count == 2)
    }

    @Test func `case 60: a registry's document of two readings is not taken for what the release has`() throws {
        var layout = MadeLayout()
        let image = layout.image("library/a:1", [try layout.noise(100)])
        let site = try Site(layout.packed())
        let server = try ZotServer()
        let config = MadeLayout.text(Contents.blob("config"))
        let text = #"{"schemaVersion":2,"config":\#(config),"layers":[],"manifests":[]}"#
        let named = ["Content-Type": MediaType.manifest, "Docker-Content-Digest": image.digest.description]
        server.inject(.answer(200, headers: named, body: text), times: 1) { $0.kind == .manifest && $0.method == "GET" }
        // The header claims the release's digest; what counts are the bytes.
        #expect(try site.failure(of: server.target()).failure == .refused)
        #expect(server.allTags.isEmpty)
    }

    @Test(arguments: [1, 2, 15])
    func `case 61: indexes that contain each other are walked once`(_ length: Int) throws {
        let digests = (0..<length).map { Contents.blob("index \($0)").digest }
        var content = RegistryContent()
        var fetched = 0
        let first = Descriptor(mediaType: MediaType.index, digest: digests[0], size: 1)
        try content.add(reference("a", "1", first)) { descriptor in
            fetched += 1
            let place = try #require(digests.firstIndex(of: descriptor.digest))
            let next = Descriptor(mediaType: MediaType.index, digest: digests[(place + 1) % length], size: 1)
            let text = #"{"schemaVersion":2,"manifests":[\#(MadeLayout.text(next)),\#(MadeLayout.text(next))]}"#
            return try Manifest(parsing: Data(text.utf8), mediaType: MediaType.index)
        }
        #expect(fetched == length)
        let plan = LoadPlan(content, TargetAnswers())
        #expect(plan.groups.map(\.manifests.count) == [length])
    }

    @Test func `case 61: a deep chain of indexes ends at the limit, before more is fetched`() throws {
        var content = RegistryContent()
        var fetched = 0
        let first = Descriptor(mediaType: MediaType.index, digest: Contents.blob("0").digest, size: 1)
        #expect(throws: GraphError.self) {
            try content.add(reference("a", "1", first)) { _ in
                fetched += 1
                let next = Descriptor(mediaType: MediaType.index, digest: Contents.blob("\(fetched)").digest, size: 1)
                let text = #"{"schemaVersion":2,"manifests":[\#(MadeLayout.text(next))]}"#
                return try Manifest(parsing: Data(text.utf8), mediaType: MediaType.index)
            }
        }
        #expect(fetched == ManifestGraph.maximumDepth && content.items.isEmpty)
    }

    @Test func `case 62: addresses in a descriptor are never asked, and the bundle's own bytes are sent`() throws {
        let other = ScriptedServer { _ in .answer(200) }
        var layout = MadeLayout()
        let layer = try layout.noise(1000)
        let config = layout.blob(Array("{}".utf8), MediaType.imageConfig)
        let urls = #","urls":["\#(other.url)/blob","http://169.254.169.254/latest"]}"#
        let text =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":\#(MadeLayout.text(config)),"layers":[\#(MadeLayout.text(layer).dropLast())\#(urls)]}"#
        layout.add(layout.blob(Array(text.utf8), MediaType.manifest), "library/a:1")
        let site = try Site(layout.packed())
        let server = try ZotServer()
        #expect(try site.load(server.target()).counts.readBack.isComplete)
        #expect(server.hasBlob("spectro-content/library/a", layer.digest.description))
        #expect(other.connections == 0)
    }

    @Test(
        arguments: [
            "../x", "x/../y", "/x", "x/", "x//y", "X", "é", "x y", "x%2e", "x:y", "x@y", "", ".", "..", "x/.",
            "x?mount=y", "x#y", "x\\y", "x\n", String(repeating: "x", count: 4096),
        ]) func `case 64: no repository is called so`(_ name: String)
    { #expect(!Reference.isRepository(name)) }

    @Test(arguments: [
        "", "x/y", "../x", ".x", "-x", "x y", "x:y", "x@y", "é", "x\n", String(repeating: "x", count: 129),
    ])
    func `case 64: no tag is called so`(_ tag: String) { #expect(!Reference.isTag(tag)) }
}
