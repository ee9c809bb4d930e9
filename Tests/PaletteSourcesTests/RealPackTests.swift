// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import SystemPackage
import Testing

@testable import PaletteSources

/// The real packs, where the machine has them.
@Suite(.enabled(if: SharedPacks.folder != nil)) struct RealPackTests {
    @Test func `reads every real pack as another YAML reader does`() throws {
        let packs = try #require(SharedPacks.folder)
        #expect(try PackFolder.all(at: packs).map(\.lastComponent?.string) == ExpectedPack.all.map(\.folder))
        for expected in ExpectedPack.all {
            let pack = try PackFolder(reading: packs.appending(expected.folder))
            #expect(pack.name == expected.pack)
            let content = try #require(pack.content)
            #expect(content.images?.map(\.text) == expected.images, "\(expected.folder)")
            #expect(
                content.charts.map { "\($0.repository ?? "") \($0.name) \($0.version ?? "")" } == expected.charts)
            #expect(content.problems == [])
        }
    }

    @Test func `every line that a reader names holds the image`() throws {
        let packs = try #require(SharedPacks.folder)
        for image in try PackRequests(reading: [packs]).images {
            let text = try String(
                decoding: image.place.folder.appending(image.place.file).contents(limit: 1 << 20), as: UTF8.self)
            let line = try #require(image.place.line)
            #expect(TextLines(text).lines[line - 1].contains(image.reference.description))
        }
    }

    @Test func `asks for what the table says`() throws {
        let requests = try PackRequests(reading: [try #require(SharedPacks.folder)])
        #expect(requests.images.map(\.reference.description) == ExpectedPack.all.flatMap { $0.images ?? [] })
        #expect(requests.packsWithoutList == ExpectedPack.all.filter { $0.images == nil }.map(\.pack))
        #expect(requests.unknown.isEmpty && requests.charts.count == 4)
    }

    /// `<folder>: <rule> <place>` of everything but notes.
    private static let findings = [
        "antrea-1.9.0: no-image-list values.yaml",
        "appdynamics-operators-1.22.374: image-not-listed \(chart)!\(cloud)/templates/manager/manager.yaml:28",
        "appdynamics-operators-1.22.374: image-not-listed \(chart)!\(cloud)/values.yaml:29",
        "appdynamics-operators-1.22.374: image-not-listed \(chart)!appdynamics-operators/charts/appdynamics-smartagent/values.yaml:11",
        "appdynamics-operators-1.22.374: image-not-listed \(chart)!\(telemetry)/values.yaml:31",
        "appdynamics-operators-1.22.374: image-not-listed \(chart)!\(telemetry)/values.yaml:34",
        "appdynamics-operators-1.22.374: image-not-listed \(chart)!\(telemetry)/values.yaml:159",
        "cks-kubebench-0.16.7: no-image-list values.yaml", "crossplane-1.20.0: image-not-listed presets.yaml:11",
        "crossplane-1.20.0: image-not-listed values.yaml:26", "crossplane-2.0.2: image-not-listed values.yaml:26",
        "elastic-stack-0.18.2: dependency-missing pack.json:21",
        "elastic-stack-0.18.2: image-tag-not-listed presets.yaml:196",
        "elastic-stack-0.19.0: dependency-missing pack.json:21",
        "elastic-stack-0.19.0: image-tag-not-listed presets.yaml:196",
        "external-snapshotter-4.0.1: no-image-list values.yaml", "fluentbit-5.0.5: chart-not-in-folder values.yaml:7",
        "fluentbit-5.0.5: image-not-listed values.yaml:39", "fluentbit-5.0.5: image-not-listed values.yaml:543",
        "hello-universe-1.3.0: image-not-listed manifests/hello-universe.yaml:277",
        "hello-universe-1.3.1: image-not-listed manifests/hello-universe.yaml:277",
        "kubehunter-1.0.3: no-image-list values.yaml", "kyverno-1.12.2: image-not-listed values.yaml:447",
        "kyverno-1.12.2: image-not-listed values.yaml:490",
    ]
    private static let chart = "charts/appdynamics-operators-1.22.374.tgz"
    private static let cloud = "appdynamics-operators/charts/appdynamics-cloud-operator"
    private static let telemetry = "appdynamics-operators/charts/opentelemetry-operator"

    @Test func `finds in the real packs what was looked at by eye, and nothing else`() throws {
        let lint = try PackLint(checking: [try #require(SharedPacks.folder)])
        let found = lint.packs.flatMap(\.findings).filter { $0.severity != .note }
        let shown = found.map { finding in
            "\(finding.place.folder.lastComponent?.string ?? ""): \(finding.rule.rawValue) \(finding.place.file)"
                + (finding.place.line.map { ":\($0)" } ?? "")
        }
        #expect(shown == RealPackTests.findings)
        #expect(lint.count(.error) == 6)
    }
}
