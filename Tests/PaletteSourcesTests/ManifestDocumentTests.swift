// SPDX-License-Identifier: Apache-2.0

import Files
import Palette
import SystemPackage
import Testing

@testable import PaletteSources

@Suite struct ManifestDocumentTests {
    @Test(arguments: [
        ("palette", "palette-enterprise-4.7.27", 5), ("vertex", "palette-vertex-4.7.27", 3),
        ("third-party", "palette-third-party-4.7.3", 2), ("demo", "palette-demo-1.0.0", 6),
    ]) func `reads the examples as they stand`(_ name: String, _ folder: String, _ items: Int) throws {
        let path = packageRoot.appending("manifests/\(name).yaml")
        let document = try ManifestDocument(parsing: path.contents(limit: 1 << 20), file: name)
        #expect(document.release.folderName == folder && document.contents.count == items)
        #expect(document.vendorKeys.count == 1)
        #expect(document.release.edition == (name == "vertex" ? .vertex : .palette))
    }

    @Test func `reads every key`() throws {
        let document = try parse(
            """
            format: 1
            release: { product: p, version: 4.10, edition: vertex, supportEnd: 2028-02-29 }
            vendorKeys: [a.pem, b.pem]
            contents:
              - bundle: x.zst
                deliver: [registry, file]
                plain: false
                name: y.zst
                signature: s/x.bin
              - layout: mirror
                references: ["a:1", 'b']
              - iso: x.iso
                signature: none
            """)
        #expect(document.release.version == "4.10" && document.release.supportEnd == "2028-02-29")
        #expect(document.vendorKeys.map(\.path) == ["a.pem", "b.pem"])
        let bundle = document.contents[0]
        #expect(bundle.kind == .bundle && bundle.pattern == "x.zst" && bundle.deliver == [.file, .registry])
        #expect(bundle.plain == false && bundle.name == "y.zst" && bundle.signature == .path("s/x.bin"))
        #expect(bundle.place == ManifestPlace(line: 5, column: 5))
        #expect(document.contents[1].references == ["a:1", "b"])
        #expect(document.contents[2].signature == .waived && document.contents[2].plain == nil)
    }

    @Test func `reads what a release declares of itself`() throws {
        let document = try parse(
            """
            format: 1
            release:
              product: palette-vertex
              version: 4.7.27
              edition: vertex
              kind: fix
              preview: true
              requires: [palette-enterprise-4.7.3-rc1, { product: x-2, version: 1-3 }]
              upgradesFrom: [4.7.10, 4.7.3]
              profile:
                cni: { component: calico, version: 3.30, fips: true }
                os: { component: Ubuntu (Kairos), version: 20.04 }
                platforms: [vsphere, maas, baremetal]
              fipsEvidence:
                - { component: OpenSSL, statement: module validated, source: certificate 4282 }
            contents:
              - { packs: p, nonFIPS: true }
              - { layout: l, nonFIPS: false }

            """)
        let facts = document.release.facts
        #expect(facts.kind == .fix && facts.isPreview && facts.upgradesFrom == ["4.7.10", "4.7.3"])
        #expect(facts.requires.map(\.product) == ["palette-enterprise", "x-2"])
        #expect(facts.requires.map(\.version) == ["4.7.3-rc1", "1-3"])
        #expect(facts.layers.map(\.layer) == [.os, .cni] && facts.layers.map(\.fips) == [nil, true])
        #expect(facts.layers.map(\.component) == ["Ubuntu (Kairos)", "calico"])
        #expect(facts.layers.map(\.version) == ["20.04", "3.30"])
        #expect(facts.platforms == [.baremetal, .maas, .vsphere])
        #expect(facts.fipsEvidence.map(\.source) == ["certificate 4282"])
        #expect(document.contents.map(\.isNonFIPSAllowed) == [true, false])
        #expect(try parse(good).release.facts == DeclaredFacts())
    }

