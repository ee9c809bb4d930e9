// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

/// Deltas into docker-registry and a stand-in of Zot.
struct DeltaLoadTests {
    private let site: DeltaSite
    private var scene: DeltaScene { site.scene }

    init() throws { site = try DeltaSite() }

    private func zot(_ options: ZotServer.Options = .init()) throws -> (server: ZotServer, target: RegistryTarget) {
        let server = try ZotServer(options)
        return (server, try registryTarget(server.url + "/spectro-content"))
    }

    private func isRead(_ blob: Digest, at server: ZotServer) -> Bool {
        server.asked.contains { asked in
            asked.method == "GET" && asked.kind == .blob && asked.target.contains(blob.hex)
                && asked.headers["range"] != "bytes=0-0"
        }
    }

    @Test func `a delta sends what the site lacks, and leaves the site as a full load does`() throws {
        let (registry, other) = (try RegistryServer(), try RegistryServer())
        let target = try registryTarget(registry.url + "/spectro-content")
        try site.load(scene.base, into: target)
        let plan = try site.plan(scene.delta, for: target)
        #expect(plan.failure == nil, "\(plan.warnings)")
        let receipt = try site.load(scene.delta, into: target, isDeep: true)
        // the new layer and one configuration; the large layer stays, the other one is mounted
        #expect(receipt.counts.pushed.bytes < 250_000)
        #expect(receipt.counts.mounted.blobs >= 1 && receipt.counts.readBack.isComplete)
        #expect(receipt.facts.base?.releases.map(\.name.version) == ["1.0.0"])
        #expect(receipt.findings.filter { $0.contains("no receipt here") }.isEmpty)
        let second = try DeltaSite()  // the delta replaced the full bundle of that version
        try second.load(scene.full, into: registryTarget(other.url + "/spectro-content"))
        for reference in try second.verified(scene.full).release.references {
            let name = "/spectro-content/\(reference.name)"
            let digest = try skopeoDigest("docker://127.0.0.1:\(registry.port)\(name)")
            #expect(try digest == skopeoDigest("docker://127.0.0.1:\(other.port)\(name)"))
        }
        var check = Check(receipt, at: target, jobs: 2)
        check.isDeep = true
        #expect(try check.run(Progress()).faults.isEmpty)
    }

    @Test func `what the target has is neither read nor sent`() throws {
        let (server, target) = try zot()
        try site.load(scene.base, into: target)
        let report = try site.plan(scene.delta, for: target)
        #expect(report.failure == nil && report.text.contains("left as it is or mounted"))
        let before = server.asked.count
        let receipt = try site.load(scene.delta, into: target)
        #expect(!isRead(scene.large, at: server) && !isRead(scene.other, at: server))
        let bodies = server.asked[before...].filter { $0.kind == .uploads || $0.kind == .session }.map(\.bodyCount)
        #expect(bodies.reduce(0, +) < 250_000)
        #expect(receipt.counts.readBack.isComplete)
    }

    @Test func `plan refuses early and names all that is nowhere`() throws {
        let (server, target) = try zot()
        let report = try site.plan(scene.delta, for: target)
        #expect(report.failure == .incomplete)
        let warning = try #require(report.warnings.first { $0.contains("nowhere at hand") })
        for part in [scene.large.hex, scene.other.hex, "library/app:2", "palette-enterprise 1.0.0", "--base"] {
            #expect(warning.contains(part), "\(warning)")
        }
        guard case .array(let missing)? = report.json.member("delta")?.member("missing") else {
            Issue.record("no list in \(report.json)")
            return
        }
        #expect(missing.count >= 2)
        let failure = #expect(throws: LoadFailure.self) { try site.load(scene.delta, into: target) }
        #expect(failure?.failure == .incomplete)
        #expect(server.contentRepositories.isEmpty)
        #expect(!server.asked.contains { ["PUT", "POST", "PATCH"].contains($0.method) && $0.bodyCount > 0 })
    }

