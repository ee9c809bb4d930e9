// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import Testing

@testable import Importing

/// Which releases stay, by receipts alone; and what a cluster's list of images means.
struct RetentionTests {
    private let address = "https://zot:30003/spectro-content"
    private let product = "palette-enterprise"

    private func receipt(
        _ version: String, day: Int, _ kind: Release.Kind?, product: String? = nil, needs: [String] = [],
        _ change: (inout Receipt) -> Void = { _ in }
    ) throws -> ReceiptFile {
        let named = product ?? self.product
        return try receiptFile(named, version, finished: "2026-11-\(day < 10 ? "0" : "")\(day)T03:00:00Z") { receipt in
            receipt.facts.kind = kind
            receipt.facts.needs = needs.map { Release.Name(product: self.product, version: $0) }
            change(&receipt)
        }
    }

    private func retention(_ files: [ReceiptFile], keep: Int = 2) throws -> Retention {
        Retention(try SiteReleases(files, at: address, keys: []), keep: keep)
    }

    private func reasons(_ retention: Retention) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: retention.verdicts.map { ($0.release.newest.version, $0.reason?.word ?? "goes") })
    }

    private func pack(_ name: String, _ version: String) -> LoadTally.TagRecord {
        .init(repository: "spectro-packs/archive/\(name)", tag: version, digest: "sha256:x", before: nil, action: "new")
    }

    @Test func `the newest appliance releases of each product stay, and only those are counted`() throws {
        let found = try retention([
            receipt("4.7.3", day: 1, .appliance), receipt("4.7.15", day: 2, .appliance),
            receipt("4.7.20", day: 3, .appliance), receipt("v9", day: 1, .appliance, product: "vertex-enterprise"),
            receipt("p1", day: 9, .packs) { $0.counts.tags = [self.pack("calico", "1")] },
        ])
        #expect(
            reasons(found) == ["4.7.3": "goes", "4.7.15": "newest", "4.7.20": "newest", "v9": "newest", "p1": "packs"])
        #expect(found.gone.map(\.newest.version) == ["4.7.3"])
    }

    @Test func `a release that was loaded again is as new as its last load`() throws {
        let found = try retention([
            receipt("4.7.3", day: 1, .appliance), receipt("4.7.15", day: 2, .appliance),
            receipt("4.7.20", day: 3, .appliance), receipt("4.7.3", day: 4, .appliance),
        ])
        #expect(reasons(found) == ["4.7.3": "newest", "4.7.15": "goes", "4.7.20": "newest"])
    }

    @Test func `what a release that stays needs, and its fixes, stay; fixes of others go`() throws {
        let found = try retention(
            [
                receipt("4.7.3", day: 1, .appliance), receipt("4.7.3-fix", day: 2, .fix, needs: ["4.7.3"]),
                receipt("base", day: 3, .appliance), receipt("4.7.20", day: 4, .appliance, needs: ["base"]),
                receipt("4.7.20-fix", day: 5, .fix, needs: ["4.7.20"]), receipt("lone-fix", day: 6, .fix),
                receipt("fix-of-fix", day: 7, .fix, needs: ["4.7.20-fix"]),
            ], keep: 1)
        #expect(
            reasons(found) == [
                "4.7.3": "goes", "4.7.3-fix": "goes", "base": "needed", "4.7.20": "newest", "4.7.20-fix": "fixes",
                "lone-fix": "fixesUnknown", "fix-of-fix": "fixes",
            ])
    }

    @Test func `packs go when newer packs of their product have each of them, in whatever version`() throws {
        func found(_ newer: [String], product: String = "palette-enterprise") throws -> String? {
            reasons(
                try retention([
                    receipt("p1", day: 1, .packs) { $0.counts.tags = [pack("calico", "1"), pack("nginx", "1")] },
                    receipt("p2", day: 2, .packs, product: product) { $0.counts.tags = newer.map { pack($0, "2") } },
                ]))["p1"]
        }
        #expect(try found(["calico", "nginx", "vault"]) == "goes")
        #expect(try found(["calico"]) == "packs")
        #expect(try found(["calico", "nginx"], product: "other") == "packs")
    }

    @Test func `a receipt of before kinds tells an appliance by its agent, and nothing else`() throws {
        func kind(_ repository: String, _ tag: String) throws -> Release.Kind? {
            let file = try receipt("1", day: 1, nil) {
                $0.counts.tags = [
                    .init(repository: repository, tag: tag, digest: "sha256:x", before: nil, action: "new")
                ]
            }
            return try SiteReleases([file], at: address, keys: []).releases.first?.kind
        }
        #expect(try kind("us-docker.pkg.dev/palette-images/edge/stylus", "v4.10.4") == .appliance)
        #expect(try kind("us-docker.pkg.dev/palette-images/edge/stylus-linux-amd64", "v4.5.5") == .appliance)
        #expect(try kind("bundle-definition", "palette-enterprise-appliance-4.7.9") == .appliance)
        #expect(try kind("bundle-definition", "palette-thirdparty-bundle-4.7.0") == nil)
        #expect(try kind("library/db", "16") == nil)
        #expect(reasons(try retention([receipt("1", day: 1, nil)])) == ["1": "unknownKind"])
    }

    @Test func `a load that failed keeps what it brought, until one of the release ends well`() throws {
        let failed = try receipt("4.7.20", day: 3, .appliance) { $0.outcome = "failed" }
        let files = [try receipt("4.7.3", day: 1, .appliance), try receipt("4.7.15", day: 2, .appliance), failed]
        #expect(
            reasons(try retention(files, keep: 1)) == ["4.7.3": "goes", "4.7.15": "newest", "4.7.20": "unfinished"])
        let again = try receipt("4.7.20", day: 4, .appliance)
        #expect(
            reasons(try retention(files + [again], keep: 1)) == ["4.7.3": "goes", "4.7.15": "goes", "4.7.20": "newest"])
    }

    @Test func `receipts that nobody has signed only ever keep, where the site has a key`() throws {
        let copy = try receipt("4.7.3", day: 1, .appliance)
        let own = [try receipt("4.7.15", day: 2, .appliance), try receipt("4.7.20", day: 3, .appliance)]
        let site = try SiteReleases(own, copies: [copy], at: address, keys: [])
        #expect(reasons(Retention(site, keep: 1)) == ["4.7.3": "unproven", "4.7.15": "goes", "4.7.20": "newest"])
    }

    private static let digest = "sha256:" + String(repeating: "a", count: 64)

    @Test(arguments: [
        (
            "10.10.1.5:30003/spectro-content/us-docker.pkg.dev/palette-images/edge/stylus:v4.10.4",
            "us-docker.pkg.dev/palette-images/edge/stylus", "v4.10.4"
        ),
        (
            "us-docker.pkg.dev/palette-images/edge/stylus:v4.10.4", "us-docker.pkg.dev/palette-images/edge/stylus",
            "v4.10.4"
        ),
        ("nginx:1.25", "library/nginx", "1.25"), ("docker.io/library/nginx:1.25", "nginx", "1.25"),
        ("nginx", "library/nginx", "latest"), ("localhost:5000/a/b:1", "b", "1"),
        ("quay.io/x/y:2@\(digest)", "quay.io/x/y", "2"),
        (
            "us-docker.pkg.dev/palette-images/edge/stylus:v1", "mirror/us-docker.pkg.dev-palette-images-edge-stylus",
            "v1"
        ),
    ])
    func `an image in use is known however it is written`(_ word: String, _ repository: String, _ tag: String) throws {
        let list = try InUse(parsing: Array("other/image:9\n\(word)\n".utf8))
        #expect(list.count == 2)
        #expect(list.mayBe(Place(repository, tag)))
        #expect(!list.mayBe(Place(repository, tag + "0")))
        #expect(!list.mayBe(Place(repository + "x", tag)))
    }

    @Test(arguments: ["x@\(digest)", "docker-pullable://a/b@\(digest)", digest, "[\"a@\(digest)\",\"b:1\"]"])
    func `a digest in use counts wherever it is`(_ word: String) throws {
        let list = try InUse(parsing: Array(word.utf8))
        #expect(list.digests == [try Digest(parsing: Self.digest)])
        #expect(list.mayBe(Place("any", Self.digest)))
    }

    @Test func `a list that can't be the images of a cluster is refused`() {
        #expect(throws: InUseError.empty) { try InUse(parsing: Array(" \n\n".utf8)) }
        #expect(throws: InUseError.noImage("a@sha256:12")) { try InUse(parsing: Array("a@sha256:12".utf8)) }
        #expect(throws: InUseError.noImage("b/:1")) { try InUse(parsing: Array("a:1 b/:1".utf8)) }
        #expect(InUseError.empty.failure == .usage)
    }
}
