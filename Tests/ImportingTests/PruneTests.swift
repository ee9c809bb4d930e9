// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import FoundationEssentials
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// A site with four appliance releases that share layers, an index with two platforms, a signature, and a tag that moves.
struct PruneScene {
    let scene: TrustScene
    let target: any LoadTarget
    private(set) var images: [String: Descriptor] = [:]
    let publisher: MadePublisher
    private var packed: [PackedSample] = []

    /// Loads releases `1` to `4`, a day after another.
    init(at make: (TrustScene) throws -> any LoadTarget, releases: Int = 4, isSigned: Bool = false) throws {
        var publisher = try MadePublisher()
        var scene = try TrustScene(publisher)
        target = try make(scene)
        if isSigned { _ = try scene.state.makeSiteKey(name: "Site 7") }
        let signer = try PruneScene.signer(of: scene.state)
        var shared = MadeLayout()
        let base = try shared.noise(20_000)
        for number in 1...releases {
            var layout = shared
            let own = try layout.noise(5_000)
            let children = [try layout.noise(700), try layout.noise(800)].map { layout.image(nil, [base, own, $0]) }
            images["child\(number)"] = children[0]
            images["app\(number)"] = layout.index("library/app:\(number)", children)
            images["tool\(number)"] = layout.image("library/tool:\(number)", [base, try layout.noise(3_000)])
            // what a tag moved to in release 3 is what it is in 4
            let pause = [1: "a", 2: "a", 3: "b", 4: "b"][number] ?? "b"
            images["pause\(number)"] = layout.image(
                "k8s/pause:3", [layout.blob(Array("pause \(pause)".utf8))], config: "\"\(pause)\"")
            let about = images["tool\(number)"].map(MadeLayout.text) ?? ""
            images["signature\(number)"] = layout.image(
                nil, [], config: "\"signature \(number)\"",
                more: #","artifactType":"example/signature","subject":\#(about)"#)
            let sample = try layout.packed(version: "\(number).0.0")
            packed.append(sample)
            let media = try publisher.edit(sample.bundle, "\(number).0.0") { $0.kind = .appliance }
            scene.now = MadePublisher.now.adding(days: Int64(number))
            try scene.load(media, to: target) {
                ($0.replaceTags, $0.signer) = ([TagPattern("k8s/*")], signer)
            }
        }
        (self.scene, self.publisher) = (scene, publisher)
    }

    func signer() throws -> SiteSigner? { try PruneScene.signer(of: scene.state) }

    private static func signer(of state: SiteState) throws -> SiteSigner? {
        guard let key = try state.siteKey() else { return nil }
        return try key.signer(PrivateKey(pem: FilePath(key.argument).contents(limit: 1 << 20)))
    }

    var run: PruneRun {
        var run = PruneRun(state: scene.state, tool: "test")
        let now = scene.now.adding(days: 1)
        run.now = { now }
        return run
    }

    @discardableResult
    func prune(keep: Int = 2, inUse: String? = nil, at other: (any LoadTarget)? = nil) throws -> Report {
        var run = run
        run.keep = keep
        run.inUse = try inUse.map { try InUse(parsing: Array($0.utf8)) }
        return try run.apply(other ?? target, progress: Progress())
    }

    /// What isn't as the receipt of this release says.
    func faults(_ number: Int) throws -> [String] {
        let kept = try scene.state.receipt("\(number).0.0", at: target.address)
        return try Check(kept.receipt, at: target, jobs: 2).run(Progress()).faults.map(\.name)
    }

    func has(_ image: String, in repository: String) throws -> Bool {
        let digest = try #require(images[image]).digest
        return try target.session().manifestDigest(Place(repository, digest)) != nil
    }

    func tags(_ repository: String) throws -> [String] { try (target.session().tags(of: repository) ?? []).sorted() }
}

struct PruneTests {
    enum Kind: CaseIterable { case zot, zotNow, registry, layout, zotFolder }

