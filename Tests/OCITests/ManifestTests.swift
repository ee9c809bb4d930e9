// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import OCI
import Testing

struct ManifestTests {
    static func descriptor(_ type: String, _ digit: Character = "a", size: Int = 2) -> String {
        let digest = "sha256:" + String(repeating: digit, count: 64)
        return #"{"mediaType":"\#(type)","digest":"\#(digest)","size":\#(size)}"#
    }

    static let layer = descriptor(MediaType.gzipLayer, "b")
    static let config = descriptor(MediaType.imageConfig)

    @Test func `a manifest keeps its bytes and gives its references in order`() throws {
        let text = #"{ "schemaVersion": 2, "x": [1.5], "config": \#(Self.config), "layers": [\#(Self.layer)] }"#
        let manifest = try Manifest(parsing: Data(text.utf8), mediaType: MediaType.manifest)
        #expect(manifest.bytes == Data(text.utf8))
        #expect(manifest.references.map(\.mediaType) == [MediaType.imageConfig, MediaType.gzipLayer])
    }

    struct Case: Sendable {
        let text: String
        let type: String
        let error: ManifestError
    }

    @Test(arguments: [
        Case(
            text: #"{"config":\#(config),"layers":[],"manifests":[]}"#, type: MediaType.manifest, error: .ambiguous),
        Case(text: #"{"config":\#(config),"manifests":[]}"#, type: MediaType.index, error: .ambiguous),
        Case(text: #"{"layers":[]}"#, type: MediaType.manifest, error: .incomplete(MediaType.manifest)),
        Case(text: #"{}"#, type: MediaType.index, error: .incomplete(MediaType.index)),
        Case(
            text: #"{"mediaType":"x","manifests":[]}"#, type: MediaType.index,
            error: .typeMismatch(said: MediaType.index, holds: "x")),
        Case(
            text: #"{"config":\#(descriptor(MediaType.imageConfig, size: -1)),"layers":[]}"#, type: MediaType.manifest,
            error: .impossibleSize),
    ]) func `what could be read in two ways is refused`(test: Case) {
        #expect(throws: test.error) { try Manifest(parsing: Data(test.text.utf8), mediaType: test.type) }
    }

    @Test func `no more than four megabytes are parsed`() {
        let bytes = Data(repeating: 32, count: Manifest.maximumSize + 1)
        #expect(throws: ManifestError.tooLarge(bytes.count)) {
            try Manifest(parsing: bytes, mediaType: MediaType.manifest)
        }
    }

    @Test func `a graph lists children before parents, each once`() throws {
        func image(_ digit: Character) -> (Descriptor, Manifest) {
            let digest = Digest(hex: String(repeating: digit, count: 64))
            let text = #"{"config":\#(Self.config),"layers":[\#(Self.layer)]}"#
            let manifest = try? Manifest(parsing: Data(text.utf8), mediaType: MediaType.manifest)
            guard let digest, let manifest else { preconditionFailure("a fixture is wrong") }
            return (Descriptor(mediaType: MediaType.manifest, digest: digest, size: 1), manifest)
        }
        let children = [image("1"), image("2")]
        let list = children.map { Self.descriptor($0.0.mediaType, $0.0.digest.hex.first ?? "0") }.joined(separator: ",")
        let index = try Manifest(parsing: Data(#"{"manifests":[\#(list)]}"#.utf8), mediaType: MediaType.index)
        let root = try #require(Digest(hex: String(repeating: "f", count: 64)))
        var graph = ManifestGraph()
        for _ in 0..<2 {
            try graph.add(Descriptor(mediaType: MediaType.index, digest: root, size: 1)) { descriptor in
                descriptor.digest == root ? index : children[descriptor.digest.hex.hasPrefix("1") ? 0 : 1].1
            }
        }
        #expect(graph.manifests.map(\.descriptor.digest) == children.map(\.0.digest) + [root])
        #expect(graph.blobs.count == 2)
        #expect(graph.contains(root))
    }

    @Test func `too many levels of indexes are refused`() throws {
        var level = 0
        var graph = ManifestGraph()
        let first = try #require(Digest(hex: String(repeating: "0", count: 64)))
        #expect(throws: GraphError.self) {
            try graph.add(Descriptor(mediaType: MediaType.index, digest: first, size: 1)) { _ in
                level += 1
                let digest = String(level, radix: 16)
                let child = String(repeating: "0", count: 64 - digest.count) + digest
                let text = #"{"manifests":[{"mediaType":"\#(MediaType.index)","digest":"sha256:\#(child)","size":1}]}"#
                return try Manifest(parsing: Data(text.utf8), mediaType: MediaType.index)
            }
        }
        #expect(level == ManifestGraph.maximumDepth)
    }
}
