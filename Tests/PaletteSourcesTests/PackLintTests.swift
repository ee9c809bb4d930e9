// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Support
import SystemPackage
import Testing

@testable import PaletteSources

/// Each rule has a change of a faultless pack that triggers it alone; the faultless pack and every other row show that it
/// isn't triggered by anything else.
@Suite struct PackLintTests {
    private let folder = TemporaryFolder()

    /// A pack in which nothing is to be found, with a chart, a manifest, values and presets that name what its list has.
    static let clean = """
        mkdir -p demo-1.0.0/charts demo-1.0.0/manifests c/web/templates
        cat > demo-1.0.0/pack.json <<'END'
        {
          "name": "demo",
          "displayName": "Demo",
          "version": "1.0.0",
          "layer": "addon",
          "annotations": {"source": "community", "commit": 7},
          "charts": ["charts/web-2.0.0.tgz"],
          "kubeManifests": ["manifests/job.yaml"],
          "constraints": {
            "dependencies": [
              {"packName": "kubernetes", "layer": "k8s", "minVersion": "1.29", "maxVersion": "", "type": "optional"}
            ]
          }
        }
        END
        cat > demo-1.0.0/values.yaml <<'END'
        pack:
          content:
            images:
              - image: quay.io/acme/web:v2
              - image: ghcr.io/acme/tool@sha256:2c587a649b1b9b61d09e1e42901da5f34b2ab187247acb23086de3fad504a49c
              - image: docker.io/library/busybox:1.36
              - image: registry.k8s.io/pause:3.10
            charts:
              - {repo: https://charts.test/, name: web, version: 2.0.0}
        charts:
          web:
            image:
              repository: quay.io/acme/web
              tag: ""
            sidecar:
              image: {{ .x }}
            other: http://quay.io/acme/other:v1
        END
        cat > demo-1.0.0/manifests/job.yaml <<'END'
        kind: Job
        spec:
          containers:
            # image: quay.io/acme/comment:v1
            - image: busybox:1.36
            - name: tool
              image: "ghcr.io/acme/tool"   # the digest is the list's
            - image: {{ default "registry.k8s.io/pause:3.9" .Values.pause }}
        END
        cat > c/web/Chart.yaml <<'END'
        apiVersion: v2
        name: web
        version: 2.0.0
        END
        printf 'image: {repository: quay.io/acme/web}\\n' > c/web/values.yaml
        printf 'sub:\\n  image:\\n    registry: quay.io\\n    repository: acme/web\\n    tag: v2\\n' >> c/web/values.yaml
        printf 'image: {{ .Values.image.repository }}:{{ .Chart.AppVersion }}\\nword:\\n  image: web\\n' \\
          > c/web/templates/pod.yaml
        tar -czf demo-1.0.0/charts/web-2.0.0.tgz -C c web
        printf 'png' > demo-1.0.0/logo.png
        printf '# Demo' > demo-1.0.0/README.md

        """

    /// `rule`, its severity and place, and what to do to the faultless pack, in its folder.
    struct Row: CustomTestStringConvertible, Sendable {
        let rule: LintRule
        let severity: LintSeverity
        let place: String
        let change: String
        var testDescription: String { "\(rule.rawValue) at \(place)" }

        init(_ rule: LintRule, _ severity: LintSeverity, _ place: String, _ change: String) {
            (self.rule, self.severity, self.place, self.change) = (rule, severity, place, change)
        }
    }

    private static func list(_ image: String) -> String { "sed -i '7i\\      - image: \(image)' values.yaml" }
    private static func json(_ from: String, _ to: String) -> String { "sed -i 's|\(from)|\(to)|' pack.json" }
    private static func values(_ lines: String) -> String { "printf '\(lines)' >> values.yaml" }
    private static func dependency(_ type: String, _ layer: String = "addon") -> String {
        json(
            "\"constraints\".*",
            "\"constraints\": {\"dependencies\": [{\"packName\": \"x\", \"layer\": \"\(layer)\", \"type\": \"\(type)\"}]}, \"c\": {"
        )
    }
    private static let hex = String(repeating: "ab", count: 32)
    private static func chart(_ commands: String) -> String {
        "( cd ../c && \(commands) ) && tar -czf charts/web-2.0.0.tgz -C ../c web"
    }

