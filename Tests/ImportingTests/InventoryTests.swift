// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import Importing
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

/// What a site's target has, written down.
struct InventoryTests {
    private let folder = TemporaryFolder()
    private var file: FilePath { folder.appending("site.jsonl") }

    /// A line of the file.
    private struct Line: Decodable, Equatable {
        struct Named: Decodable, Equatable {
            let digest: String
            let size: Int64
        }
        struct Totals: Decodable, Equatable {
            var repositories, tags, manifests, blobs, blobBytes, missing, unreadable: Int
        }
        var format, target, tool, repository, tag, digest, manifest, mediaType, subject, problem, why: String?
        var size: Int64?
        var blobs, children: [Named]?
        var totals: Totals?
    }

    private func inventory(_ target: any LoadTarget, jobs: Int = 4, limit: Int = 1000) throws -> (
        lines: [Line], report: Report
    ) {
        var inventory = Inventory(of: target, tool: "test")
        (inventory.jobs, inventory.limit) = (jobs, limit)
        let report = try inventory.write(to: file, now: PackedSample.now, progress: Progress())
        let text = String(decoding: try file.contents(limit: 1 << 26), as: UTF8.self)
        let lines = try text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        #expect(lines.first?.format == "dray-inventory 1" && lines.last?.totals != nil)
        return (lines, report)
    }

    private func names(_ lines: [Line]) -> [String] {
        lines.filter { $0.tag != nil && $0.problem == nil }.map {
            "\($0.repository ?? ""):\($0.tag ?? "") \($0.digest ?? "")"
        }
        .sorted()
    }

