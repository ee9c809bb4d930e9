// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

@testable import Importing

/// Where a registry has what a release names.
struct MappingTests {
    @Test(
        arguments: [
            ([], "quay.io/a/b", "quay.io/a/b"),
            (["quay.io/*=mirror/*"], "quay.io/a/b", "mirror/a/b"),
            (["quay.io/*=mirror/*"], "quay.iox/a", "quay.iox/a"),
            (["quay.io/*=mirror/{flat}"], "quay.io/a/b/c", "mirror/a-b-c"),
            (["*={flat}"], "us-docker.pkg.dev/palette-images/web", "us-docker.pkg.dev-palette-images-web"),
            (["*=x-{flat}-y"], "a/b", "x-a-b-y"),
            (["quay.io/a/b=one"], "quay.io/a/b", "one"),
            (["quay.io/a/b=one"], "quay.io/a/bc", "quay.io/a/bc"),
            (["*=all/*", "quay.io/*=q/*", "quay.io/a/*=qa/*", "quay.io/a/b=one"], "quay.io/a/b", "one"),
            (["*=all/*", "quay.io/*=q/*", "quay.io/a/*=qa/*", "quay.io/a/b=one"], "quay.io/a/c", "qa/c"),
            (["*=all/*", "quay.io/*=q/*", "quay.io/a/*=qa/*", "quay.io/a/b=one"], "quay.io/c", "q/c"),
            (["*=all/*", "quay.io/*=q/*"], "ghcr.io/c", "all/ghcr.io/c"),
            (["docker.io/*=hub/*"], "library/db", "hub/library/db"),
            (["docker.io/*=hub/*"], "quay.io/a", "quay.io/a"),
            (["docker.io/*=hub/*"], "spectro-packs/archive/x", "spectro-packs/archive/x"),
            (["docker.io/library/*=lib/*"], "library/db", "lib/db"),
            (["index.docker.io/library/db=db"], "library/db", "db"),
            (["quay.io/*=all"], "quay.io/a/b", "all"),
        ])
    func `the longest source that fits decides`(rules: [String], from: String, to: String) throws {
        #expect(try RegistryMapping(rules).destination(of: from) == to)
        #expect(try RegistryMapping(rules.reversed()).destination(of: from) == to)
    }

    @Test(
        arguments: [
            "", "a", "=b", "a=", "a*b=c", "A/*=b/*", "a/*=B/*", "a=b/*", "a=b{flat}", "a/*=*/*", "a/*=*{flat}",
            "a/*=/*",
            "a/*=b//*", "a/*=b/../*", "a=b/", "*=..",
        ])
    func `what is no rule is refused`(rule: String) {
        #expect(throws: MappingRuleError.malformed(rule)) { try RegistryMapping([rule]) }
    }

    @Test func `two rules of one source are refused`() {
        #expect(throws: MappingRuleError.twice("a/*=b/*", "a/*=c/*")) { try RegistryMapping(["a/*=b/*", "a/*=c/*"]) }
    }

    private func target(_ rules: [String], base: String = "") throws -> RegistryTarget {
        var target = RegistryTarget(try Registry(try Endpoint(parsing: "http://127.0.0.1:1/\(base)")))
        target.mapping = try RegistryMapping(rules)
        return target
    }

    private func content(_ names: [String]) throws -> RegistryContent {
        var made = Contents()
        let image = try made.image(["base"])
        return try made.content(names.map { reference($0, "1", image) })
    }

    @Test func `names that become one are refused before anything is sent`() throws {
        let content = try content(["a/b-c", "a-b/c", "d"])
        #expect(throws: MappedNameError.collisions(["a-b-c": ["a/b-c", "a-b/c"]].mapValues { $0.sorted() })) {
            do {
                _ = try content.mapped(for: target(["*={flat}"]))
            } catch MappedNameError.collisions(let names) {
                throw MappedNameError.collisions(names.mapValues { $0.sorted() })
            }
        }
        #expect(throws: MappedNameError.self) { try content.mapped(for: target(["d=a/b-c"])) }
        // the site's own evidence has a place too
        #expect(throws: MappedNameError.self) { try content.mapped(for: target(["d=dray/site"])) }
        #expect(MappedNameError.collisions([:]).failure == .refused)
    }

    @Test func `names that no registry takes are refused before anything is sent`() throws {
        let long = String(repeating: "a", count: 200)
        #expect(throws: Never.self) { try content([long]).mapped(for: target([])) }
        #expect(throws: MappedNameError.unusable([long: long])) {
            try content([long]).mapped(for: target([], base: String(repeating: "b", count: 60)))
        }
        let deep = String(repeating: "c", count: 100)
        #expect(throws: MappedNameError.unusable([long: "\(deep)/\(long)"])) {
            try content([long]).mapped(for: target(["*=\(deep)/*"]))
        }
        // what is joined may be no name although its parts are
        #expect(throws: MappedNameError.unusable(["quay.io/a": "x-/a"])) {
            try content(["quay.io/a"]).mapped(for: target(["quay.io*=x-*"]))
        }
    }

    @Test func `packs that Palette will not see are told of`() throws {
        var made = Contents()
        let image = try made.image(["base"])
        let pack = reference("spectro-packs/archive/hello", "1", image, kind: "pack")
        let content = try made.content([pack, reference("quay.io/x", "1", image)])
        #expect(try content.mapped(for: target(["quay.io/*=m/*"])).packWarnings.isEmpty)
        let moved = try content.mapped(for: target(["*={flat}"]))
        #expect(moved.packWarnings.first?.contains("spectro-packs-archive-hello:1") == true)
        let kept = try content.mapped(for: target(["*={flat}", "spectro-packs/archive/*=spectro-packs/archive/*"]))
        #expect(kept.packWarnings.isEmpty)
        #expect(kept.changedNames.map(\.destination) == ["quay.io-x"])
    }

    @Test func `the images that a pack needs have the target's names too`() throws {
        var made = Contents()
        let image = try made.image(["base"])
        var pack = reference("spectro-packs/archive/hello", "1", image, kind: "pack")
        pack.images = ["quay.io/a/b:1", "quay.io/a/c@\(image.digest)"]
        let content = try made.content([pack]).mapped(for: target(["quay.io/*=m/*"]))
        #expect(content.packImages.values.first == ["m/a/b:1", "m/a/c@\(image.digest)"])
    }
}

