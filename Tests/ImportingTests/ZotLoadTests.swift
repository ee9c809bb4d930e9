// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import OCI
import RegistryClient
import Support
import Testing

@testable import Importing

/// What is peculiar to Zot, or to how it is set up, at the level of a whole load.
struct ZotLoadTests {
    private static let login = Credentials(username: "loader", password: "s3cret")
    private static let emptyIndex = #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[]}"#

    /// Gives a tag below the base path an index without children.
    private func putIndex(_ place: Place, _ url: String, login: Credentials? = nil) throws -> Digest {
        let bytes = Data(Self.emptyIndex.utf8)
        let digest = Digest(of: Array(bytes))
        var options = RegistryOptions()
        options.credentials = login
        try Registry(try Endpoint(parsing: url), options).connection().putManifest(
            "spectro-content/\(place.repository)", place.reference, bytes, mediaType: MediaType.index, digest: digest)
        return digest
    }

    private func small(_ name: String = "library/a:1") throws -> (release: PackedSample, image: Descriptor) {
        var layout = MadeLayout()
        let image = layout.image(name, [try layout.noise(1000)])
        return (try layout.packed(), image)
    }

    // MARK: Tags

    @Test(arguments: ZotServer.Era.allCases)
    func `a tag of another media type is dropped first where Zot needs that, and the plan says so`(
        _ era: ZotServer.Era
    ) throws {
        var options = ZotServer.Options()
        options.era = era
        let (server, (release, image)) = (try ZotServer(options), try small())
        let site = try Site(release)
        let before = try putIndex(Place("library/a", "1"), server.url)
        let target = try server.target()
        #expect(try site.failure(of: target).failure == .refused)
        let patterns = [TagPattern("library/a:1")]
        let load = try Load(site.verified(), to: target, jobs: 1, progress: Progress())
        let step = try #require(try load.plan(replaceTags: patterns).tags.first)
        #expect(step.action == .move && step.before?.digest == before)
        #expect(step.retypes == (era == .v2_1_2))
        let count = server.asked.count
        let receipt = try site.load(target, replaceTags: patterns, jobs: 1)
        #expect(receipt.counts.tags.map(\.before) == [before.description])
        let changes = server.asked[count...].filter {
            $0.target.hasSuffix("/manifests/1") && ["PUT", "DELETE"].contains($0.method) && $0.bodyCount > 0
                || $0.method == "DELETE" && $0.target.hasSuffix("/manifests/1")
        }
        #expect(changes.map(\.method) == (era == .v2_1_2 ? ["DELETE", "PUT"] : ["PUT"]))
        #expect(Digest(of: try #require(server.manifest("spectro-content/library/a", "1"))) == image.digest)
    }

    @Test func `an image without a tag gets one made of its digest, so that no collection takes it`() throws {
        var options = ZotServer.Options()
        options.era = .v2_1_20
        let (site, server) = (try Site(), try ZotServer(options))
        _ = try site.load(server.target())
        let references = try site.verified().release.references
        let pinned = try #require(references.first { $0.tag?.hasPrefix("digest-") == true })
        let name = "spectro-content/\(pinned.repository)"
        #expect(server.tags(of: name) == ["digest-\(pinned.descriptor.digest.hex)"])
        server.collect(olderThan: .zero)
        #expect(server.manifest(name, pinned.descriptor.digest.description) != nil)
        #expect(try site.load(server.target()).nothingToDo)
    }

    @Test func `a tag moves without a word from where the release says, from nowhere else`() throws {
        let server = try ZotServer()
        let (old, image) = try small()
        _ = try Site(old).load(server.target())
        let rule = "movesTags:\n  - { tag: \"library/a:1\", from: \"\(image.digest)\" }\n"
        var layout = MadeLayout()
        let new = layout.image("library/a:1", [try layout.noise(2000)])
        let site = try Site(layout.packed(more: rule))
        let receipt = try site.load(server.target())
        #expect(receipt.counts.tags.map(\.action) == ["move"])
        #expect(Digest(of: try #require(server.manifest("spectro-content/library/a", "1"))) == new.digest)

        _ = try Site(small().release).load(server.target(), replaceTags: [TagPattern("*")])
        let tags = server.allTags
        let error = try site.failure(of: server.target())
        #expect(error.failure == .refused && "\(error)".contains("--replace-tags"))
        #expect(server.allTags == tags)
    }