    static let rows = [
        Row(.metadataUnreadable, .error, "pack.json", "rm pack.json"),
        Row(.metadataUnreadable, .error, "pack.json", json("\"name\": \"demo\"", "\"name\": \"De mo\"")),
        Row(.metadataUnreadable, .error, "pack.json", json("\"1.0.0\"", "1")),
        Row(.metadataUnreadable, .error, "pack.json", "echo '[' > pack.json"),
        Row(.metadataIncomplete, .warning, "pack.json", json("\"displayName\"", "\"title\"")),
        Row(.metadataIncomplete, .warning, "pack.json:5", json("\"addon\"", "\"extra\"")),
        Row(
            .versionPrefix, .warning, "pack.json:4",
            "cd ..; mv demo-1.0.0 demo-v1.0.0; cd demo-v1.0.0; " + json("\"1.0.0\"", "\"v1.0.0\"")),
        Row(.folderName, .note, "pack.json", "mv ../demo-1.0.0 ../other"),
        Row(.deprecated, .warning, "pack.json:6", json("\"source\"", "\"system_state\": \"deprecated\", \"source\"")),
        Row(
            .deprecated, .warning, "pack.json:6",
            json("\"annotations\"", "\"system_state\": \"deleted\", \"annotations\"")),
        Row(.logoMissing, .warning, "logo.png", "rm logo.png"),
        Row(.readmeMissing, .note, "README.md", "rm README.md"),
        Row(.symbolicLink, .error, "charts/link", "ln -s ../values.yaml charts/link"),
        Row(.symbolicLink, .error, "pipe", "mkfifo pipe"),
        Row(.unpackable, .error, "pack.json", "truncate -s 9G huge"),
        Row(.strayFiles, .note, ".DS_Store", "mkdir .git; touch .git/config .git/x .DS_Store"),
        Row(
            .chartMissing, .error, "pack.json:7",
            json("\\[\"charts/web-2.0.0.tgz\"", "[\"charts/web-2.0.0.tgz\", \"charts/gone.tgz\"")),
        Row(.chartUnreadable, .error, "charts/web-2.0.0.tgz", "echo no archive > charts/web-2.0.0.tgz"),
        Row(.chartUnreadable, .error, "charts/web-2.0.0.tgz", chart("rm web/Chart.yaml")),
        Row(
            .chartDependencyMissing, .error, "charts/web-2.0.0.tgz",
            chart(
                "mkdir -p web/charts/one && touch web/charts/two-1.tgz web/charts/one/x && printf 'dependencies:\\n- name: one\\n- repository: y\\n  name: three\\n- name: two\\n' >> web/Chart.yaml"
            )),
        Row(.chartUnlisted, .note, "charts/old.tgz", "cp charts/web-2.0.0.tgz charts/old.tgz"),
        Row(.chartNotInFolder, .warning, "values.yaml:9", "sed -i 's/version: 2.0.0/version: 2.0.1/' values.yaml"),
        Row(.manifestMissing, .error, "pack.json:8", "rm manifests/job.yaml"),
        Row(.valuesMissing, .error, "values.yaml", "rm values.yaml"),
        Row(.valuesUnreadable, .error, "values.yaml:10", list("\"open")),
        Row(
            .valuesUnreadable, .error, "values.yaml:3",
            "sed -i '3,9d' values.yaml; sed -i '2s/$/\\n    images: text/' values.yaml"),
        Row(.secondBlock, .warning, "values.yaml:18", values("pack:\\n  content: {}\\n")),
        Row(.noImageList, .error, "values.yaml", "sed -i '1,9d' values.yaml"),
        Row(
            .noImageList, .warning, "values.yaml",
            "echo 'pack: {}' > values.yaml; rm -r charts/* manifests/*; sed -i '7,8d' pack.json"),
        Row(.listEntry, .warning, "values.yaml:7", "sed -i '7i\\      - name: x' values.yaml"),
        Row(.imageTemplate, .warning, "values.yaml:7", list("\"{{.spectro.pack.demo.image}}\"")),
        Row(.imageTemplate, .warning, "values.yaml:7", "sed -i '7i\\      {{- if .x }}' values.yaml"),
        Row(.imageUnusable, .error, "values.yaml:7", list("Quay.io/A")),
        Row(.imageUnusable, .error, "values.yaml:7", list("quay.io/a@sha512:\(hex)")),
        Row(.imageUnusable, .error, "values.yaml:7", list("localhost:5000/a:1")),
        Row(.imageLatest, .warning, "values.yaml:7", list("quay.io/a:latest")),
        Row(.imageUntagged, .warning, "values.yaml:7", list("quay.io/a")),
        Row(.imageNoHost, .note, "values.yaml:7", list("acme/pause:3.10")),
        Row(.imageTwice, .note, "values.yaml:7", list("quay.io/acme/web:v2")),
        Row(.imageNotListed, .warning, "values.yaml:18", values("    image: quay.io/acme/extra:v1\\n")),
        Row(
            .imageNotListed, .warning, "values.yaml:19",
            values("    img:\\n      repository: acme/extra\\n      tag: v1\\n")),
        Row(.imageNotListed, .warning, "values.yaml:19", values("  e:\\n    any: quay.io/acme/extra@sha256:\(hex)\\n")),
        Row(.imageNotListed, .warning, "manifests/job.yaml:9", "echo '    - image: nginx' >> manifests/job.yaml"),
        Row(.imageNotListed, .warning, "manifests/job.yaml:9", "echo '    - image: acme/web:v2' >> manifests/job.yaml"),
        Row(
            .imageNotListed, .warning, "manifests/job.yaml:9",
            "echo '    - --reloader=quay.io/acme/reloader:v1' >> manifests/job.yaml"),
        Row(
            .imageNotListed, .warning, "presets.yaml:3",
            "printf 'presets:\\n- add: |\\n    image: quay.io/a/b\\n' > presets.yaml"),
        Row(
            .imageNotListed, .warning, "charts/web-2.0.0.tgz!web/templates/pod.yaml:4",
            chart("echo 'image: quay.io/acme/extra:v1' >> web/templates/pod.yaml")),
        Row(
            .imageNotListed, .warning, "charts/web-2.0.0.tgz!web/charts/sub-1.tgz!sub/values.yaml:1",
            chart(
                "mkdir -p web/charts sub && echo 'image: acme/extra:v1' > sub/values.yaml && tar -czf web/charts/sub-1.tgz sub"
            )),
        Row(
            .imageNotListed, .warning, "charts/web-2.0.0.tgz!web/Chart.yaml:6",
            chart(
                "printf 'annotations:\\n  artifacthub.io/images: |\\n    - image: quay.io/acme/extra:v1\\n' >> web/Chart.yaml"
            )),
        Row(.imageTagNotListed, .warning, "values.yaml:13", "sed -i '14s/\"\"/v3/' values.yaml"),
        Row(
            .imageTagNotListed, .warning, "manifests/job.yaml:5", "sed -i 's/busybox:1.36/busybox/' manifests/job.yaml"),
        Row(.imageFromProfile, .warning, "values.yaml:18", values("    image: \"{{.spectro.var.image}}\"\\n")),
        Row(.dependencyMissing, .error, "pack.json:9", dependency("required")),
        Row(.dependencyMissing, .warning, "pack.json:9", dependency("required", "k8s")),
        Row(.piraeusOperatorMissing, .error, "values.yaml:18", values("    storageClassName: linstor-lvm-storage\\n")),
        Row(
            .fipsMixed, .error, "values.yaml:8",
            list("us-docker.pkg.dev/palette-images-fips/a:1") + "; " + list("us-docker.pkg.dev/palette-images/b:1")),
    ]