/// Mapped loads into real registries.
struct MappedLoadTests {
    private static let rules = ["*={flat}", "spectro-packs/archive/*=spectro-packs/archive/*"]
    private let site: Site

    init() throws { site = try Site() }

    private func target(_ url: String) throws -> RegistryTarget {
        var target = try registryTarget(url)
        target.mapping = try RegistryMapping(MappedLoadTests.rules)
        return target
    }

    @Test func `load, check, inventory and undo have the target's names`() throws {
        let server = try RegistryServer()
        let target = try target(server.url + "/base")
        let receipt = try site.load(target)
        #expect(receipt.outcome == "done" && receipt.counts.readBack.isComplete)
        let names = Set(receipt.objects.map(\.repository))
        #expect(names.contains("library-db") && names.contains("spectro-packs/archive/hello-universe"))
        #expect(names.filter { $0.contains("/") } == ["spectro-packs/archive/hello-universe"])
        let digest = try #require(receipt.counts.tags.first { $0.repository == "library-db" && $0.tag == "16" }?.digest)
        #expect(try skopeoDigest("docker://\(server.url.dropFirst(7))/base/library-db:16") == digest)
        #expect(try site.load(target).nothingToDo)
        // without the rules, as a later check is run
        #expect(try Check(receipt, at: registryTarget(server.url + "/base"), jobs: 4).run(Progress()).faults.isEmpty)
        let file = site.folder.appending("inventory")
        let report = try Inventory(of: target, tool: "test").write(
            to: file, now: PackedSample.now, progress: Progress())
        let text = String(decoding: try file.contents(limit: 1 << 24), as: UTF8.self)
        #expect(report.failure == nil && text.contains("\"library-db\"") && !text.contains("dray-site"))
        let undo = try Undo(receipt, at: target, jobs: 4, progress: Progress())
        #expect(undo.steps.contains { "\($0)".contains("library-db:16") })
    }

    @Test func `the plan shows each name that changes`() throws {
        let server = try ZotServer()
        let run = PlanRun(state: site.state, tool: "test")
        var planning = run
        planning.now = { PackedSample.now }
        let report = try planning.run(
            site.unverified(), to: target(server.url), given: GivenArguments(media: ["M"], target: ["--to", "T"]),
            progress: Progress())
        #expect(report.failure == nil)
        #expect(report.text.contains("map  library/db -> library-db\n"))
        #expect(report.text.contains("spectro-packs") && !report.text.contains("map  spectro-packs"))
    }

    @Test func `a registry that makes no repositories names those to create`() throws {
        let answer = #"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository does not exist"}]}"#
        let server = ScriptedServer([]) { asked in
            asked.target == "/v2/" ? .answer(200) : .answer(404, ["Content-Type": "application/json"], answer)
        }
        let failure = try site.failure(of: registryTarget(server.url + "/base"))
        guard case .repositoriesMissing(let names, _, _) = failure.cause as? LoadError else {
            Issue.record("\(failure)")
            return
        }
        #expect(failure.failure == .registryRefused)
        #expect(Set(names) == Set(try site.verified().release.references.map { "base/\($0.repository)" }))
        #expect("\(failure)".contains("aws ecr create-repository"))
    }

    @Test func `a target keeps its rules`() throws {
        var access = TargetAccess()
        access.map = MappedLoadTests.rules
        try site.state.keep(SavedTarget("site", address: "http://127.0.0.1:5000", access))
        #expect(try site.state.target("site").access.map == MappedLoadTests.rules)
        #expect(try site.state.target("site").report().text.contains("{flat}"))
        #expect(TargetAccess().over(access).map == MappedLoadTests.rules)
    }
}
