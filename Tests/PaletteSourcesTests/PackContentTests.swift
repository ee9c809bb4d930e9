// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PaletteSources

@Suite struct PackContentTests {
    private static func read(_ text: String) -> PackContent { PackContent(values: Array(text.utf8)) }

    struct Spelling: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        let line: Int
        init(_ name: String, line: Int, _ text: String) { (testDescription, self.line, self.text) = (name, line, text) }
    }

    static let spellings = [
        Spelling("block style", line: 4, "pack:\n  content:\n    images:\n      - image: a/b:1\n"),
        Spelling("list at the key's own indent", line: 4, "pack:\n  content:\n    images:\n    - image: a/b:1\n"),
        Spelling("one space", line: 4, "pack:\n content:\n  images:\n   - image: a/b:1\n"),
        Spelling("flow style", line: 1, "pack: {content: {images: [{image: a/b:1}]}}\n"),
        Spelling("flow style over lines", line: 3, "pack: {content: {images: [\n# c\n  {image: a/b:1}\n]}}\nx: 1\n"),
        Spelling("JSON", line: 2, "{\"x\": 1,\n\"pack\": {\"content\": {\"images\": [{\"image\": \"a/b:1\"}]}}}"),
        Spelling("double quotes", line: 4, "\"pack\":\n  content:\n    images:\n      - image: \"a/b:1\"\n"),
        Spelling("single quotes", line: 4, "'pack' :\n  content:\n    'images':\n      - 'image': 'a/b:1'\n"),
        Spelling("no newline at the end", line: 4, "pack:\n  content:\n    images:\n      - image: a/b:1"),
        Spelling("CR LF", line: 4, "pack:\r\n  content:\r\n    images:\r\n      - image: a/b:1\r\nx: {{ .a }}\r\n"),
        Spelling("CR", line: 4, "pack:\r  content:\r    images:\r      - image: a/b:1\r"),
        Spelling("byte order mark", line: 4, "\u{feff}pack:\n  content:\n    images:\n      - image: a/b:1\n"),
        Spelling("document marks", line: 6, "# c\n---\npack:\n  content:\n    images:\n      - image: a/b:1\n...\n"),
        Spelling("a directive", line: 5, "%YAML 1.2\n---\npack:\n  content:\n    images: [image: a/b:1]\n"),
        Spelling("a later document", line: 5, "x: 1\n---\npack:\n  content:\n    images: [{image: a/b:1}]\n"),
        Spelling(
            "the whole indented", line: 4, "  pack:\n    content:\n      images:\n      - image: a/b:1\n  x: {{y}}\n"),
        Spelling(
            "comments everywhere", line: 6,
            "# pack:\npack: # the pack\n#x\n  content: # c\n    images: # i\n      - image: a/b:1 # {{ no template }}\n"
        ),
        Spelling(
            "an anchor and its alias", line: 5,
            "pack:\n  x: &i a/b:1\n  content:\n    images:\n      - image: *i\n"),
        Spelling(
            "unquoted templates beside it", line: 6,
            "pack:\n  namespace: {{ .ns | default \"a: b\" }}\n  l: [{{ .x }}]\n  content:\n    images:\n      - image: a/b:1\n"
        ),
        Spelling("after what is no YAML", line: 4, "x: {{ .a }\n  - y\npack:\n  content: {images: [{image: a/b:1}]}\n"),
        Spelling(
            "other keys in the entry", line: 3, "pack:\n content:\n  images: [{name: x, image: a/b:1, os: linux}]\n"),
    ]

    @Test(arguments: spellings) func `reads the list in every spelling of YAML`(_ spelling: Spelling) {
        let content = PackContentTests.read(spelling.text)
        #expect(content.images == [.init(text: "a/b:1", line: spelling.line)])
        #expect(content.problems == [])
    }

    @Test func `keeps templates as they were written`() {
        let content = PackContentTests.read(
            "pack:\n  content:\n    images:\n      - image: {{ .x }}/b:{{.y|default \"1\"}}\n      - image: \"{{z}}\"\n"
        )
        #expect(content.images?.map(\.text) == ["{{ .x }}/b:{{.y|default \"1\"}}", "{{z}}"])
        #expect(content.images?.allSatisfy(\.isTemplate) == true && content.problems.isEmpty)
    }

    @Test func `says which lines are templates by themselves, and reads the rest`() {
        let content = PackContentTests.read(
            "pack:\n  content:\n    images:\n    {{- if .a }}\n      - image: a/b:1\n    {{- end }}\n")
        #expect(content.images?.map(\.text) == ["a/b:1"])
        #expect(content.problems.map(\.kind) == [.templateLine, .templateLine])
        #expect(content.problems.map(\.line) == [4, 6])
    }

    @Test func `reads charts`() {
        let content = PackContentTests.read(
            """
            pack:
              content:
                images: []
                charts:
                  - repo: https://helm.elastic.co/
                    name: eck-stack
                    version: 0.19.0
                  - {name: a, version: 1.10}
                  - repo: oci://b
                  - text
            """)
        #expect(content.images == [])
        #expect(
            content.charts == [
                .init(repository: "https://helm.elastic.co/", name: "eck-stack", version: "0.19.0", line: 5),
                .init(repository: nil, name: "a", version: "1.10", line: 8),
            ])
        #expect(content.problems.map(\.line) == [9, 10] && content.problems.allSatisfy { $0.kind == .entry })
    }

    struct Fault: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        let line: Int
        init(_ text: String, line: Int, _ message: String) {
            (testDescription, self.line, self.text) = (message, line, text)
        }
    }

    @Test(arguments: [
        Fault(
            "x: 1\npack:\n  content:\n    images: []\n  content:\n", line: 3,
            "the pack: block is no YAML: the key \"content\" stands twice"),
        Fault(
            "pack:\n\tcontent:\n", line: 2,
            "the pack: block is no YAML: found character that cannot start any token"),
        Fault("pack:\n  content:\n    images: *x\n", line: 3, "the pack: block is no YAML: found undefined alias"),
        Fault(
            "pack:\n  a: &x {b: 1}\n  c:\n    <<: *x\n", line: 1,
            "the pack: block has aliases of whole lists or mappings, or too many"),
        Fault("pack:\n  content:\n    images: a/b:1\n", line: 3, "pack.content.images is no list"),
        Fault("pack:\n  content:\n    images: {image: a/b:1}\n", line: 3, "pack.content.images is no list"),
    ]) func `says where a list can't be read`(_ fault: Fault) {
        let content = PackContentTests.read(fault.text)
        #expect(content.images == nil)
        let problem = PackContent.Problem(kind: .unreadable, line: fault.line, text: fault.testDescription)
        #expect(content.problems == [problem])
    }

    @Test(arguments: ["images:", "images: ~", "images: null", "images: ''", "charts: []"]) func `nothing is no list`(
        _ text: String
    ) {
        let content = PackContentTests.read("pack:\n  content:\n    \(text)\n")
        #expect(content.images == nil && content.problems.isEmpty)
    }

    @Test func `many aliases of a long text cost little`() {
        let aliases = (0..<5000).map { "  k\($0): *x\n" }.joined()
        let content = PackContentTests.read("pack:\n  x: &x \(String(repeating: "a", count: 500_000))\n" + aliases)
        #expect(content.problems.map(\.kind) == [.unreadable])
    }
}