    /// A target of each make, and what keeps it alive.
    private func scene(_ kind: Kind) throws -> (PruneScene, AnyObject?) {
        switch kind {
        case .zot, .zotNow:
            var options = ZotServer.Options()
            options.era = kind == .zot ? ZotServer.Era.allCases[0] : ZotServer.Era.allCases.last ?? options.era
            let server = try ZotServer(options)
            return (try PruneScene(at: { _ in try server.target() }), server)
        case .registry:
            let server = try RegistryServer()
            return (try PruneScene(at: { _ in try registryTarget(server.url + "/spectro-content") }), server)
        case .layout: return (try PruneScene(at: { $0.layout }), nil)
        case .zotFolder:
            let place = TemporaryFolder()
            let root = place.appending("zot")
            try root.createDirectories()
            return (
                try PruneScene(at: { _ in ZotRootTarget(try ZotRoot(parsing: "\(root):spectro-content")) }), place
            )
        }
    }

    @Test(arguments: Kind.allCases)
    func `of four releases two stay whole, and what only the others had goes`(_ kind: Kind) throws {
        let (made, server) = try scene(kind)
        defer { withExtendedLifetime(server) {} }
        let shown = try made.run.show(made.target, again: "again", progress: Progress())
        #expect(shown.next.last == "again")
        #expect(shown.text.contains("after its next start") == (kind == .zotFolder))
        #expect(try made.faults(1).filter { !$0.contains("pause") }.isEmpty)
        let report = try made.prune()
        #expect(report.failure == nil, "\(report.text)")
        #expect(try made.faults(4).isEmpty && made.faults(3).isEmpty)
        #expect(try made.tags("library/app").filter { !$0.hasPrefix("dray") } == ["3", "4"])
        #expect(
            try made.tags("library/tool").filter { !$0.hasPrefix("sha256") && !$0.hasPrefix("dray") } == ["3", "4"])
        for number in [1, 2] {
            #expect(try !made.has("app\(number)", in: "library/app") && !made.has("child\(number)", in: "library/app"))
            #expect(
                try !made.has("tool\(number)", in: "library/tool")
                    && !made.has("signature\(number)", in: "library/tool"))
        }
        // two releases x (own 5,000, two of 700 and 800, one of 3,000) and manifests
        #expect((2 * 9_500..<2 * 9_500 + 20_000).contains(try bytes(report)))
        #expect(try made.run.show(made.target, again: "again", progress: Progress()).next.isEmpty)
        #expect(try made.scene.state.receiptPaths().filter { $0.extension == "prune" }.count == 1)
    }

    private func bytes(_ report: Report) throws -> Int {
        guard case .object(let members) = report.json, case .int(let bytes)? = members["bytes"] else { return -1 }
        return Int(bytes)
    }

    @Test func `what registries collect afterwards is what was said, and shared layers stay`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        let before = try disk(server.folder)
        let report = try made.prune()
        #expect(report.text.contains("by the registry's own collection while it runs"))
        server.collect(olderThan: .zero)
        #expect(try made.faults(4).isEmpty && made.faults(3).isEmpty)
        let freed = before - (try disk(server.folder))
        #expect((9_500 * 2..<30_000).contains(freed), "\(freed)")
    }

    private func disk(_ folder: FilePath) throws -> Int {
        let text = try Support.run([
            "sh", "-c", "find '\(folder)' -path '*/blobs/*' -not -path '*/dray/*' -type f -printf '%i %s\\n' | sort -u",
        ]).output
        return text.split(separator: "\n").reduce(0) { $0 + (Int($1.split(separator: " ").last ?? "") ?? 0) }
    }

    @Test func `a layout's unreferenced blobs go at once, and what others put there stays`() throws {
        let made = try PruneScene(at: { $0.layout })
        let layout = made.scene.layout.path
        let foreign = layout.appending("blobs/sha256").appending(Digest(of: Array("mine".utf8)).hex)
        try foreign.replaceContents(with: Array("mine".utf8))
        let count = { try layout.appending("blobs/sha256").entries().count }
        let before = try count()
        let report = try made.prune()
        #expect(report.text.contains("freed:"))
        // each: own, two more, one more; two children, index, tool, signature; the signature's configuration; in the first two
        // releases the same pause: its layer, configuration and manifest
        #expect(try before - count() == 2 * 10 + 3, "\(report.text)")
        #expect(try foreign.exists())
        #expect(try made.faults(4).isEmpty && made.faults(3).isEmpty)
    }

    @Test func `what runs stays: by tag, by a platform's digest, by a tag that has moved since`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        let child = try #require(made.images["child2"]).digest
        let report = try made.prune(
            inUse: "10.0.0.1:30003/spectro-content/library/tool:1\nlibrary/app@\(child)\nk8s/pause:3")
        #expect(try made.has("tool1", in: "library/tool") && made.has("signature1", in: "library/tool"))
        #expect(try made.tags("library/tool").contains("1") && !made.tags("library/tool").contains("2"))
        #expect(try made.has("child2", in: "library/app") && made.has("app2", in: "library/app"))
        #expect(try made.tags("library/app").contains("2") && !made.tags("library/app").contains("1"))
        #expect(try made.has("pause1", in: "k8s/pause"))
        #expect(report.text.contains("in use:    3 images listed"), "\(report.text)")
        server.collect(olderThan: .zero)
        let whole = { (repository: String, image: String) in
            try made.target.session().manifest(Place(repository, try #require(made.images[image]).digest))
        }
        for (repository, image) in [("library/tool", "tool1"), ("library/app", "app2"), ("library/app", "child2")] {
            guard case .present(let bytes, let type) = try whole(repository, image) else {
                Issue.record("\(image) is gone")
                continue
            }
            for blob in try Manifest(parsing: Data(bytes), mediaType: type).blobs {
                #expect(server.hasBlob("spectro-content/\(repository)", blob.digest.description))
            }
        }
    }

    @Test func `what somebody else put there is named and stays, and so is a tag that was set since`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        let session = try made.target.session()
        guard case .present(let bytes, let type) = try session.manifest(Place("library/tool", "1")) else {
            Issue.record("no tool")
            return
        }
        let tool = try Manifest(parsing: Data(bytes), mediaType: type)
        let descriptor = try #require(made.images["tool1"])
        _ = try session.put(tool, descriptor, at: Place("library/tool", "mine"))
        let other = [UInt8(ascii: " ")] + bytes
        let changed = Descriptor(mediaType: type, digest: Digest(of: other), size: Int64(other.count))
        _ = try session.put(
            try Manifest(parsing: Data(other), mediaType: type), changed, at: Place("library/tool", "2"))
        let report = try made.prune()
        #expect(try made.tags("library/tool").filter { !$0.hasPrefix("dray") } == ["2", "3", "4", "mine"])
        #expect(try made.has("tool1", in: "library/tool") && !made.has("tool2", in: "library/tool"))
        #expect(report.text.contains("library/tool:mine"))
        #expect(report.text.contains("library/tool:2 points to \(changed.digest) now"))
    }

    @Test func `a repository that no receipt names is named and stays`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        let session = try made.target.session()
        let empty = #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[]}"#
        let descriptor = Descriptor(
            mediaType: MediaType.index, digest: Digest(of: Array(empty.utf8)), size: Int64(empty.utf8.count))
        _ = try session.put(
            try Manifest(parsing: Data(empty.utf8), mediaType: MediaType.index), descriptor, at: Place("their/own", "1")
        )
        let report = try made.prune()
        #expect(report.text.contains("1 repository (their/own) that no receipt names"))
        #expect(try made.tags("their/own") == ["1"])
    }

    @Test func `one that was stopped goes on, and its record tells of both runs`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        let total = try made.run.prune(made.target, Progress()).prune.steps.count
        let broken = try server.target { $0.retry.attempts = 1 }
        // after some are gone, the registry is away
        server.inject(.answer(503)) { asked in
            asked.method == "DELETE" && asked.target.contains("manifests/sha256:")
        }
        #expect(throws: (any Error).self) { try made.prune(at: broken) }
        let partly = try made.scene.state.releases(at: made.target.address)
        #expect(partly.releases.filter(\.isPartlyGone).count == 2 && partly.loaded.count == 2)
        let report = try made.prune()
        #expect(report.failure == nil)
        #expect(try made.faults(4).isEmpty && made.faults(3).isEmpty)
        #expect(try !made.has("app1", in: "library/app") && !made.has("tool2", in: "library/tool"))
        #expect(try made.scene.state.releases(at: made.target.address).releases.count == 2)
        #expect(total > 10)
    }

    @Test func `what a killed run took away stands in the next one's record`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        let prune = try made.run.prune(made.target, Progress()).prune
        try made.scene.state.note(prune.noted, of: made.target.address)
        let session = try made.target.session()
        for case .removeTag(let place, _) in prune.steps.prefix(2) { try session.remove(place) }
        #expect(try made.scene.state.releases(at: made.target.address).loaded.count == 2)
        let report = try made.prune()
        #expect(report.text.contains("2 steps by a run that was stopped"), "\(report.text)")
        #expect(try made.scene.state.notedPrune(of: made.target.address) == nil)
        let file = try #require(try made.scene.state.receiptPaths().first { $0.extension == "prune" })
        guard case .prune(let record) = try ReceiptFile(at: file).content else {
            Issue.record("no record")
            return
        }
        #expect(Set(record.names) == Set(prune.noted.steps.map(\.name)))
        #expect(record.gone.map(\.version).sorted() == ["1.0.0", "2.0.0"])
    }

    @Test func `a signed record keeps the chain, and history finds what went`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() }, releases: 3, isSigned: true)
        var run = made.run
        run.keep = 1
        #expect(refusal { _ = try run.apply(made.target, progress: Progress()) }?.text.contains("key") == true)
        run.signer = try made.signer()
        #expect(try run.apply(made.target, progress: Progress()).failure == nil)
        let state = made.scene.state
        let keys = (try state.receiptKeys(), try state.receiptKeyNames())
        let verified = try ReceiptVerification(nil, in: state, keys: keys.0, keys.1).report()
        #expect(verified.failure == nil, "\(verified.text)")
        var question = History.Question()
        question.digest = try #require(made.images["app1"]).digest
        let sources = [try History.Source(of: state), try History.Source(in: made.target, progress: Progress())]
        for source in sources {
            let found = History(question, source, keys: keys.0, keys.1).report()
            #expect(found.text.contains("removed library/app@\(question.digest?.description ?? "")"), "\(found.text)")
        }
    }

    @Test func `what was loaded before the site had a key stays, as nothing proves it`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() }, releases: 3)
        _ = try made.scene.state.makeSiteKey(name: "Site 7")
        let prune = try made.run.prune(made.target, Progress()).prune
        #expect(prune.steps.isEmpty && prune.retention.kept.allSatisfy { $0.reason == .unproven })
    }

    @Test func `where two must agree nothing goes, and a registry that deletes nothing is named`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() }, releases: 3)
        server.inject(.answer(405, body: #"{"errors":[{"code":"UNSUPPORTED","message":"no"}]}"#), times: 1000) {
            $0.method == "DELETE"
        }
        #expect(throws: PruneError.self) { try made.prune(keep: 1) }
        _ = try made.scene.state.tighten(machineFile: "/nonexistent") { $0.requireApproval = true }
        let refused = refusal { try made.prune(keep: 1) }
        #expect(refused?.code == .refused && refused?.text.contains("one person alone") == true)
    }

    @Test func `the command lists first, and applies with a list, or a person's word`() throws {
        let server = try RegistryServer()
        let made = try PruneScene(at: { _ in try registryTarget(server.url + "/spectro-content") }, releases: 3)
        let words = ["prune", "--to", server.url + "/spectro-content", "--state", made.scene.state.path.string]
        let tool = { (more: [String]) in
            try Support.run(
                [SourceTree.tool("dray-import").string] + words + more, environment: ["DOCKER_CONFIG": "/nonexistent"])
        }
        let shown = try tool(["--keep", "1"])
        #expect(shown.status == 0 && shown.output.contains("remove manifest  library/app@"), "\(shown.errorOutput)")
        #expect(shown.errorOutput.contains("no list of the images in use"))
        #expect(shown.output.contains("registry garbage-collect"))
        let refused = try tool(["--keep", "1", "--apply"])
        #expect(refused.status == 14 && refused.errorOutput.contains("--without-in-use"))
        #expect(try made.has("app1", in: "library/app"))
        let applied = try tool(["--keep", "1", "--apply", "--without-in-use", "--output", "json"])
        #expect(applied.status == 0, "\(applied.errorOutput)")
        #expect(applied.output.contains(#""applied":true"#))
        #expect(try !made.has("app1", in: "library/app") && made.faults(3).isEmpty)
        #expect(try tool(["--keep", "0"]).status == 64)
    }
}