    @Test func `reads tags that may move`() throws {
        let (one, other) = (String(repeating: "0a", count: 32), String(repeating: "0b", count: 32))
        let document = try parse(
            good + """
                movesTags:
                  - { tag: "library/a:1", from: "sha256:\(one)" }
                  - tag: b:2
                    from: [sha256:\(other), sha256:\(one)]

                """)
        #expect(document.movesTags.map(\.name) == ["library/a:1", "b:2"])
        let from = document.movesTags.map { $0.from.map { "\($0)" } }
        #expect(from == [["sha256:\(one)"], ["sha256:\(other)", "sha256:\(one)"]])
        #expect(document.movesTags[1].place == ManifestPlace(line: 7, column: 5))
    }

    @Test(arguments: Fault.all) func `refuses a faulty manifest at its place`(_ fault: Fault) {
        let expected = ManifestError(
            file: "m.yaml", place: ManifestPlace(line: fault.line, column: fault.column), problem: fault.problem)
        #expect(throws: expected) { try parse(fault.text) }
    }

    @Test func `prints where, what and what to do`() {
        let error = #expect(throws: ManifestError.self) { try parse(good + "  - { bundel: x }\n") }
        #expect(error?.description == "m.yaml:5:7: unknown key \"bundel\"; did you mean \"bundle\"?")
    }

    @Test func `refuses too large a manifest, too many values and other text than UTF-8`() {
        let start = ManifestPlace(line: 1, column: 1)
        let large = [UInt8](repeating: 32, count: (1 << 20) + 1)
        #expect(throws: ManifestError(file: "m", place: start, problem: .tooLarge(1_048_577))) {
            try ManifestDocument(parsing: large, file: "m")
        }
        #expect(throws: ManifestError(file: "m", place: start, problem: .notUTF8)) {
            try ManifestDocument(parsing: [0xff], file: "m")
        }
        let many = good + String(repeating: "  - { iso: x }\n", count: 5000)
        let error = #expect(throws: ManifestError.self) { try parse(many) }
        #expect(error?.problem == .tooManyNodes)
    }

    @Test func `refuses a thousand brackets without harm`() {
        let error = #expect(throws: ManifestError.self) { try parse(String(repeating: "[", count: 100_000)) }
        guard case .syntax = error?.problem else { Issue.record("unexpected \(String(describing: error))"); return }
    }

    @Test func `refuses aliases that would grow beyond bounds`() {
        let lines = (1..<30).map {
            "a\($0): &a\($0) [\(Array(repeating: "*a\($0 - 1)", count: 9).joined(separator: ", "))]"
        }
        let error = #expect(throws: ManifestError.self) { try parse("a0: &a0 [x]\n" + lines.joined(separator: "\n")) }
        #expect(error?.problem == .unsupported("an anchor or alias"))
    }
}

let good = """
    format: 1
    release: { product: p, version: 1, edition: palette }
    contents:
      - iso: x.iso

    """

func parse(_ text: String) throws -> ManifestDocument {
    try ManifestDocument(parsing: Array(text.utf8), file: "m.yaml")
}

let packageRoot = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()

/// One manifest that must be refused, and where.
struct Fault: CustomTestStringConvertible, Sendable {
    let text: String
    let line: Int
    let column: Int
    let problem: ManifestError.Problem

    init(_ text: String, _ line: Int, _ column: Int, _ problem: ManifestError.Problem) {
        (self.text, self.line, self.column, self.problem) = (text, line, column, problem)
    }

    var testDescription: String { "\(problem)" }

    private static func release(_ text: String) -> String { good.replacing(/release: .*/, with: "release: \(text)") }
    private static let zeros = "sha256:" + String(repeating: "0", count: 64)
    private static let delivered = "repository:tag as the release delivers it, without the base path"
    private static func move(_ text: String, _ line: Int, _ column: Int, _ problem: ManifestError.Problem) -> Fault {
        Fault(good + "movesTags:\n  - \(text)\n", line, column, problem)
    }
    private static func item(_ text: String) -> String { good + "  - \(text)\n" }
    private static func bad(
        _ key: String, _ value: String, _ expected: String, _ suggestion: String? = nil
    ) -> ManifestError.Problem { .badValue(key: key, value: value, expected: expected, suggestion: suggestion) }
    private static let product = "a-z, 0-9 and dashes, 1 to 63, no dash first"
    private static let version =
        "letters, digits, dots, dashes, underscores and plus signs, 1 to 63, a letter or digit first"