    @Test func `a base bundle completes a delta at a site that has nothing`() throws {
        let (server, target) = try zot()
        defer { withExtendedLifetime(server) {} }
        let receipt = try site.load(scene.delta, into: target, bases: [scene.base], isDeep: true)
        #expect(receipt.counts.readBack.isComplete)
        #expect(receipt.findings.contains { $0.contains("the delta took") })
    }

    @Test func `a mount that is refused costs a read by ranges`() throws {
        var options = ZotServer.Options()
        options.dedupe = false
        let (server, target) = try zot(options)
        try site.load(scene.base, into: target)
        let receipt = try site.load(scene.delta, into: target)
        #expect(receipt.counts.readBack.isComplete && isRead(scene.other, at: server))
        #expect(!isRead(scene.large, at: server))
    }

    @Test func `a layout folder completes its own delta`() throws {
        let target = LayoutTarget(site.folder.appending("mirror"))
        try site.load(scene.base, into: target)
        let receipt = try site.load(scene.delta, into: LayoutTarget(site.folder.appending("mirror")))
        #expect(receipt.counts.pushed.bytes < 250_000)
        #expect(throws: LoadFailure.self) {
            try site.load(scene.delta, into: LayoutTarget(site.folder.appending("empty")))
        }
    }

    @Test func `another base than the one named is only a word, where all bytes are found`() throws {
        let (server, target) = try zot()
        defer { withExtendedLifetime(server) {} }
        try site.load(scene.base, into: target)
        try site.state.receiptsFolder.removeTree()
        let report = try site.plan(scene.delta, for: target)
        #expect(report.failure == nil)
        #expect(report.warnings.contains { $0.contains("no receipt here is of palette-enterprise 1.0.0") })
    }

    @Test func `a load of a delta that was killed goes on`() throws {
        let registry = try RegistryServer()
        let target = try registryTarget(registry.url + "/spectro-content")
        try site.load(scene.base, into: target)
        let killed = MeddlingTarget(target) { count in if count == 1 { registry.kill() } }
        #expect(throws: LoadFailure.self) { try site.load(scene.delta, into: killed) }
        try registry.restart()
        #expect(try site.load(scene.delta, into: target, isDeep: true).counts.readBack.isComplete)
    }

    // MARK: Hostile and broken sources

    @Test func `a blob that has gone since the plan is missed before a tag is set`() throws {
        let (server, target) = try zot()
        try site.load(scene.base, into: target)
        let gone = MeddlingTarget(target) { [scene] count in
            if count == 0 { server.removeBlob("spectro-content/library/app", scene.large.description) }
        }
        server.removeBlob("spectro-content/library/app", scene.large.description)
        #expect(try site.plan(scene.delta, for: target).failure == .incomplete)
        try site.load(scene.base, into: target)
        let failure = #expect(throws: LoadFailure.self) { try site.load(scene.delta, into: gone) }
        if let failure { #expect([.incomplete, .damaged].contains(failure.failure), "\(failure)") }
        #expect(!server.tags(of: "spectro-content/library/app").contains("2"))
    }

    @Test func `other bytes from a registry are refused, and another place is taken`() throws {
        var options = ZotServer.Options()
        options.dedupe = false
        let (server, target) = try zot(options)
        try site.load(scene.base, into: target)
        try damage(scene.other, in: "library/other", at: server)
        let failure = #expect(throws: LoadFailure.self) { try site.load(scene.delta, into: target) }
        #expect(failure?.failure == .damaged && failure.map { "\($0)".contains("not its bytes") } == true)
        #expect(!server.tags(of: "spectro-content/library/moved").contains("1"))
        let receipt = try site.load(scene.delta, into: target, bases: [scene.base])
        #expect(receipt.counts.readBack.isComplete)
    }

    private func damage(_ blob: Digest, in repository: String, at server: ZotServer) throws {
        let path = server.folder.appending("spectro-content/\(repository)/blobs/sha256/\(blob.hex)")
        let file = try OpenFile.writing(path)
        let byte = try file.bytes(at: 1000, length: 1)
        try file.write([byte[0] ^ 1], at: 1000)
    }

    @Test(arguments: [
        "bytes 1-300000/300001", "bytes 0-99999/300000", "bytes 0-299999/299999", "0-299999/300000", "bytes 0-1/*",
    ])
    func `an answer about another range than asked for is refused`(_ range: String) throws {
        var options = ZotServer.Options()
        options.dedupe = false
        let (server, target) = try zot(options)
        try site.load(scene.base, into: target)
        server.inject(.answer(206, headers: ["Content-Range": range], body: "short"), times: 100) { [scene] asked in
            asked.method == "GET" && asked.target.contains(scene.other.hex) && asked.headers["range"] != "bytes=0-0"
        }
        let failure = #expect(throws: LoadFailure.self) { try site.load(scene.delta, into: target) }
        #expect(failure?.failure == .failed || failure?.failure == .damaged, "\(String(describing: failure))")
        #expect(!server.tags(of: "spectro-content/library/moved").contains("1"))
    }

    @Test func `a registry that sends whole blobs only is read through a file that stays nowhere`() throws {
        let (server, target) = try zot()
        try site.load(scene.base, into: target)
        let bundle = try site.verified(scene.delta)
        server.inject(.ignoreRange, times: 1000) { $0.method == "GET" && $0.kind == .blob }
        let sources = try #require(try site.sources(bundle, target: target))
        let bytes = try bundle.reader(externals: sources.source()).bytes(of: scene.large, limit: 1 << 30)
        #expect(Digest(of: bytes) == scene.large)
        #expect(server.asked.count { $0.method == "GET" && $0.target.contains(scene.large.hex) } <= 3)
        #expect(try site.state.path.appending("spool").entries().isEmpty)
    }

    @Test func `a delta is no base of itself`() throws {
        let (server, target) = try zot()
        defer { withExtendedLifetime(server) {} }
        let failure = #expect(throws: LoadFailure.self) {
            try site.load(scene.delta, into: target, bases: [scene.delta])
        }
        #expect(failure?.failure == .incomplete)
    }

    @Test func `a base of another product is refused`() throws {
        var publisher = try MadePublisher(product: "vertex-enterprise")
        let other = try publisher.release("1.0.0")
        _ = try site.state.add(root: publisher.pinned)
        let (server, target) = try zot()
        defer { withExtendedLifetime(server) {} }
        let error = #expect(throws: (any Error).self) {
            try site.load(scene.delta, into: target, bases: [other])
        }
        let cause = (error as? LoadFailure)?.cause ?? error
        #expect((cause as? any ClassifiedError)?.failure == .refused)
    }

    @Test func `a base that nothing here trusts is refused`() throws {
        var publisher = try MadePublisher()
        let other = try publisher.release("1.0.0")
        let (server, target) = try zot()
        defer { withExtendedLifetime(server) {} }
        let error = #expect(throws: (any Error).self) {
            try site.load(scene.delta, into: target, bases: [other])
        }
        #expect((error as? any ClassifiedError)?.failure == .notTrusted)
    }

    // MARK: Ranges

    @Test func `small pieces of a blob are asked for together`() throws {
        let (server, target) = try zot()
        try site.load(scene.base, into: target)
        let before = server.count(.blob, "GET")
        let window = BlobWindow(
            scene.large, in: "library/app", target.session(), spoolFolder: site.folder.appending("spool"))
        let whole = DeltaScene.noise(6_000_000, 31)
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        for offset in stride(from: 0, to: 6_000_000, by: 64 << 10) {
            var done = 0
            let wanted = min(piece.count, 6_000_000 - offset)
            while done < wanted {
                let count = try unsafe piece.withUnsafeMutableBytes { memory in
                    try unsafe window.read(
                        at: UInt64(offset + done), into: UnsafeMutableRawBufferPointer(rebasing: memory[done..<wanted]))
                }
                #expect(count > 0)
                done += max(count, 1)
            }
            #expect(piece[..<wanted] == whole[offset..<offset + wanted])
        }
        #expect(server.count(.blob, "GET") - before <= 5)
    }
}

extension JSONValue {
    fileprivate func member(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }
}