    /// Every manifest once in a repository, with its content once in the file, children of indexes too.
    private func check(_ lines: [Line], _ release: [String: Digest]) throws {
        #expect(names(lines) == release.map { "\($0.key) \($0.value)" }.sorted())
        let manifests = lines.filter { $0.manifest != nil }
        let places = manifests.map { "\($0.repository ?? "")@\($0.manifest ?? "")" }
        #expect(Set(places).count == places.count)
        let full = manifests.filter { $0.blobs != nil }
        #expect(
            Set(full.map(\.manifest)) == Set(manifests.map(\.manifest)) && Set(full.map(\.manifest)).count == full.count
        )
        for parent in full {
            for child in parent.children ?? [] {
                #expect(places.contains("\(parent.repository ?? "")@\(child.digest)"))
            }
        }
        #expect(lines.last?.totals?.manifests == full.count && lines.last?.totals?.missing == 0)
        let blobs = Set(full.flatMap { $0.blobs ?? [] }.map(\.digest))
        #expect(lines.last?.totals?.blobs == blobs.count)
    }

    @Test func `lists what docker-registry and a layout folder were loaded with`() throws {
        let site = try Site()
        let server = try RegistryServer()
        let target = try registryTarget("\(server.url)/spectro-content")
        _ = try site.load(target)
        let references = try site.verified().release.references
        let tagged = references.filter { $0.tag != nil }.map { ($0.name, $0.descriptor.digest) }
        let release = Dictionary(uniqueKeysWithValues: tagged)
        let (lines, report) = try inventory(target)
        try check(lines, release)
        #expect(lines.last?.totals?.repositories == Set(references.map(\.repository)).count)
        #expect(lines.first?.target == "\(server.url)/spectro-content" && report.warnings.isEmpty)
        #expect(report.next.first?.contains(file.string) == true)
        let layout = LayoutTarget(folder.appending("layout"))
        _ = try site.load(layout)
        let (found, _) = try inventory(layout, jobs: 1)
        try check(found, release)
        let sizes = { (lines: [Line]) in
            Set(lines.flatMap { $0.blobs ?? [] }.map { "\($0.digest) \($0.size)" })
        }
        #expect(sizes(found) == sizes(lines))
        #expect(try folder.path.entries().filter { $0.hasSuffix(".new") } == [])
    }

    // MARK: Scripted registries

    private static let digest = "sha256:" + String(repeating: "0", count: 64)

    private static func manifest(_ name: String) -> String {
        let blob = Digest(of: Array(name.utf8))
        return #"{"schemaVersion":2,"config":{"mediaType":"a","digest":"\#(blob)","size":7},"layers":[]}"#
    }

    private static func answer(_ body: String, _ type: String = MediaType.manifest) -> ScriptedServer.Step {
        .answer(200, ["Content-Type": type], body)
    }

    /// A registry with these repositories, tags and answers to what is asked under `manifests/`.
    private func registry(
        _ tags: [String: [String]], _ manifest: @escaping @Sendable (String) -> ScriptedServer.Step?
    ) -> ScriptedServer {
        ScriptedServer { asked in
            let path = String(asked.target.prefix { $0 != "?" })
            if path == "/v2/" { return .answer(200) }
            func quoted(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ",") }
            if path == "/v2/_catalog" {
                return .answer(200, [:], "{\"repositories\":[\(quoted(tags.keys.sorted()))]}")
            }
            if path.hasSuffix("/tags/list") {
                let name = String(path.dropFirst("/v2/".count).dropLast("/tags/list".count))
                return .answer(200, [:], "{\"name\":\"\(name)\",\"tags\":[\(quoted(tags[name] ?? []))]}")
            }
            return manifest(path)
        }
    }

    @Test func `many tags of a few manifests are written in order, each manifest once`() throws {
        let tags = (0..<600).map { "t\($0)" }
        let server = registry(["base/a": tags, "base/b": ["x"], "elsewhere": ["y"]]) { path in
            let last = path.split(separator: "/").last.map(String.init) ?? ""
            return InventoryTests.answer(
                InventoryTests.manifest(last == "x" ? "t0" : "t\((Int(last.dropFirst()) ?? 0) % 5)"))
        }
        let (lines, _) = try inventory(try registryTarget("\(server.url)/base"))
        #expect(lines.filter { $0.repository == "a" }.compactMap(\.tag) == tags)
        #expect(lines.count { $0.manifest != nil } == 6 && lines.count { $0.blobs != nil } == 5)
        #expect(lines.filter { $0.repository == "b" }.map { $0.tag ?? "" } == ["", "x"])
        let totals = Line.Totals(
            repositories: 2, tags: 601, manifests: 5, blobs: 5, blobBytes: 35, missing: 0, unreadable: 0)
        #expect(lines.last?.totals == totals)
        #expect(!server.lines.contains { $0.contains("elsewhere") })
    }

    @Test func `what a registry lists and can't give is said, and stops nothing`() throws {
        let child = #"{"mediaType":"\#(MediaType.manifest)","digest":"\#(InventoryTests.digest)","size":3}"#
        let many = (0..<5000).map { _ in #"{"mediaType":"a","digest":"\#(InventoryTests.digest)","size":1}"# }
        let answers: [String: ScriptedServer.Step] = [
            "good": InventoryTests.answer(InventoryTests.manifest("good")), "gone": .answer(404),
            "broken": .answer(500), "empty": InventoryTests.answer(""), "text": InventoryTests.answer("hello"),
            "old": InventoryTests.answer("{}", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "both": InventoryTests.answer(#"{"manifests":[],"config":{}}"#, MediaType.index),
            "sparse": InventoryTests.answer(#"{"manifests":[\#(child)]}"#, MediaType.index),
            "huge": InventoryTests.answer(
                #"{"config":\#(many[0]),"layers":[\#(many.joined(separator: ","))]}"#),
            "swollen": .answer(200, ["Content-Type": MediaType.manifest], String(repeating: " ", count: 5 << 20)),
            InventoryTests.digest: InventoryTests.answer(InventoryTests.manifest("other bytes")),
        ]
        let tags = answers.keys.filter { !$0.contains(":") }.sorted()
        let server = registry(["a": tags]) { path in path.split(separator: "/").last.flatMap { answers[String($0)] } }
        let (lines, report) = try inventory(try registryTarget(server.url))
        #expect(Set(names(lines).map { $0.prefix { $0 != " " } }) == ["a:good", "a:sparse"])
        let problems = lines.filter { $0.problem != nil }
        #expect(
            Set(problems.map { "\($0.problem ?? "") \($0.tag ?? "child")" }) == [
                "missing gone", "missing broken", "missing swollen", "unreadable empty", "unreadable text",
                "unreadable old",
                "unreadable both", "unreadable huge", "unreadable child",
            ])
        #expect(lines.last?.totals?.missing == 3 && lines.last?.totals?.unreadable == 6)
        #expect(report.warnings.count == 1 && report.failure == nil)
    }

    @Test func `more than the limit is refused, and leaves no file`() throws {
        let server = registry(["a": (0..<20).map { "t\($0)" }]) { path in
            let children = (0..<100).map { number in
                let digest = Digest(of: Array("\(path) \(number)".utf8))
                return #"{"mediaType":"\#(MediaType.manifest)","digest":"\#(digest)","size":3}"#
            }
            return InventoryTests.answer(#"{"manifests":[\#(children.joined(separator: ","))]}"#, MediaType.index)
        }
        let target = try registryTarget(server.url)
        let error = #expect(throws: InventoryError.self) { try inventory(target) }
        #expect(error == .tooMuch(server.url, limit: 1000) && error?.failure == .failed)
        #expect(try folder.path.entries() == [])
    }

    @Test func `an earlier inventory stays where none can be made`() throws {
        try write(Array("old".utf8), to: file)
        let none = ScriptedServer { _ in .answer(404) }
        #expect(throws: InventoryError.noCatalog(none.url)) { try inventory(try registryTarget(none.url)) }
        let denied = ScriptedServer { _ in .answer(403) }
        let error = #expect(throws: RegistryError.self) { try inventory(try registryTarget(denied.url)) }
        #expect(error?.failure == .registryRefused)
        #expect(throws: InventoryError.self) { try inventory(LayoutTarget(folder.appending("nothing"))) }
        #expect(try contents(of: file) == Array("old".utf8))
        #expect(try folder.path.entries() == ["site.jsonl"])
    }

    @Test func `a layout folder of others is listed, names that are no repository's aside`() throws {
        let place = folder.appending("layout")
        try place.appending("blobs/sha256").createDirectories()
        try write(Array("{}".utf8), to: place.appending("oci-layout"))
        let bytes = Array(InventoryTests.manifest("a").utf8)
        let digest = Digest(of: bytes)
        try write(bytes, to: place.appending("blobs/sha256").appending(digest.hex))
        let entry = { (name: String) in
            #"{"mediaType":"\#(MediaType.manifest)","digest":"\#(digest)","size":1,"annotations":{"\#(Descriptor.referenceName)":"\#(name)"}}"#
        }
        let index = [entry("a/b:1"), entry("latest"), entry("UPPER:1"), #"{"digest":"sha512:00"}"#].joined(
            separator: ",")
        try write(Array("{\"manifests\":[\(index)]}".utf8), to: place.appending("index.json"))
        let (lines, _) = try inventory(LayoutTarget(place))
        #expect(names(lines) == ["a/b:1 \(digest)"])
        #expect(lines.filter { $0.manifest != nil }.map { $0.repository ?? "-" } == ["-", "a/b"])
    }

    @Test func `the command says what it wrote, and where it can't`() throws {
        let server = registry(["a": ["t"]]) { _ in InventoryTests.answer(InventoryTests.manifest("a")) }
        let command = [
            SourceTree.tool("dray-import").string, "inventory", "--to", server.url, "--out", file.string, "--output",
            "json",
        ]
        let result = try run(command, environment: ["DOCKER_CONFIG": "/nonexistent"])
        #expect(result.status == 0, "\(result.errorOutput)")
        #expect(result.output.contains(#""manifests":1"#) && result.output.contains("carry "))
        #expect(try file.exists())
        let missing = try run(
            Array(command.dropLast(3)) + [folder.appending("none/x").string],
            environment: ["DOCKER_CONFIG": "/nonexistent"])
        #expect(missing.status == 1 && missing.errorOutput.contains("none"))
    }
}
