// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Glibc
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// Three volumes on three media of which one is at hand at a time, in each order.
struct MediaTurnTests {
    /// A release of four images over three volumes, some blobs of which lie on two, made once.
    private static let made = Result {
        var layout = MadeLayout()
        var shared = [try layout.noise(1_100_000)]
        for number in 0..<4 {
            shared.append(try layout.noise(1_700_000))
            _ = layout.image("library/i\(number):1", Array(shared.suffix(2)), config: #"{"n":\#(number)}"#)
        }
        return try layout.packed()
    }

    private let site: Site
    private let media: [FilePath]
    private var spool: FilePath { get throws { site.state.spoolFolder(of: try site.verified().releaseDigest) } }

    init() throws {
        site = try Site(Self.made.get())
        let volumes = try site.verified().index.volumes.map(\.name)
        try #require(volumes.count == 3)
        media = try volumes.map { [site] own in
            try site.medium("only-\(own)", without: volumes.filter { $0 != own }.map { "volumes/\($0)" })
        }
    }

    /// Bytes of blocks in the spool, which are all that its file has, unless some were dropped.
    private func spooled(dropped: Bool = false) throws -> UInt64 {
        let bundle = try site.verified()
        let file = try spool.appending("blocks")
        let counted = try Spool(spool, of: bundle).blocks.bytes(bundle.index)
        let size = try file.exists() ? file.contents(limit: 1 << 30).count : 0
        #expect(dropped ? size >= Int(counted) : size == Int(counted))
        return counted
    }

    /// Loads medium after medium, and holds each run against what its plan said; returns the last.
    private func load(
        _ order: [Int], into target: any LoadTarget, dropped: Bool = false, between: () throws -> Void = {}
    ) throws -> Receipt {
        for number in order.dropLast() {
            let before = try spooled(dropped: dropped)
            let plan = try site.planOfTurn(target, media: [media[number]])
            #expect(plan.failure == .incomplete, "\(plan.warnings)")
            let result = try site.turn(target, media: [media[number]])
            let said = try JSONCursor(plan.json)["media"]["spool"]["now"].int()
            #expect(try spooled(dropped: dropped) - before == UInt64(said), "\(plan.text)")
            let wanted = try #require(result.wanted)
            #expect(wanted.damage.isEmpty && wanted.failure == .incomplete)
            #expect(result.receipt.outcome == "incomplete" && result.receipt.exitCode == 3)
            #expect(result.receipt.counts.tags.isEmpty)
            try between()
        }
        return try site.turn(target, media: [media[order[order.count - 1]]]).receipt
    }

    private func check(_ receipt: Receipt) throws {
        #expect(receipt.outcome == "done" && receipt.counts.tags.count == 4)
        #expect(receipt.counts.readBack == .init(manifests: 4, tags: 4, blobs: 12, isComplete: true))
        #expect(try !spool.exists())
    }

    @Test(arguments: [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    func `Debian's registry gets all of it, whatever the order`(_ order: [Int]) throws {
        let server = try RegistryServer()
        let target = try registryTarget(server.url + "/spectro-content")
        try check(
            load(order, into: target) {
                let tags = try server.stored("/_manifests/tags/")
                #expect(tags.isEmpty)
            })
        for reference in try site.verified().release.references {
            let name = "docker://127.0.0.1:\(server.port)/spectro-content/\(reference.name)"
            #expect(try skopeoDigest(name) == reference.descriptor.digest.description)
        }
    }

    @Test(arguments: [[0, 1, 2], [1, 0, 2], [2, 1, 0]])
    func `Zot keeps what came, for days and through its collections`(_ order: [Int]) throws {
        let server = try ZotServer()
        let receipt = try load(order, into: server.target()) {
            #expect(server.allTags.allSatisfy { $0.isStaging })
            server.collect(olderThan: .zero)
        }
        try check(receipt)
        #expect(receipt.counts.readBack.repaired == 0 && server.allTags.count == 4)
        #expect(try site.state.stagingTags(of: receipt.target).isEmpty)
    }

    @Test func `a layout folder too, and a stopped Zot's storage only as a whole`() throws {
        try check(load([1, 2, 0], into: LayoutTarget(site.folder.appending("layout"))))
        let folder = site.folder.appending("zot")
        try folder.createDirectories()
        let root = try ZotRootTarget(ZotRoot(parsing: "\(folder):a"))
        let missing = try site.verified().index.volumes.dropFirst().map(\.name)
        #expect(try site.failure(of: root, media: [media[0]]).cause as? LoadError == .missingVolumes(missing))
        #expect(try site.planOfTurn(root, media: [media[0]]).failure == .incomplete)
    }

    @Test
    func `the plan says what is kept, in the best order and at most, and what beginning with the first volume saves`()
        throws
    {
        let server = try RegistryServer()
        defer { withExtendedLifetime(server) {} }
        let target = try registryTarget(server.url + "/a")
        let first = try site.planOfTurn(target, media: [media[0]])
        let spool = try JSONCursor(first.json)["media"]["spool"]
        #expect(try JSONCursor(first.json)["missingVolumes"].elements().count == 2)
        let last = try site.planOfTurn(target, media: [media[2]])
        #expect(last.failure == .incomplete && last.text.contains("begin with the medium that has"))
        #expect(try JSONCursor(last.json)["manifestsKnown"].bool() == false)
        let other = try JSONCursor(last.json)["media"]["spool"]
        #expect(try spool["inOrder"].int() <= spool["atMost"].int())
        #expect(try JSONCursor(last.json)["spoolFromTheBeginning"].int() <= other["inOrder"].int())
        #expect(try JSONCursor(last.json)["spoolFromTheBeginning"].int() < other["atMost"].int())
        #expect(try !self.spool.exists(), "a plan changes nothing")
    }

    @Test func `a plan that is approved is carried out in parts`() throws {
        let server = try RegistryServer()
        defer { withExtendedLifetime(server) {} }
        let target = try registryTarget(server.url + "/a")
        let file = site.folder.appending("plan.json")
        var planning = PlanRun(state: site.state, tool: "test")
        (planning.now, planning.out) = ({ PackedSample.now }, file)
        let given = GivenArguments(media: ["MEDIA"], target: ["--to", "TARGET"])
        let report = try planning.run(site.unverified([media[0]]), to: target, given: given, progress: Progress())
        #expect(try report.failure == .incomplete && file.exists(), "\(report.warnings)")
        for (number, code) in [(0, 3), (2, 3), (1, 0)] {
            var run = LoadRun(state: site.state, tool: "test")
            (run.now, run.plan) = ({ PackedSample.now }, file)
            let result = try run.run(site.unverified([media[number]]), to: target, given: given, progress: Progress())
            #expect(result.receipt.exitCode == Int64(code))
        }
    }

    @Test func `a damaged block is named, and a good copy on the next medium replaces it`() throws {
        let server = try ZotServer()
        let volume = try media[1].appending("volumes/\(site.verified().index.volumes[1].name)")
        let good = try volume.contents(limit: 1 << 30)
        try volume.replaceContents(with: good.enumerated().map { $0 == 2_500_000 ? $1 ^ 1 : $1 })
        _ = try site.turn(server.target(), media: [media[0]])
        let bad = try site.turn(server.target(), media: [media[1]])
        #expect(bad.wanted?.failure == .damaged && bad.receipt.exitCode == 13)
        #expect(try #require(bad.wanted).damage.contains { $0.contains("block 2") })
        let third = try site.turn(server.target(), media: [media[2]])
        #expect(third.wanted?.volumes.map(\.name) == [try site.verified().index.volumes[1].name])
        try volume.replaceContents(with: good)
        try check(site.turn(server.target(), media: [media[1]]).receipt)
    }

    @Test(arguments: [true, false])
    func `a spool that somebody changed is not believed, and its volume is wanted again`(_ all: Bool) throws {
        let server = try RegistryServer()
        defer { withExtendedLifetime(server) {} }
        let target = try registryTarget(server.url + "/a")
        // The second volume first: without the manifests all of it is kept.
        _ = try site.turn(target, media: [media[1]])
        let file = try spool.appending("blocks")
        let bytes = try file.contents(limit: 1 << 30)
        // All of it, or the block at its end alone.
        try file.replaceContents(with: bytes.enumerated().map { all || $0 >= bytes.count - 2000 ? $1 ^ 0x55 : $1 })
        let second = try #require(try site.turn(target, media: [media[0]]).wanted)
        #expect(!second.knowsNothing)
        // What goes on to the third volume isn't read before that is there.
        let third = try #require(try site.turn(target, media: [media[2]]).wanted)
        let name = try site.verified().index.volumes[1].name
        #expect(third.volumes.map(\.name) == [name] && (!all || second.volumes.map(\.name).contains(name)))
        #expect(try site.turn(target, media: [media[1]]).receipt.counts.readBack.isComplete)
    }

    @Test func `a journal that was cut or filled with noise counts as far as it is whole`() throws {
        let server = try RegistryServer()
        defer { withExtendedLifetime(server) {} }
        let target = try registryTarget(server.url + "/a")
        _ = try site.turn(target, media: [media[1]])
        let (journal, bundle) = (try spool.appending("journal"), try site.verified())
        let bytes = try journal.contents(limit: 1 << 20)
        let count = try Spool(spool, of: bundle).blocks.count
        #expect(bytes.count == 24 * count && count > 1)
        for (kept, more) in [(bytes.count - 24, []), (bytes.count - 1, []), (24, [UInt8](repeating: 7, count: 500))] {
            try journal.replaceContents(with: bytes.prefix(kept) + more)
            #expect(try Spool(spool, of: bundle).blocks.count == kept / 24)
        }
        #expect(try load([0, 2, 1], into: target, dropped: true).counts.readBack.isComplete)
    }

    @Test func `two registries are loaded in turn, and the spool goes with the last of them`() throws {
        let servers = [try RegistryServer(), try RegistryServer()]
        var run = LoadRun(state: site.state, tool: "test")
        run.now = { PackedSample.now }
        for (number, code) in [(0, 3), (2, 3), (1, 0)] {
            let parts = try servers.map {
                SeveralLoads.Part(
                    try registryTarget($0.url + "/a"), given: GivenArguments(media: ["M"], target: ["--to", "T"]))
            }
            let endings = try SeveralLoads(run).run(site.unverified([media[number]]), parts, progress: Progress())
            for ending in endings { #expect(try ending.result.get().receipt.exitCode == Int64(code)) }
        }
        #expect(try !spool.exists())
    }

    @Test func `where the spool has no room nothing is sent or written`() throws {
        let (server, small) = (try ZotServer(), site.folder.appending("small"))
        let mounted = try run([
            "bash", "-c", "mkdir -p \(small) && mount -t tmpfs -o size=1500k tmpfs \(small)",
        ])
        guard mounted.status == 0 else { try Test.cancel("this machine lets nobody mount a tmpfs") }
        defer { _ = try? Support.run(["umount", "-l", small.string]) }
        let copied = try run(["cp", "-r", "\(site.state.path)/.", small.string])
        #expect(copied.status == 0)
        var load = LoadRun(state: SiteState(small), tool: "test")
        load.now = { PackedSample.now }
        let given = GivenArguments(media: ["MEDIA"], target: ["--to", "TARGET"])
        let error = #expect(throws: LoadFailure.self) {
            // without the first volume all of it would have to be kept
            try load.run(site.unverified([media[1]]), to: server.target(), given: given, progress: Progress())
        }
        #expect(error?.failure == .noSpace && (error?.missingBytes ?? 0) > 0)
        #expect(server.puts.isEmpty)
    }

    @Test func `the best order is the best of all orders, and the worst the worst`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<30 {
            let needs = (0..<8).map { _ in
                var blocks = BlockSet()
                for volume in 0..<5 where Bool.random(using: &random) {
                    let start = Int.random(in: 0..<6, using: &random)
                    blocks.insert(start..<start + Int.random(in: 1..<4, using: &random), of: volume)
                }
                return blocks
            }.filter { !$0.isEmpty }
            let order = MediaOrder(needs, kept: BlockSet()) { UInt64($0.count) }
            let costs = permutations(order.volumes.sorted()).map { cost(of: $0, needs) }
            #expect(order.bytes == costs.min() && order.worst == costs.max())
            #expect(cost(of: order.volumes, needs) == order.bytes && order.isBest)
        }
    }

    /// Blocks that are spooled when volumes come in this order, found by walking through it.
    private func cost(of order: [Int], _ needs: [BlockSet]) -> UInt64 {
        var (come, kept) = (Set<Int>(), BlockSet())
        for volume in order {
            come.insert(volume)
            for need in needs where !Set(need.volumes.keys).isSubset(of: come) { kept.formUnion(need.only(volume)) }
        }
        return UInt64(kept.count)
    }

    private func permutations(_ list: [Int]) -> [[Int]] {
        guard !list.isEmpty else { return [[]] }
        return list.flatMap { first in permutations(list.filter { $0 != first }).map { [first] + $0 } }
    }
}

/// The same as a user runs it, with `kill -9` between and within the runs.
struct MediaTurnToolTests {
    @Test func `a load that is killed at any moment goes on with the same command`() throws {
        var layout = MadeLayout()
        for number in 0..<3 {
            _ = layout.image("library/k\(number):1", [try layout.noise(2_600_000)], config: #"{"k":\#(number)}"#)
        }
        let site = try Site(layout.packed())
        let volumes = try site.verified().index.volumes.map(\.name)
        try #require(volumes.count == 3)
        let server = try ZotServer()
        let media = try [volumes.prefix(2), volumes.suffix(1)].map { own in
            try site.medium("m-\(own.count)", without: volumes.filter { !own.contains($0) }.map { "volumes/\($0)" })
        }
        let command = { (number: Int, more: [String]) in
            [
                SourceTree.tool("dray-import").string, "load", media[number].string, "--to",
                "\(server.url)/spectro-content",
            ]
                + ["--state", site.state.path.string, "--quiet"] + more
        }
        // The first medium takes some seconds at this rate; it is killed at three moments on the way.
        for moment in [0.15, 0.6, 1.2] {
            let child = try ChildProcess(
                command(0, ["--limit-rate", "1M"]), output: site.folder.appending("out"),
                errorOutput: site.folder.appending("err"))
            usleep(useconds_t(moment * 1_000_000))
            child.kill()
            #expect(server.allTags.allSatisfy { $0.isStaging })
        }
        let first = try run(command(0, []))
        #expect(first.status == 3 && first.output.contains(volumes[2]), "\(first.output)\(first.errorOutput)")
        let child = try ChildProcess(
            command(1, ["--limit-rate", "1M"]), output: site.folder.appending("out"),
            errorOutput: site.folder.appending("err"))
        usleep(700_000)
        child.kill()
        let last = try run(command(1, []))
        #expect(last.status == 0, "\(last.output)\(last.errorOutput)")
        #expect(server.allTags.count == 3 && !last.output.contains("wanted next"))
        #expect(try site.state.spoolFolder.entries().isEmpty)
    }
}
