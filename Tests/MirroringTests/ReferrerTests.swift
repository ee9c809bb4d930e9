// SPDX-License-Identifier: Apache-2.0

import Mirroring
import OCI
import RegistryClient
import Support
import Testing

/// Signatures, SBOMs and cosign's tags come with their images.
struct ReferrerTests {
    /// An index whose second child has an SBOM, which is signed; the index has a signature and cosign's tag.
    private struct Content {
        let index: Descriptor
        let all: Set<Digest>
        let tag: String

        init(_ site: SourceSite) throws {
            let (index, children) = try site.index("team/app", "1", platforms: ["linux/amd64", "linux/arm64"])
            let signature = try site.image(
                "team/app", nil, layers: [noise(50)], subject: index, artifactType: "example/signature", note: "s")
            let sbom = try site.image(
                "team/app", nil, layers: [noise(60)], subject: children[1], artifactType: "example/sbom", note: "b")
            let about = try site.image(
                "team/app", nil, layers: [noise(70)], subject: sbom, artifactType: "example/signature", note: "sb")
            tag = "sha256-\(index.digest.hex).sig"
            try site.image("team/app", tag, layers: [noise(80)], note: "cosign")
            (self.index, all) = (index, [signature.digest, sbom.digest, about.digest])
        }
    }

    private func check(_ site: SourceSite, _ content: Content) throws {
        let result = try site.mirror("images: [quay.io/team/app:1]\n")
        #expect(result.failures.isEmpty, "\(result.failures)")
        let entries = try site.entries()
        #expect(
            entries.map(\.name).filter { !$0.isEmpty } == ["quay.io/team/app:1", "quay.io/team/app:\(content.tag)"])
        #expect(Set(entries.filter { $0.name.isEmpty }.map(\.digest)) == content.all)
        for digest in content.all { #expect(try site.has(digest)) }
        #expect(result.plan.references[0].referrers == 4)
        // Once more: they are kept, and nobody asks for them.
        let again = try site.mirror("images: [quay.io/team/app:1]\n")
        #expect(again.requests == 1 && again.plan.keptReferrers == 1)
        #expect(try site.entries().count == entries.count)
    }

    @Test func `a registry with the referrers API is asked for children and referrers of referrers too`() throws {
        var options = ZotServer.Options()
        options.era = .v2_1_20
        let server = try ZotServer(options)
        let site = try SourceSite(server.url)
        try check(site, Content(site))
    }

    @Test func `a registry without it has them at the fallback tag`() throws {
        let server = try RegistryServer()
        let site = try SourceSite(server.url)
        let (index, children) = try site.index("team/app", "1", platforms: ["linux/amd64", "linux/arm64"])
        let signature = try site.image(
            "team/app", nil, layers: [noise(50)], subject: index, artifactType: "example/signature", note: "s")
        let sbom = try site.image("team/app", nil, layers: [noise(60)], subject: children[1], note: "b")
        let connection = try Registry(Endpoint(parsing: server.url), RegistryOptions()).connection()
        for (subject, referrer) in [(index, signature), (children[1], sbom)] {
            try connection.ensureReferrer("team/app", of: subject.digest, referrer) { digest($0) }
        }
        try site.mirror("images: [quay.io/team/app:1]\n")
        #expect(Set(try site.entries().filter { $0.name.isEmpty }.map(\.digest)) == [signature.digest, sbom.digest])
    }

    @Test func `a signature that came later is found by a refresh`() throws {
        let server = try ZotServer()
        let site = try SourceSite(server.url)
        let image = try site.image("team/app", "1", layers: [noise(500)])
        try site.mirror("images: [quay.io/team/app:1]\n")
        let signature = try site.image("team/app", nil, layers: [noise(50)], subject: image, note: "s")
        try site.mirror("images: [quay.io/team/app:1]\n")
        #expect(try !site.has(signature.digest))
        try site.mirror("images: [quay.io/team/app:1]\n") { $0.refreshes = true }
        #expect(try site.has(signature.digest))
    }

    @Test func `referrers can be left behind`() throws {
        let server = try ZotServer()
        let site = try SourceSite(server.url)
        let content = try Content(site)
        try site.mirror("images:\n  - {image: 'quay.io/team/app:1', referrers: false}\n")
        #expect(try site.entries().map(\.digest) == [content.index.digest])
    }
}