    private static func fact(_ text: String, _ column: Int, _ problem: ManifestError.Problem) -> Fault {
        Fault(release("{ product: p, version: 1, edition: palette, \(text) }"), 2, 54 + column, problem)
    }
    private static let line = "one line of 1 to 100 bytes without control characters"

    static let all: [Fault] = [
        Fault("", 1, 1, .missingKey("format")),
        fact("kind: pack", 6, bad("kind", "pack", "appliance or packs or fix", "packs")),
        fact("preview: yes", 9, .wrongType(key: "preview", expected: "true or false")),
        fact("requires: []", 10, .wrongType(key: "requires", expected: "a list of releases, at least one")),
        fact(
            "requires: [a-1-2]", 11,
            bad(
                "requires", "a-1-2", "{product: ..., version: ...}, because 2 of its dashes may part the two")),
        fact(
            "requires: [a-b]", 11,
            bad(
                "requires", "a-b", "product-version, the version with a digit first, or {product: ..., version: ...}")),
        fact("requires: [a-1, {product: a, version: 1}]", 16, .repeatedEntry("requires")),
        fact("upgradesFrom: [1, /]", 18, bad("upgradesFrom", "/", version)),
        fact("upgradesFrom: [1, 1]", 18, .repeatedEntry("upgradesFrom")),
        fact("profile: { oss: {} }", 11, .unknownKey("oss", suggestion: "os")),
        fact("profile: { os: { component: a } }", 15, .missingKey("version")),
        fact("profile: { os: { component: \"a\\tb\", version: 1 } }", 28, bad("component", "a\tb", line)),
        fact("profile: { platforms: [openstack] }", 23, bad("platforms", "openstack", "vsphere or baremetal or maas")),
        fact("profile: { platforms: [maas, maas] }", 29, .repeatedEntry("platforms")),
        fact("fipsEvidence: [{ component: a, statement: b }]", 15, .missingKey("source")),
        Fault(
            item("{ packs: x, nonFIPS: true }"), 5, 26, .keyNotForEdition(key: "nonFIPS", edition: "palette")),
        Fault(item("{ file: x, nonFIPS: true }"), 5, 16, .keyNotForKind(key: "nonFIPS", kind: "file")),
        move("{ from: \(zeros) }", 6, 5, .missingKey("tag")), move("{ tag: a:1 }", 6, 5, .missingKey("from")),
        move("{ tag: a:1, from: [] }", 6, 23, .wrongType(key: "from", expected: "a list of digests, at least one")),
        move("{ tag: a:1, from: \(zeros), to: b }", 6, 96, .unknownKey("to", suggestion: nil)),
        move("{ tag: a, from: \(zeros) }", 6, 12, bad("tag", "a", delivered)),
        move("{ tag: A/b:1, from: \(zeros) }", 6, 12, bad("tag", "A/b:1", delivered)),
        move("{ tag: h:5000/b:1, from: \(zeros) }", 6, 12, bad("tag", "h:5000/b:1", delivered)),
        move(
            "{ tag: a:1, from: sha256:0 }", 6, 23,
            bad("from", "sha256:0", "a digest, sha256: and 64 hex digits in lower case")),
        move("{ tag: a:1, from: [\(zeros), \(zeros)] }", 6, 97, .sameDigest(zeros)),
        move("{ tag: a:1, from: \(zeros) }\n  - { tag: a:1, from: \(zeros) }", 7, 5, .sameTag("a:1", other: 6)),
        Fault("- a", 1, 1, .wrongType(key: "manifest", expected: "a mapping")),
        Fault(good + "extra: 1\n", 5, 1, .unknownKey("extra", suggestion: nil)),
        Fault(good + "vendorkeys: [a]\n", 5, 1, .unknownKey("vendorkeys", suggestion: "vendorKeys")),
        Fault(good + "format: 1\n", 1, 1, .repeatedKey("format")),
        Fault(good.replacing("format: 1", with: "format: 2"), 1, 9, bad("format", "2", "1")),
        Fault(
            good.replacing(/contents:\n.*\n/, with: "contents: []\n"), 3, 11,
            .wrongType(key: "contents", expected: "a list of items, at least one")),
        Fault("format: 1\nrelease: { product: p, version: 1, edition: palette }\n", 1, 1, .missingKey("contents")),
        Fault(release("{ version: 1, edition: palette }"), 2, 10, .missingKey("product")),
        Fault(release("{ product: P, version: 1, edition: palette }"), 2, 21, bad("product", "P", product)),
        Fault(release("{ product: ../p, version: 1, edition: palette }"), 2, 21, bad("product", "../p", product)),
        Fault(release("{ product: p, version: a/b, edition: palette }"), 2, 33, bad("version", "a/b", version)),
        Fault(
            release("{ product: p, version: [1], edition: palette }"), 2, 33,
            .wrongType(key: "version", expected: "a text")),
        Fault(
            release("{ product: p, version: 1, edition: verteks }"), 2, 45,
            bad("edition", "verteks", "palette or vertex", "vertex")),
        Fault(
            release("{ product: p, version: 1, edition: palette, supportEnd: 2027-02-29 }"), 2, 66,
            bad("supportEnd", "2027-02-29", "a day, YYYY-MM-DD")),
        Fault(item("{ bundel: x }"), 5, 7, .unknownKey("bundel", suggestion: "bundle")),
        Fault(
            item("{ name: x }"), 5, 5,
            .wrongType(key: "contents", expected: "an item with one of iso, bundle, layout, packs, file")),
        Fault(
            item("{ iso: a, bundle: b }"), 5, 5,
            .wrongType(key: "contents", expected: "an item with one of iso, bundle, layout, packs, file")),
        Fault(item("{ iso: }"), 5, 12, .wrongType(key: "iso", expected: "a text")),
        Fault(item("{ iso: a, plain: yes }"), 5, 22, .wrongType(key: "plain", expected: "true or false")),
        Fault(item("{ iso: a, plain: \"true\" }"), 5, 22, .wrongType(key: "plain", expected: "true or false")),
        Fault(
            item("{ iso: a, deliver: file }"), 5, 24,
            .wrongType(key: "deliver", expected: "a list of registry and file, at least one")),
        Fault(
            item("{ bundle: a, deliver: [registri] }"), 5, 28,
            bad("deliver", "registri", "registry or file", "registry")),
        Fault(item("{ iso: a, deliver: [registry] }"), 5, 24, bad("deliver", "registry", "file, the one way for iso")),
        Fault(
            item("{ packs: a, deliver: [file] }"), 5, 26,
            bad("deliver", "file", "registry, the one way for packs")),
        Fault(item("{ layout: a, signature: none }"), 5, 18, .keyNotForKind(key: "signature", kind: "layout")),
        Fault(item("{ iso: a, references: [b] }"), 5, 15, .keyNotForKind(key: "references", kind: "iso")),
        Fault(item("{ iso: a, name: ../x }"), 5, 21, .unusableName("../x")),
        Fault(item("{ iso: a, name: \"a:b\" }"), 5, 21, .unusableName("a:b")),
        Fault(item("{ iso: a, name: .x }"), 5, 21, .unusableName(".x")),
        Fault(item("&x { iso: a }"), 5, 5, .unsupported("an anchor or alias")),
        Fault(item("!special { iso: a }"), 5, 5, .unsupported("a tag")),
        Fault(good + "  - *unknown\n", 5, 5, .unsupported("an anchor or alias")),
        Fault(good + "---\nformat: 1\n", 5, 1, .syntax("but found another document")),
        Fault("format: [1\n", 2, 1, .syntax("did not find expected ',' or ']'")),
    ]
}
