// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import OCI
import RegistryClient
import Support
import Synchronization
import SystemPackage
import Testing

@testable import Importing

/// One release into several targets at once.
struct SeveralTargetsTests {
    private let site: Site

    init() throws { site = try Site() }

    private func load(_ targets: [any LoadTarget], jobs: Int = 4) throws -> [SeveralLoads.Ending] {
        var run = LoadRun(state: site.state, tool: "test")
        (run.jobs, run.now) = (jobs, { PackedSample.now })
        let parts = targets.map {
            SeveralLoads.Part($0, given: GivenArguments(media: ["M"], target: ["--to", $0.address]))
        }
        return try SeveralLoads(run).run(try site.unverified(), parts, progress: Progress())
    }

    @Test(arguments: [1, 4]) func `each gets all of it, with a receipt of its own`(jobs: Int) throws {
        let (docker, zot) = (try RegistryServer(), try ZotServer())
        let folder = site.folder.appending("zot")
        try folder.createDirectories()
        let targets: [any LoadTarget] = [
            try registryTarget(docker.url + "/a"), try registryTarget(zot.url + "/b"),
            ZotRootTarget(try ZotRoot(parsing: "\(folder)")),
        ]
        let endings = try load(targets, jobs: jobs)
        let receipts = try endings.map { try $0.result.get().receipt }
        #expect(receipts.map(\.target) == targets.map(\.address))
        #expect(receipts.allSatisfy { $0.outcome == "done" && $0.counts.readBack.isComplete })
        #expect(receipts.allSatisfy { $0.counts.readBack.repaired == 0 && $0.counts.stagingLeft.isEmpty })
        #expect(try site.receipts.filter { $0.hasSuffix(".json") }.count == 3)
        for (target, receipt) in zip(targets, receipts) {
            #expect(try Check(receipt, at: target, jobs: 4).run(Progress()).faults.isEmpty)
        }
        #expect(try load(targets).allSatisfy { try $0.result.get().receipt.nothingToDo })
    }

    @Test func `one that fails stops no other, and the gravest code is that of all`() throws {
        var options = RegistryServer.Options()
        options.login = ("admin", "geheim")
        let (good, denied) = (try ZotServer(), try RegistryServer(options))
        let gone = "http://127.0.0.1:1"
        let endings = try load([
            try registryTarget(gone), try registryTarget(denied.url), try registryTarget(good.url + "/b"),
        ])
        #expect(try endings[2].result.get().receipt.outcome == "done")
        let codes = endings.map { ending -> Failure? in
            guard case .failure(let error) = ending.result else { return nil }
            return (error as? LoadFailure)?.failure
        }
        #expect(codes == [.failed, .registryRefused, nil])
        let report = SeveralReports(
            endings.map { SeveralReports.Part($0.address, $0.result.map { $0.receipt.report(file: nil) }) }
        ).report
        #expect(report.failure == .registryRefused)
        for ending in endings { #expect(report.text.contains("== \(ending.address)")) }
        #expect(report.text.contains("== \(gone) (exit code 1)"))
        #expect(report.warnings.contains { $0.hasPrefix(gone) })
    }

    @Test func `a target that breaks in the middle leaves the others whole`() throws {
        let (good, bad) = (try ZotServer(), try ZotServer())
        let breaking = MeddlingTarget(try registryTarget(bad.url)) { count in if count == 3 { bad.stop() } }
        let endings = try load([breaking, try registryTarget(good.url)])
        #expect(throws: LoadFailure.self) { try endings[0].result.get() }
        #expect(try endings[1].result.get().receipt.counts.readBack.isComplete)
        // the same again goes on
        try bad.restart()
        #expect(
            try load([try registryTarget(bad.url), try registryTarget(good.url)]).map { try $0.result.get() }.count == 2
        )
    }

    @Test(arguments: [1, 4]) func `targets that all break in the middle say so, each for itself`(jobs: Int) throws {
        let servers = [try ZotServer(), try ZotServer()]
        let breaking = try servers.map { server in
            MeddlingTarget(try registryTarget(server.url)) { count in if count == 1 { server.stop() } }
        }
        for ending in try load(breaking, jobs: jobs) {
            let failure = #expect(throws: LoadFailure.self) { try ending.result.get() }
            #expect(failure?.failure == .failed)
        }
        for server in servers { try server.restart() }
        let again = try load(servers.map { try registryTarget($0.url) }, jobs: jobs)
        let receipts = try again.map { try $0.result.get().receipt }
        #expect(receipts.count == 2 && receipts.allSatisfy(\.counts.readBack.isComplete))
    }

