// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// What the media and the site have, side by side.
struct ComparisonTests {
    private let site: Site
    private let server: ZotServer
    private var url: String { server.url + "/spectro-content" }

    init() throws { (site, server) = (try Site(), try ZotServer()) }

    private func compared(all: Bool = false) throws -> SiteComparison {
        try SiteComparison(site.verified(), at: registryTarget(url), all: all, jobs: 4, progress: Progress())
    }

    @Test func `an empty site has none of it`() throws {
        let found = try compared()
        #expect(found.rows.count == (try site.verified().release.references.count))
        #expect(found.rows(.mediaOnly).count == found.rows.count)
        #expect(found.rows.allSatisfy { ($0.size ?? 0) > 0 })
        #expect(found.report.text.contains("  library/db  16  "))
        #expect(found.report.text.contains("appliance.iso"))
        #expect(server.lines.allSatisfy { $0.hasPrefix("GET") || $0.hasPrefix("HEAD") })
    }

    @Test func `what is the same, what differs and what the site alone has`() throws {
        let before = try site.load(registryTarget(url))
        #expect(try compared().rows(.same).count == compared().rows.count)
        let copy = ["skopeo", "copy", "-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
        let place = "docker://\(url.dropFirst(7))"
        for target in ["library/db:16", "library/db:own"] {
            let from = "\(place)/us-docker.pkg.dev/palette-images/web:1.2.3"
            let copied = try run(copy + [from, "\(place)/\(target)"])
            #expect(copied.status == 0, "\(copied.errorOutput)")
        }
        let found = try compared(all: true)
        let other = try #require(found.rows(.other).first)
        #expect(found.rows(.other).count == 1 && other.repository == "library/db" && other.reference == "16")
        #expect(other.media?.description == before.counts.tags.first { $0.repository == "library/db" }?.digest)
        #expect(found.rows(.siteOnly).map(\.reference) == ["own"])
        #expect(found.report.text.contains("library/db:16  media sha256:"))
        #expect(try compared().rows(.siteOnly).isEmpty)
        let json = String(decoding: found.report.json.canonicalBytes, as: UTF8.self)
        #expect(json.contains(#""counts":{"mediaOnly":0,"other":1,"same":\#(found.rows.count - 2),"siteOnly":1}"#))
    }

    @Test func `media without a volume are compared, sizes aside`() throws {
        let volumes = try site.packed.bundle.appending("volumes").entries()
        let medium = try site.medium("partial", without: ["volumes/\(try #require(volumes.last))"])
        let found = try SiteComparison(
            site.verified([medium]), at: registryTarget(url), all: false, jobs: 2, progress: Progress())
        #expect(found.rows(.mediaOnly).count == found.rows.count && found.rows.allSatisfy { $0.size == nil })
        #expect(found.report.warnings.contains { $0.contains("sizes are left out") })
    }
}
