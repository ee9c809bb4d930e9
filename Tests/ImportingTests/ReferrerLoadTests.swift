// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import Importing
import OCI
import RegistryClient
import Support
import Testing

/// Signatures and other manifests about an image, as OCI referrers and as Cosign's tags.
struct ReferrerLoadTests {
    private let site: Site
    private let subject: Descriptor
    private let about: [Descriptor]
    private let names: [String]

    init() throws {
        var layout = MadeLayout()
        let image = layout.image("library/a:1", [try layout.noise(1000)])
        var referrers: [Descriptor] = []
        for kind in ["signature", "sbom"] {
            let more = #","artifactType":"example/\#(kind)","subject":\#(MadeLayout.text(image))"#
            referrers.append(layout.image(nil, [], config: "\"\(kind)\"", more: more))
        }
        (subject, about) = (image, referrers)
        names = ["att", "sbom", "sig"].map { "sha256-\(image.digest.hex).\($0)" }
        for name in names { _ = layout.image("library/a:\(name)", [layout.blob(Array(name.utf8))]) }
        site = try Site(layout.packed())
    }

    private func list(_ registry: Registry) throws -> Set<Digest> {
        Set(try registry.connection().referrers("spectro-content/library/a", subject.digest)?.map(\.digest) ?? [])
    }

    /// The digests in the index at the fallback tag.
    private func fallback(_ connection: RegistryConnection) throws -> [Digest] {
        let found = try connection.manifest("spectro-content/library/a", ReferrersTag.name(for: subject.digest))
        return try found.map { try Manifest(parsing: $0.bytes, mediaType: $0.mediaType).manifests.map(\.digest) } ?? []
    }

    @Test(arguments: ZotServer.Era.allCases)
    func `on Zot the API lists both referrers, and Cosign's tags are there`(_ era: ZotServer.Era) throws {
        var options = ZotServer.Options()
        options.era = era
        let server = try ZotServer(options)
        let receipt = try site.load(server.target())
        #expect(receipt.counts.readBack.isComplete && receipt.counts.readBack.repaired == 0)
        #expect(try list(Registry(try Endpoint(parsing: server.url), RegistryOptions())) == Set(about.map(\.digest)))
        #expect(server.allTags.map(\.reference) == (["1"] + names).sorted())  // no fallback tag
        #expect(try site.load(server.target()).nothingToDo)
    }

    @Test func `docker-registry gets the fallback tag, with what others wrote there, and a lost line is repaired`()
        throws
    {
        let server = try RegistryServer()
        let connection = try Registry(try Endpoint(parsing: server.url), RegistryOptions()).connection()
        let foreign = try putForeign(connection)
        let target = try registryTarget(server.url + "/spectro-content")
        let receipt = try site.load(target)
        #expect(receipt.counts.readBack.isComplete && receipt.counts.readBack.repaired == 0)
        let all = Set(about.map(\.digest) + [foreign.digest])
        let listed = try fallback(connection)
        #expect(Set(listed) == all && listed.count == 3)
        #expect(try site.load(target).nothingToDo)

        // Somebody writes the list without one of ours.
        try putList(connection, [foreign, about[0]])
        let repaired = try site.load(target)
        #expect(repaired.counts.readBack.isComplete && repaired.counts.readBack.repaired == 1)
        #expect(try Set(fallback(connection)) == all)
    }

    @Test func `a registry whose API names no referrers gets the fallback tag`() throws {
        let server = try ZotServer()
        let empty = #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[]}"#
        server.inject(.answer(200, headers: ["Content-Type": MediaType.index], body: empty), times: 100) {
            $0.kind == .referrers
        }
        let receipt = try site.load(server.target())
        #expect(receipt.counts.readBack.isComplete && receipt.counts.readBack.repaired == 2)
        let connection = try Registry(try Endpoint(parsing: server.url), RegistryOptions()).connection()
        #expect(try Set(fallback(connection)) == Set(about.map(\.digest)))
    }

    @Test func `a registry that lists referrers nowhere is found out`() throws {
        let server = try ZotServer()
        let name = ReferrersTag.name(for: subject.digest)
        server.inject(.answer(404), times: 100) { $0.method == "GET" && $0.target.hasSuffix(name) }
        let empty = #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[]}"#
        server.inject(.answer(200, headers: ["Content-Type": MediaType.index], body: empty), times: 100) {
            $0.kind == .referrers
        }
        let error = try site.failure(of: server.target())
        #expect(error.failure == .failed && "\(error)".contains("among the referrers of \(subject.digest)"))
    }

    // MARK: What others wrote

    private func putForeign(_ connection: RegistryConnection) throws -> Descriptor {
        let config = Descriptor(mediaType: MediaType.imageConfig, digest: Digest(of: Array("[]".utf8)), size: 2)
        _ = try connection.upload(
            BlobUpload(
                repository: "spectro-content/library/a", digest: config.digest, size: 2, mountFrom: nil,
                presence: .unlikely)
        ) { _ in Two() }
        let text =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":\#(MadeLayout.text(config)),"layers":[]}"#
        let digest = Digest(of: Array(text.utf8))
        try connection.putManifest(
            "spectro-content/library/a", digest.description, Data(text.utf8), mediaType: MediaType.manifest,
            digest: digest)
        let foreign = Descriptor(mediaType: MediaType.manifest, digest: digest, size: Int64(text.utf8.count))
        try putList(connection, [foreign])
        return foreign
    }

    private func putList(_ connection: RegistryConnection, _ entries: [Descriptor]) throws {
        let list = entries.map(MadeLayout.text).joined(separator: ",")
        let text = #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[\#(list)]}"#
        try connection.putManifest(
            "spectro-content/library/a", ReferrersTag.name(for: subject.digest), Data(text.utf8),
            mediaType: MediaType.index, digest: Digest(of: Array(text.utf8)))
    }

    /// The two bytes `[]`.
    private struct Two: BlobBody {
        var isDone = false

        mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
            guard !isDone else { return 0 }
            isDone = true
            unsafe buffer.copyBytes(from: Array("[]".utf8))
            return 2
        }
    }
}
