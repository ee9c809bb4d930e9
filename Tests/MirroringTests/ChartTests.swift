// SPDX-License-Identifier: Apache-2.0

import Files
import FoundationEssentials
import Mirroring
import OCI
import Support
import SystemPackage
import Testing

/// Charts of classic Helm repositories, and of registries.
struct ChartTests {
    private let site: SourceSite
    private let web: WebFolder
    private let folder: FilePath

    init() throws {
        site = try SourceSite("http://127.0.0.1:1")
        folder = site.place.appending("charts")
        try folder.createDirectories()
        web = try WebFolder(folder)
    }

    /// Makes `hello-VERSION.tgz`; its SHA-256.
    private func chart(_ version: String, says: String? = nil) throws -> String {
        let result = try run([
            "bash", "-ec",
            """
            cd \(site.place.path); mkdir -p hello/templates
            printf 'apiVersion: v2\\nname: hello\\nversion: \(says ?? version)\\nappVersion: 1.10\\ndescription: "Says: hello"\\n\
            maintainers:\\n  - name: A\\n    email: a@example.org\\nkeywords: [x, y]\\n' > hello/Chart.yaml
            echo 'kind: ConfigMap' > hello/templates/map.yaml
            tar -czf charts/hello-\(version).tgz hello; sha256sum charts/hello-\(version).tgz
            """,
        ])
        #expect(result.status == 0, "\(result.errorOutput)")
        return String(result.output.prefix(64))
    }

    private func index(_ charts: [(version: String, digest: String)]) throws {
        let entries = charts.map {
            "  - apiVersion: v2\n    digest: \($0.digest)\n    name: hello\n    urls:\n    - hello-\($0.version).tgz\n"
                + "    version: \($0.version)\n"
        }
        let text = "apiVersion: v1\nentries:\n  other:\n  - version: 9.9.9\n  hello:\n\(entries.joined())generated: x\n"
        try write(Array(text.utf8), to: folder.appending("index.yaml"))
    }

    private func manifest(_ versions: String) -> String {
        "charts:\n  - {chart: hello, repository: '\(web.url)', versions: '\(versions)', as: charts.example.org/stable/hello}\n"
    }

    @Test func `a chart becomes Helm's artifact with the archive byte for byte`() throws {
        let digests = try ["1.0.0", "1.1.0", "2.0.0+build.5"].map { ($0, try chart($0)) }
        try index(digests)
        let result = try site.mirror(manifest(">=1.1"))
        #expect(result.failures.isEmpty, "\(result.failures)")
        #expect(
            try site.names() == [
                "charts.example.org/stable/hello:1.1.0", "charts.example.org/stable/hello:2.0.0_build.5",
            ])
        let bytes = try contents(of: site.to.appending("blobs/sha256/\(site.entries()[0].digest.hex)"))
        let made = try Manifest(parsing: Data(bytes), mediaType: MediaType.manifest)
        #expect(
            made.blobs.map(\.mediaType) == [
                "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            ])
        #expect(made.blobs[1].digest.hex == digests[1].1)
        let config = String(
            decoding: try contents(of: site.to.appending("blobs/sha256/\(made.blobs[0].digest.hex)")), as: UTF8.self)
        #expect(
            config == #"{"apiVersion":"v2","appVersion":"1.10","description":"Says: hello","keywords":["x","y"],"#
                + #""maintainers":[{"email":"a@example.org","name":"A"}],"name":"hello","version":"1.1.0"}"#)
        // Again: the index alone is asked for.
        let again = try site.mirror(manifest(">=1.1"))
        #expect(again.requests == 1 && again.plan.references.allSatisfy { $0.state == "unchanged" })
        let locked = try site.mirror(manifest(">=1.1")) { $0.isLocked = true }
        #expect(locked.requests == 0 && locked.failures.isEmpty)
    }

    @Test func `a locked run fetches the same archive elsewhere, or refuses`() throws {
        try index([("1.0.0", chart("1.0.0"))])
        try site.mirror(manifest("1.0.0"))
        let layout = try contents(of: site.to.appending("index.json"))
        try site.to.removeTree()
        try site.mirror(manifest("1.0.0")) { $0.isLocked = true }
        #expect(try contents(of: site.to.appending("index.json")) == layout)
        try site.to.removeTree()
        try write(Array("another chart".utf8), to: folder.appending("hello-1.0.0.tgz"))
        let result = try site.mirror(manifest("1.0.0")) { $0.isLocked = true }
        #expect(result.failures.count == 1 && result.failure == .damaged, "\(result.failures)")
    }

    @Test func `an archive that is not what the index says is refused`() throws {
        _ = try chart("1.0.0")
        try index([("1.0.0", String(repeating: "0", count: 64))])
        #expect(try site.mirror(manifest("*")).failure == .damaged)
        try index([("1.0.0", chart("1.0.0", says: "6.6.6"))])
        let other = try site.mirror(manifest("*"))
        #expect(other.failure == .damaged && other.failures[0].reason.contains("6.6.6"))
        #expect(try site.names().isEmpty)
    }

    @Test func `an archive that is no chart, and a chart that isn't listed, are told`() throws {
        try write(Array("no archive".utf8), to: folder.appending("hello-1.0.0.tgz"))
        try index([("1.0.0", digest("no archive".utf8).hex)])
        #expect(try site.mirror(manifest("*")).failures.count == 1)
        let none = try site.mirror("charts:\n  - {chart: none, repository: '\(web.url)', versions: '*'}\n")
        #expect(none.failures.first?.reason.contains("\"none\"") == true)
    }

    @Test func `a chart in a registry comes as it is`() throws {
        let registry = try RegistryServer()
        let site = try SourceSite(registry.url)
        let image = try site.image("charts/hello", "1.0.0", layers: [noise(200)])
        try site.mirror("charts:\n  - oci://quay.io/charts/hello:1.0.0\n")
        #expect(try site.entries().map(\.digest) == [image.digest])
    }
}
