// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import PaletteSources
import Support
import SystemPackage
import Testing

struct MirrorDocumentTests {
    private func document(_ text: String) throws -> MirrorDocument {
        try MirrorDocument(parsing: Array(text.utf8), file: "mirror.yaml")
    }

    @Test func `the example names what its comments say`() throws {
        let bytes = try contents(of: SourceTree.root.appending("manifests/mirror.yaml"))
        let example = try MirrorDocument(parsing: bytes, file: "mirror.yaml")
        #expect(!example.selections.isEmpty && !example.charts.isEmpty && !example.files.isEmpty)
        #expect(example.selections.contains { $0.versions != nil })
        #expect(example.selections.contains { $0.reference.digest != nil })
    }

    @Test func `every key is read`() throws {
        let document = try document(
            """
            format: 1
            registries:
              - {host: quay.io, address: 'https://cache.example/quay', caCert: ca.pem, username: u, passwordFile: pw,
                 tokenHosts: [auth.example]}
              - {host: 'old.example:5000', plainHttp: true}
            platforms: [linux/amd64, linux/arm/v7]
            images:
              - quay.io/a/b:1
              - {image: nginx, tags: ['1.25'], versions: ~1.26, newest: 2, preReleases: true, referrers: false,
                 platforms: [linux/arm64]}
            artifacts: [ghcr.io/x/y:2]
            charts:
              - oci://quay.io/charts/c:1.0.0
              - {chart: d, repository: 'https://charts.example', newest: 1, as: charts.example/d}
            files:
              - {url: 'https://example.org/x.iso', sha256: \(String(repeating: "a", count: 64))}
              - {name: '*.zst', signature: vendor}
            vendorKeys: [vendor.pem]
            """)
        #expect(document.hosts.map(\.host) == ["quay.io", "old.example:5000"] && document.hosts[1].plainHTTP)
        #expect(
            document.selections.map { "\($0.reference)" } == [
                "quay.io/a/b:1", "nginx", "ghcr.io/x/y:2", "quay.io/charts/c:1.0.0",
            ])
        #expect(document.selections[1].versions?.description == "~1.26, newest 2, pre-releases")
        #expect(document.selections[0].platforms?.map(\.description) == ["linux/amd64", "linux/arm/v7"])
        #expect(
            document.selections[1].platforms?.map(\.description) == ["linux/arm64"] && !document.selections[1].referrers
        )
        #expect(document.selections[3].platforms == nil)
        #expect(document.charts.map(\.name) == ["d"] && document.files.map(\.pin).last == .signature(nil))
    }

    @Test(arguments: [
        ("images: [quay.io/a]", "1:1"), ("images: [QUAY/../a:1]", "2:10"), ("images: []", "2:9"), ("image: x", "2:1"),
        ("images:\n  - {image: 'a:1', versions: '*'}", "3:13"), ("images:\n  - {image: a, versions: latest}", "3:26"),
        ("images:\n  - {image: a, newest: 0}", "3:24"), ("platforms: [amd64]\nimages: [a:1]", "2:13"),
        ("charts:\n  - {chart: ../c, repository: 'https://x', versions: '*'}", "3:13"),
        ("charts:\n  - {chart: c, repository: 'ftp://x', versions: '*'}", "3:28"),
        ("files:\n  - {url: 'https://x/y?sig=1', sha256: aa}", "3:11"), ("files:\n  - {url: 'https://x/y'}", "3:5"),
        ("files:\n  - {name: '../y', signature: vendor}", "3:12"),
        ("registries:\n  - {host: a, username: u}\nimages: [a:1]", "3:5"),
    ])
    func `a fault is told with its place`(_ text: String, _ place: String) throws {
        let error = #expect(throws: PaletteSources.ManifestError.self) { try document("format: 1\n" + text + "\n") }
        let said = "\(error.map { "\($0)" } ?? "")"
        #expect(said.hasPrefix("mirror.yaml:") && !said.contains("sig=1"), "\(said)")
        if place != "1:1" { #expect(said.hasPrefix("mirror.yaml:\(place):"), "\(said)") }
    }
}
