// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// Inputs that are shaped as the vendor's, with one thing wrong in each, packed by the command itself.
struct SyntheticVendorTests {
    /// The wrong releases, and a publisher for each edition; every case works with copies.
    private static let shared = Result {
        let vendor = try SyntheticVendor(editions: ["palette"], releases: ["4.7.3"], wrong: "all")
        return (vendor, try Publisher(in: TemporaryFolder(), editions: ["palette", "vertex"]))
    }

    @Test(arguments: WrongShape.all) func `each wrong shape has its exit code and its words`(shape: WrongShape) throws {
        let (vendor, publisher) = try Self.shared.get()
        let (input, place) = (vendor.top.appending("wrong").appending(shape.folder), TemporaryFolder())
        let edition = try sh("grep -o 'edition: [a-z]*' \(input)/release.yaml").output.dropFirst(9).dropLast()
        try sh("cp -r \(publisher.place.path)/trust-\(edition) \(place.path)/trust")
        let result = try run(
            [
                SourceTree.tool("dray").string, "pack", "\(input)/release.yaml", "--trust", "\(place.path)/trust",
                "--key",
                "\(publisher.place.path)/release.pem", "--out", "\(place.path)/out", "--state", "\(place.path)/state",
                "--quiet",
            ], timeout: 30)
        #expect(result.status == shape.code, "\(result.errorOutput)")
        for word in shape.words { #expect(result.errorOutput.contains(word), "\(result.errorOutput)") }
        if shape.code == 0, shape.words.isEmpty { #expect(result.errorOutput.isEmpty, "\(result.errorOutput)") }
        let bundles = try sh("ls \(place.path)/out 2>/dev/null || true").output
        #expect(bundles.isEmpty == (shape.code != 0), "a refused input leaves no bundle: \(bundles)")
        try sh("test ! -e /tmp/dray-climbed; test ! -e /tmp/dray-absolute; test ! -e \(input)/ran")
    }

    @Test func `every shape that the vendor makes is in the table, and no other`() throws {
        let made = try sh("ls \(try Self.shared.get().0.top)/wrong").output.split(separator: "\n").map(String.init)
        #expect(made.sorted() == WrongShape.all.map(\.folder).sorted())
    }

    @Test(arguments: LintShape.all) func `lint names what would break, by its rule`(shape: LintShape) throws {
        let vendor = try Self.shared.get().0
        let result = try run([
            SourceTree.tool("dray").string, "packs", "lint", "\(vendor.top)/\(shape.folder)", "--output", "json",
        ])
        #expect(result.status == shape.code, "\(result.output)\(result.errorOutput)")
        let place = TemporaryFolder()
        try write(result.stdout, to: place.appending("lint.json"))
        let rules = try sh("jq -r '.. | .rule? // empty' \(place.path)/lint.json | sort -u").output.split(
            separator: "\n")
        #expect(rules.map(String.init) == shape.rules.sorted(), "\(result.output)")
    }
}

/// What `dray packs lint` makes of a pack folder of the vendor.
struct LintShape: Sendable, CustomTestStringConvertible {
    let folder: String
    let code: Int32
    let rules: [String]
    var testDescription: String { folder }

    static let all = [
        LintShape(folder: "palette/4.7.3/folders/hello-universe-1.3.0", code: 0, rules: []),
        LintShape(folder: "palette/4.7.3/folders/reloader-1.4.8", code: 0, rules: ["no-image-list"]),
        LintShape(folder: "palette/4.7.3/folders/spegel-0.7.2", code: 0, rules: []),
        LintShape(
            folder: "palette/4.7.3/folders/sonobuoy-latest", code: 0,
            rules: ["folder-name", "image-latest", "image-no-host", "image-untagged"]),
        LintShape(folder: "palette/4.7.3/folders/byoi", code: 0, rules: ["folder-name", "image-template"]),
        LintShape(folder: "wrong/pack.json-is-no-JSON/folders", code: 14, rules: ["metadata-unreadable"]),
        LintShape(folder: "wrong/pack-version-with-a-v/folders", code: 0, rules: ["folder-name", "version-prefix"]),
        LintShape(folder: "wrong/pack-with-a-symbolic-link/folders", code: 14, rules: ["symbolic-link"]),
        LintShape(folder: "wrong/pack-with-a-pipe/folders", code: 14, rules: ["symbolic-link"]),
        LintShape(folder: "wrong/pack-name-that-climbs/folders", code: 14, rules: ["metadata-unreadable"]),
    ]
}
