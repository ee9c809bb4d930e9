// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// `dray packs` and `dray manifest`, as a release team runs them.
struct PacksToolTests {
    private let place = TemporaryFolder()

    /// Runs the command in `place`; it must end with this exit code.
    @discardableResult
    private func dray(_ arguments: String..., code: Int32 = 0) throws -> CommandResult {
        let result = try run(
            ["env", "-C", place.path.string, SourceTree.tool("dray").string] + arguments, timeout: 120)
        #expect(result.status == code, "dray \(arguments): \(result.errorOutput)")
        return result
    }

    @discardableResult
    private func shell(_ lines: String) throws -> String { try sh("cd \(place.path)\n" + lines).output }

    private func makePacks() throws {
        try shell(
            """
            mkdir -p packs/one-1.0 packs/two-2.0
            echo '{"name": "one", "version": "1.0", "displayName": "One", "layer": "addon"}' > packs/one-1.0/pack.json
            echo '{"name": "two", "version": "2.0", "displayName": "Two", "layer": "addon",
             "kubeManifests": ["gone.yaml"]}' > packs/two-2.0/pack.json
            printf 'pack:\\n  content:\\n    images:\\n      - image: quay.io/a/b:latest\\n' > packs/one-1.0/values.yaml
            printf 'pack:\\n  content:\\n    images:\\n      - image: quay.io/a/b:latest\\n      - image: "{{x}}"\\n' \\
                > packs/two-2.0/values.yaml
            printf '    charts: [{repo: "oci://r.test/c", name: c, version: 1.2.3}]\\n' >> packs/two-2.0/values.yaml
            for pack in packs/*; do touch $pack/logo.png $pack/README.md; done
            """)
    }

    @Test func `lint says what is wrong where, and its exit code is a pipeline's gate`() throws {
        try makePacks()
        let both = try dray("packs", "lint", "packs", code: 14).output
        #expect(
            both.contains(
                "two:2.0  (packs/two-2.0)\n  error  manifest-missing  pack.json:2\n"))
        #expect(both.hasSuffix("2 packs: 1 error, 4 warnings, 0 notes\n"))
        let one = try dray("packs", "lint", "packs/one-1.0")
        #expect(one.output.contains("warning  image-latest  values.yaml:4") && one.errorOutput.contains("packs:"))
        try dray("packs", "lint", "packs/one-1.0", "--strict", code: 14)
        try dray("packs", "lint", "packs/one-1.0", "--strict", "--ignore", "image-latest")
        try dray("packs", "lint", "packs/one-1.0", "--csi", "piraeus", code: 14)
        #expect(try dray("packs", "lint", "packs", "--rule", "image-twice").output.contains("0 errors, 0 warnings"))
        let misspelt = try dray("packs", "lint", "packs", "--rule", "image-lastest", code: 64).errorOutput
        #expect(misspelt.contains("did you mean image-latest?"))
        #expect(try dray("packs", "lint", "nowhere", code: 1).errorOutput.contains("nowhere"))
        #expect(try dray("packs", "lint", place.path.string, code: 64).errorOutput.contains("is no pack folder"))
    }

    @Test func `lint's JSON has each finding with its parts`() throws {
        try makePacks()
        let json = try dray("packs", "lint", "packs", "--output", "json", code: 14)
        try write(json.stdout, to: place.appending("x"))
        try shell(
            """
            jq -e '.outcome == "refused" and .exitCode == 14 and .result.errors == 1 and .result.warnings == 4' x
            jq -e '.result.findings[] | select(.rule == "manifest-missing") | .severity == "error" and .pack == "two:2.0"
                and .folder == "packs/two-2.0" and .file == "pack.json" and .line == 2
                and (.message | contains("gone.yaml")) and (.fix | length > 0)' x
            jq -e '[.result.packs[].pack] == ["one:1.0", "two:2.0"]' x
            """)
    }

    @Test func `images prints what a mirror must bring`() throws {
        try makePacks()
        let text = try dray("packs", "images", "packs")
        #expect(text.output == "quay.io/a/b:latest\nchart oci://r.test/c c 1.2.3\n")
        #expect(text.errorOutput.contains("packs/two-2.0/values.yaml:5: pack two:2.0: \"{{x}}\" is a template"))
        try write(try dray("packs", "images", "packs", "--output", "json").stdout, to: place.appending("x"))
        try shell(
            """
            jq -e '.result.images == [{"reference": "quay.io/a/b:latest", "askedBy": [
                {"pack": "one:1.0", "place": "packs/one-1.0/values.yaml:4"},
                {"pack": "two:2.0", "place": "packs/two-2.0/values.yaml:4"}]}]' x
            jq -e '.result.charts[0].inFolder == false and .result.unknown[0].pack == "two:2.0"' x
            """)
    }

    @Test func `manifest init writes what pack takes`() throws {
        let sample = try SampleRelease()
        try shell(
            """
            mkdir down && cd down && cp -r \(sample.inputs)/* . && rm release.yaml
            """)
        let names = try shell("ls down")
        let made = try dray("manifest", "init", "down", "--out", "release.yaml")
        #expect(made.output.contains("release.yaml written"), "\(names)")
        let again = try dray("manifest", "init", "down", "--out", "release.yaml", code: 14).errorOutput
        #expect(again.contains("never overwritten"))
        try shell(
            """
            sed -i 's/# ? product: .*/product: palette-enterprise/; s/# ? version: .*/version: 1.0.0/;
                    s/# ? edition: .*/edition: palette/; s/# ? no signature.*/signature: none/;
                    s/^  product: .*/  product: palette-enterprise/' release.yaml
            """)
        try dray("key", "generate", "--out", "r.pem")
        try dray("key", "generate", "--out", "k.pem")
        try dray(
            "trust", "init", "--product", "palette-enterprise", "--root-key", "r.pem", "--release-key", "k.pub.pem",
            "--out", "trust")
        let plan = try dray("pack", "release.yaml", "--trust", "trust", "--dry-run").output
        let manifest = try shell("cat release.yaml")
        for kind in ["iso", "bundle", "packs", "layout"] {
            #expect(plan.contains("  \(kind)  "), "\(plan)\n\(manifest)")
        }
    }
}