    @Test func `media are read once`() throws {
        let (tool, state) = (SourceTree.tool("dray-import").string, site.folder.appending("tool"))
        let trusted = try run([
            tool, "trust", "add", site.packed.bundle.string, "--fingerprint", site.packed.fingerprint.hex, "--state",
            state.string,
        ])
        #expect(trusted.status == 0, "\(trusted.errorOutput)")
        // One job: each has a reader of its own, and which of them read the same frame is chance.
        // What a shell's ended children have read counts as its own; sockets are not in it (proc(5), "io").
        func bytesRead(_ targets: [String]) throws -> (bytes: Int, output: String) {
            let words =
                [tool, "load", site.packed.bundle.string, "--state", state.string, "--jobs", "1"]
                + targets.flatMap { ["--to", $0] }
            let script = "\(words.shellLine) >&2; code=$?; grep rchar /proc/$$/io; exit $code"
            let result = try run(["bash", "-c", script], environment: ["DOCKER_CONFIG": "/nonexistent"])
            #expect(result.status == 0, "\(result.errorOutput)")
            return (try #require(Int(result.output.split(separator: " ").last?.dropLast() ?? "")), result.errorOutput)
        }
        let servers = try (0..<3).map { _ in try ZotServer() }
        let one = try bytesRead([servers[0].url])
        let two = try bytesRead([servers[1].url, servers[2].url])
        let size = try site.packed.bundle.appending("volumes").totalSize()
        #expect(one.bytes > 5_000_000)
        // What is read twice is metadata and manifests, which each target's plan needs.
        #expect(two.bytes < one.bytes * 11 / 10, "\(one.bytes) for one, \(two.bytes) for two, of \(size)")
        #expect(two.output.contains("== \(servers[1].url)"))
    }

    @Test func `logins are not for several`() throws {
        let result = try run([
            SourceTree.tool("dray-import").string, "load", site.packed.bundle.string, "--to", "oci:a", "--to", "oci:b",
            "--username", "x", "--password-file", "/dev/null",
        ])
        #expect(result.status == 64)
        #expect(result.errorOutput.contains("target add"))
    }
}

/// One object that is read for several uploads.
struct SharedReadingTests {
    private let site: Site
    private let bundle: VerifiedBundle
    private let digest: Digest

    init() throws {
        site = try Site()
        bundle = try site.verified()
        let content = try RegistryContent(bundle)
        digest = try #require(content.items.flatMap(\.blobs).max { $0.size < $1.size }).digest
    }

    private func reading(
        _ members: Int, patience: Double = 10, window: Int = 8, opened: @escaping @Sendable () -> Void = {}
    )
        -> SharedReading
    {
        SharedReading(members: members, patience: patience, window: window) { [bundle, digest] in
            opened()
            return try bundle.reader().stream(digest)
        }
    }

    /// What a member gets until the end, or until it is told to go on alone (`nil`).
    private func all(_ reading: SharedReading, _ member: Int, piece: Int = 100_000) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: piece)
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe reading.read(member, into: $0) }
            guard let count else { return nil }
            guard count > 0 else { return bytes }
            bytes += buffer.prefix(count)
        }
    }

    @Test func `everybody gets the bytes, and they are read once`() throws {
        let opened = Atomic<Int>(0)
        let shared = reading(3) { opened.wrappingAdd(1, ordering: .relaxed) }
        let found = Mutex<[Digest]>([])
        try onThreads(3) { member in
            #expect(shared.join(member))
            let bytes = try all(shared, member, piece: 10_000 * (member + 1)) ?? []
            shared.leave(member)
            found.withLock { $0.append(Digest(of: bytes)) }
        }
        #expect(found.withLock { $0 } == [digest, digest, digest])
        #expect(opened.load(ordering: .relaxed) == 1)
    }

    @Test func `who needs nothing holds nobody up`() throws {
        let shared = reading(2)
        shared.leave(1)
        #expect(shared.join(0))
        #expect(try all(shared, 0).map { Digest(of: $0) } == digest)
        #expect(!shared.join(1))
    }

    @Test func `who doesn't come, or stops reading, goes on alone`() throws {
        let shared = reading(3, patience: 0.1, window: 2)
        #expect(shared.join(0) && shared.join(1))
        var few = [UInt8](repeating: 0, count: 10)
        // The first piece comes only when the third has been given up; the second takes ten bytes and stops.
        let first = try unsafe few.withUnsafeMutableBytes { try unsafe shared.read(1, into: $0) }
        #expect(first == 10)
        #expect(!shared.join(2))
        #expect(try all(shared, 0).map { Digest(of: $0) } == digest)
        #expect(try all(shared, 1) == nil)
    }

    @Test func `another attempt reads for itself`() throws {
        let shared = reading(2)
        #expect(shared.join(0))
        #expect(!shared.join(0))
        #expect(shared.join(1))
        #expect(try all(shared, 1).map { Digest(of: $0) } == digest)
    }
}