    private func shell(_ commands: String) throws {
        try #require(unsafe system("cd \(folder.path.string) && { \(commands)\n}") == 0)
    }

    private func findings(_ options: LintOptions = LintOptions()) throws -> [LintFinding] {
        try PackLint(checking: [folder.path], options).packs.flatMap(\.findings)
    }

    @Test func `finds nothing in a faultless pack`() throws {
        try shell(PackLintTests.clean)
        #expect(try findings() == [])
    }

    @Test(arguments: rows) func `finds one fault, where it is`(_ row: Row) throws {
        try shell(PackLintTests.clean + "cd demo-1.0.0 && { \(row.change)\n}")
        let found = try findings()
        let shown = found.map { finding in
            "\(finding.rule.rawValue) \(finding.severity.rawValue) \(finding.place.file)"
                + (finding.place.line.map { ":\($0)" } ?? "")
        }
        #expect(shown == ["\(row.rule.rawValue) \(row.severity.rawValue) \(row.place)"])
        #expect(found.allSatisfy { !$0.message.isEmpty && !$0.fix.isEmpty })
    }

    struct SetRow: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let commands: String
        /// `<rule> <folder>`.
        let expected: [String]

        init(_ name: String, _ packs: [String], _ expected: [String] = []) {
            (testDescription, commands, self.expected) = (name, packs.joined(separator: "\n"), expected)
        }
    }

    /// Commands that make a pack of a set.
    private static func pack(
        _ folder: String, _ name: String, _ version: String, image: String = "quay.io/a:1", needs: String = "",
        values: String = ""
    ) -> String {
        """
        mkdir -p \(folder) && touch \(folder)/README.md && printf p > \(folder)/logo.png
        printf 'pack: {content: {images: [{image: "\(image)"}]}}\\n\(values)' > \(folder)/values.yaml
        cat > \(folder)/pack.json <<'END'
        {"name": "\(name)", "version": "\(version)", "displayName": "P", "layer": "addon",
         "constraints": {"dependencies": [\(needs)]}}
        END
        """
    }

    private static func need(_ name: String, _ type: String, from: String = "", to: String = "") -> String {
        #"{"packName": "\#(name)", "minVersion": "\#(from)", "maxVersion": "\#(to)", "layer": "addon", "type": "\#(type)"}"#
    }

    private static let (fips, other) = (
        "us-docker.pkg.dev/palette-images-fips/a:1", "us-docker.pkg.dev/palette-images/a:1"
    )

    static let sets = [
        SetRow("a dependency that is there", [pack("a", "a", "1", needs: need("b", "required")), pack("b", "b", "1")]),
        SetRow(
            "a dependency that is missing", [pack("a", "a", "1", needs: need("b", "required"))],
            ["dependency-missing a"]),
        SetRow("an optional one that is missing", [pack("a", "a", "1", needs: need("b", "optional"))]),
        SetRow("an upgrade's version", [pack("a", "a", "1", needs: need("a", "upgrade", from: "2"))]),
        SetRow(
            "versions within bounds",
            [pack("a", "a", "1", needs: need("b", "required", from: "1.9", to: "1.33")), pack("b", "b", "1.33.4-rev2")]),
        SetRow(
            "one of two versions within bounds",
            [
                pack("a", "a", "1", needs: need("b", "required", from: "1.9")), pack("b", "b", "1.8.9"),
                pack("c", "b", "1.10.0"),
            ]),
        SetRow(
            "too early", [pack("a", "a", "1", needs: need("b", "required", from: "1.10")), pack("b", "b", "1.9.9")],
            ["dependency-version a"]),
        SetRow(
            "too late", [pack("a", "a", "1", needs: need("b", "optional", to: "1.33")), pack("b", "b", "1.34.0")],
            ["dependency-version a"]),
        SetRow(
            "what doesn't go together", [pack("a", "a", "1", needs: need("b", "notSupported")), pack("b", "b", "1")],
            ["dependency-conflict a"]),
        SetRow(
            "what goes together in this version",
            [pack("a", "a", "1", needs: need("b", "notSupported", to: "1")), pack("b", "b", "2")]),
        SetRow(
            "Piraeus's storage and its operator",
            [pack("a", "a", "1", values: "s: linstor-lvm-storage\\n"), pack("b", "piraeus-operator", "2.9.0")]),
        SetRow(
            "Piraeus's storage without its operator",
            [pack("a", "a", "1", values: "# linstor-lvm-storage\\np: linstor.csi.linbit.com\\n")],
            ["piraeus-operator-missing a"]),
        SetRow("Piraeus's storage in a comment", [pack("a", "a", "1", values: "# linstor.csi.linbit.com\\n")]),
        SetRow(
            "both builds under one tag", [pack("a", "a", "1", image: fips), pack("b", "a", "1", image: other)],
            ["fips-tag-shared b"]),
        SetRow("both builds under two tags", [pack("a", "a", "1", image: fips), pack("b", "a", "2", image: other)]),
        SetRow(
            "one tag twice", [pack("a", "a", "1", image: fips), pack("b", "a", "1", image: fips)], ["pack-twice b"]),
        SetRow("two versions", [pack("a", "a", "1"), pack("b", "a", "2")]),
    ]

    @Test(arguments: sets) func `judges packs together`(_ row: SetRow) throws {
        try shell(row.commands)
        let names = Set(
            try findings().filter { $0.rule != .folderName }.map { finding in
                "\(finding.rule.rawValue) \(finding.place.folder.lastComponent?.string ?? "")"
            })
        #expect(names == Set(row.expected))
    }

    @Test func `an appliance with Piraeus needs the operator itself`() throws {
        var options = LintOptions()
        (options.needsPiraeus, options.ignored) = (true, [.folderName])
        try shell(PackLintTests.pack("a", "piraeus-operator-addon", "2.9.0"))
        #expect(try findings(options).map(\.rule) == [.piraeusOperatorMissing])
        try shell(PackLintTests.pack("b", "piraeus-operator", "2.9.0"))
        #expect(try findings(options) == [])
    }

    @Test func `takes only the rules that are wanted`() throws {
        try shell(PackLintTests.clean + "rm demo-1.0.0/logo.png demo-1.0.0/README.md")
        #expect(try findings().map(\.rule) == [.logoMissing, .readmeMissing])
        var options = LintOptions()
        options.ignored = [.logoMissing]
        #expect(try findings(options).map(\.rule) == [.readmeMissing])
        (options.ignored, options.rules) = ([], [.logoMissing, .imageTwice])
        #expect(try findings(options).map(\.rule) == [.logoMissing])
    }

    @Test func `every rule has a row that triggers it`() {
        let bySet = PackLintTests.sets.flatMap(\.expected).compactMap {
            $0.split(separator: " ").first.map(String.init)
        }
        let triggered = Set(PackLintTests.rows.map(\.rule.rawValue) + bySet)
        #expect(triggered == Set(LintRule.allCases.map(\.rawValue)))
    }

    @Test func `every rule is described with its severity`() throws {
        let page = packageRoot.appending("docs/pack-lint.md")
        let text = String(decoding: try page.contents(limit: 1 << 20), as: UTF8.self)
        for rule in LintRule.allCases {
            #expect(text.contains("| `\(rule.rawValue)` | \(rule.severity.rawValue)"), "\(rule.rawValue)")
        }
    }
}