    @Test func `the vendor's other build of a pack is refused whatever is allowed`() throws {
        var made = Contents()
        let pack = try made.image(["pack"])
        var item = reference("spectro-packs/archive/a", "1", pack, kind: "pack", mayMove: true)
        item.fips = false
        let place = Place(item.repository, "1")
        let other = Contents.blob("other").digest
        var answers = TargetAnswers()
        answers.tags[place] = .init(other)
        answers.builds[place] = PackBuild(other, fips: true)
        let plan = LoadPlan(try made.content([item]), answers, replaceTags: [TagPattern("*")])
        #expect(plan.tags.map(\.action) == [.refuse])
        #expect(plan.otherBuilds == [.init(name: item.name, before: other, digest: pack.digest)])
        #expect(LoadError.otherBuilds(plan.otherBuilds).failure == .refused)
        // What the site knows of is no longer there: then nothing is known of it.
        answers.builds[place] = PackBuild(Contents.blob("former").digest, fips: true)
        #expect(LoadPlan(try made.content([item]), answers).tags.map(\.action) == [.move])
    }

    @Test(
        arguments: [
            ("a:1", "a:1", true), ("a:1", "a:11", false), ("a:1", "b/a:1", false), ("*", "", true), ("", "", true),
            ("", "a:1", false), ("*", "x/y/z:1", true), ("x/*", "x/y/z:1", true), ("*:1", "x/y:1", true),
            ("*:1", "x/y:1.1", false), ("a:?", "a:1", true), ("a:?", "a:", false), ("a:?", "a:12", false),
            ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false), ("**", "a", true), ("a:1.2", "a:1x2", false),
            ("[a]:1", "a:1", false), ("a:(1|2)", "a:1", false), ("A:1", "a:1", false), ("a:1\n", "a:1", false),
            ("é*", "éa", true), ("\\*", "*", false),
        ] as [(String, String, Bool)])
    func `a pattern covers whole names`(_ pattern: String, _ name: String, _ covers: Bool) {
        #expect(TagPattern(pattern).matches(name) == covers)
    }

    @Test func `a pattern made of stars takes no more time than its length`() {
        let pattern = TagPattern(String(repeating: "*a", count: 500) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 1000)))
    }

    // MARK: Docker manifests

    @Test func `Docker manifests are refused before anything is sent, with the setting's name`() throws {
        var layout = MadeLayout()
        let image = layout.image("library/old:1", [try layout.noise(1000)], type: MediaType.dockerManifest)
        _ = layout.index("library/old:list", [image], type: MediaType.dockerList)
        let site = try Site(layout.packed())
        let server = try ZotServer()
        let error = try site.failure(of: server.target())
        #expect(error.failure == .refused && error.failure.rawValue == 14)
        #expect("\(error)".contains(#""compat": ["docker2s2"]"#))
        #expect(server.repositories.isEmpty && server.count(.uploads) == 0)

        var options = ZotServer.Options()
        options.docker2s2 = true
        let willing = try ZotServer(options)
        #expect(try site.load(willing.target()).counts.readBack.isComplete)
        #expect(willing.allTags.map(\.reference) == ["1", "list"])
        #expect(Digest(of: try #require(willing.manifest("spectro-content/library/old", "1"))) == image.digest)
    }

    // MARK: Permissions

    @Test(
        arguments: [
            ([.read], ["create"]), ([.read, .create], ["update", "delete"]), ([.read, .create, .update], ["delete"]),
        ] as [(Set<ZotServer.Action>, [String])])
    func `a missing permission is named by the plan, and nothing is changed`(
        _ actions: Set<ZotServer.Action>, _ missing: [String]
    ) throws {
        var options = ZotServer.Options()
        let (open, (release, _)) = (try ZotServer(), try small())
        _ = try putIndex(Place("library/a", "1"), open.url)
        open.stop()
        options.auth = .basic(user: Self.login.username, password: Self.login.password)
        options.permissions = [.init("", actions)]
        let server = try ZotServer(options, folder: open.folder, port: open.port)
        let site = try Site(release)
        let before = try server.listing()
        let error = try site.failure(
            of: server.target(login: Self.login), replaceTags: [TagPattern("*")])
        guard case .notAllowed(let denials, _) = error.cause as? LoadError else { throw error }
        #expect(denials == missing.map { .init("library/*", $0) })
        #expect(error.failure.rawValue == 15)
        #expect(try server.listing() == before)
        #expect(server.asked.allSatisfy { $0.bodyCount == 0 })
    }

    @Test(arguments: ZotServer.Era.allCases)
    func `a plan changes nothing at all in Zot`(_ era: ZotServer.Era) throws {
        var options = ZotServer.Options()
        options.era = era
        let (site, server) = (try Site(), try ZotServer(options))
        _ = try putIndex(Place("library/db", "16"), server.url)
        let before = try server.listing()
        let load = try Load(site.verified(), to: server.target(), jobs: 4, progress: Progress())
        let plan = try load.plan(replaceTags: [TagPattern("*")])
        #expect(plan.tags.contains { $0.action == .move })
        #expect(try server.listing() == before)
        #expect(server.count(.blob) == 0)
    }

    @Test func `a plan changes nothing at all in docker-registry`() throws {
        let (site, server) = (try Site(), try RegistryServer())
        _ = try putIndex(Place("library/db", "16"), server.url)
        let list = {
            let found = try run(["find", "\(server.folder.path)/store", "-printf", "%p %s %T@\\n"])
            return found.output.split(separator: "\n").sorted()
        }
        let before = try list()
        let target = try registryTarget(server.url + "/spectro-content")
        let load = try Load(site.verified(), to: target, jobs: 4, progress: Progress())
        #expect(try load.plan(replaceTags: [TagPattern("*")]).tags.contains { $0.action == .move })
        #expect(try list() == before && before.count > 3)
    }

    // MARK: Requests

    /// Each more is a password check, 120 ms on a site with htpasswd. Whoever adds one changes this table, and says why.
    @Test func `a load and the next one ask for exactly this much`() throws {
        let (site, server) = (try Site(), try ZotServer())
        let count = {
            Dictionary(grouping: server.asked) { "\($0.method) \($0.kind)" }.mapValues(\.count)
        }
        let first = try site.load(server.target(site.state), jobs: 1)
        let fresh = count()
        let expected = [
            "GET base": 1, "GET other": 1,  // which registry it is
            "GET tags": 1,  // other hosts' receipts: the state has none of this registry
            "GET manifest": 20,  // 8 references before; 8 by their tags and 2 children read back; the evidence, twice
            "HEAD manifest": 8,  // tags right before they are set
            "PUT manifest": 26,  // 7 folders' permissions, 9 manifests without the pack's, 8 tags, the evidence's 2
            "DELETE manifest": 7,  // staging tags
            "POST uploads": 25,  // 8 blobs and 13 mounts, the evidence's 4 parts
            "PUT session": 2,  // blobs above 1 MiB
            "HEAD blob": 21,  // read back
        ]
        #expect(fresh == expected)
        // The receipt counts from the plan's end to its own: 19 requests made the plan, 7 keep the receipt.
        #expect(first.done.requests == Int64(fresh.values.reduce(0, +)) - 19 - 7)
        #expect(first.planned.requests == first.done.requests)
        _ = try site.load(server.target(site.state), jobs: 1)
        let both = count()
        let second = both.merging(fresh) { $0 - $1 }.filter { $0.value > 0 }
        // The evidence: its state with two parts is read for the floors and again before it is written; then its parts and the
        // manifest under two tags go.
        let again = [
            "GET base": 1, "GET other": 1, "GET manifest": 12, "HEAD blob": 21, "GET blob": 4, "POST uploads": 4,
            "PUT manifest": 2,
        ]
        #expect(second == again)
    }
}

extension ZotServer {
    fileprivate func target(_ state: SiteState) throws -> RegistryTarget {
        try RegistryTarget(try Endpoint(parsing: url + "/spectro-content"), RegistryOptions(), state: state)
    }
}
