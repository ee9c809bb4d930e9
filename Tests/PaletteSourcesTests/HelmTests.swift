// SPDX-License-Identifier: Apache-2.0

import OCI
import PaletteSources
import Testing

struct HelmTests {
    private func entries(_ text: String, _ chart: String = "b") throws -> [HelmIndexEntry] {
        try HelmIndex.entries(of: chart, in: Array(text.utf8))
    }

    private let digest = String(repeating: "a", count: 64)

    @Test(arguments: [
        "entries:\n  a:\n  - version: 9.0.0\n    urls: [x]\n  b:\n  - version: 1.0.0\n    digest: DIGEST\n    urls:\n    - b-1.0.0.tgz\n  c:\n  - version: 3.0.0\n    urls: [x]\n",
        "apiVersion: v1\nentries:\n    \"b\":\n        - version: 1.0.0\n          digest: sha256:DIGEST\n          urls: [b-1.0.0.tgz]\ngenerated: now\n",
        #"{"apiVersion":"v1","entries":{"b":[{"version":"1.0.0","digest":"DIGEST","urls":["b-1.0.0.tgz"]}]}}"#,
    ])
    func `a chart's versions are found however the index is laid out`(_ text: String) throws {
        let found = try entries(text.replacing("DIGEST", with: digest))
        #expect(found.map(\.version) == ["1.0.0"] && found[0].urls == ["b-1.0.0.tgz"] && found[0].digest?.hex == digest)
    }

    @Test func `a chart's description that looks like another chart is passed over`() throws {
        let text =
            "entries:\n  b:\n  - description: |\n      c:\n        x\n    version: 1.0.0\n    urls: [x]\n  - version: 2.0.0\n    urls: [y]\n"
        #expect(try entries(text).map(\.version) == ["1.0.0", "2.0.0"])
    }

    @Test(arguments: ["", "entries: {}", "entries:\n  a:\n  - version: 1.0.0\n", "<html>", "entries:\n  b: 3\n"])
    func `a chart that isn't there is told`(_ text: String) {
        #expect(throws: HelmIndexError.self) { try entries(text) }
    }

    @Test func `aliases are refused, for they can be of any size`() {
        #expect(throws: HelmIndexError.self) {
            try entries("entries:\n  b:\n  - &a {version: 1.0.0, urls: [x]}\n  - *a\n")
        }
    }

    @Test func `Chart.yaml becomes the JSON that Helm makes of it`() throws {
        let chart = try HelmChart(
            metadata: Array(
                """
                apiVersion: v2
                name: x
                version: 1.0
                appVersion: 1.10
                deprecated: true
                unknown: dropped
                annotations: {a: 1}
                dependencies: [{name: d, version: ">=1", repository: "https://x", tags: [t]}]
                """.utf8))
        #expect(
            String(decoding: chart.configuration, as: UTF8.self)
                == #"{"annotations":{"a":"1"},"apiVersion":"v2","appVersion":"1.10","dependencies":[{"name":"d","#
                + #""repository":"https://x","tags":["t"],"version":">=1"}],"deprecated":true,"name":"x","version":"1.0"}"#
        )
        #expect(throws: HelmChartError.self) { try HelmChart(metadata: Array("name: x".utf8)) }
    }
}
