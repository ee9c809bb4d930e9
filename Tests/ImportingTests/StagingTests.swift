// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

@testable import Importing

/// What keeps content in a registry that collects, and that nothing of it stays.
struct StagingTests {
    private let site: Site

    init() throws { site = try Site() }

    @Test func `each image has a staging tag before any final one, a pack has none, and all go at the end`() throws {
        let server = try ZotServer()
        let receipt = try site.load(server.target())
        let references = try site.verified().release.references
        let puts = server.puts
        let staged = references.filter { $0.kind != "pack" }.map {
            Place($0.repository, Staging.tag(of: $0.descriptor.digest))
        }
        #expect(Set(puts.filter(\.isStaging)) == Set(staged))
        let firstTag = try #require(puts.firstIndex { !$0.isStaging && !$0.isDigest })
        #expect(puts[firstTag...].allSatisfy { !$0.isStaging && !$0.isDigest })
        #expect(server.allTags.allSatisfy { !$0.isStaging })
        #expect(server.allTags.count == references.count)
        #expect(receipt.counts.stagingLeft.isEmpty)
        #expect(try site.state.stagingTags(of: receipt.target).isEmpty)
    }

    @Test func `a pack's manifest comes with its tag, after the images' tags`() throws {
        let server = try ZotServer()
        _ = try site.load(server.target())
        let pack = try #require(try site.verified().release.references.first { $0.kind == "pack" })
        let puts = server.puts
        #expect(puts.filter { $0.repository == pack.repository } == [Place(pack.repository, pack.tag ?? "")])
        let place = try #require(puts.firstIndex { $0.repository == pack.repository })
        for reference in try site.verified().release.references where reference.kind == "image" {
            let tag = reference.tag ?? "digest-\(reference.descriptor.digest.hex)"
            #expect(try #require(puts.firstIndex(of: Place(reference.repository, tag))) < place)
        }
    }

    @Test func `a killed load leaves staging tags alone, and the next one removes them`() throws {
        let server = try ZotServer()
        let target = try server.target { $0.retry.attempts = 1 }
        let dying = MeddlingTarget(target) { count in if count == 18 { server.stop() } }
        #expect(try site.failure(of: dying, jobs: 1).failure == .failed)
        try server.restart()
        let left = server.allTags
        #expect(left.count >= 2 && left.allSatisfy(\.isStaging))
        #expect(try Set(site.state.stagingTags(of: target.address)).isSuperset(of: left))
        let receipt = try site.load(target)
        #expect(receipt.counts.readBack.isComplete && receipt.counts.stagingLeft.isEmpty)
        #expect(server.allTags.allSatisfy { !$0.isStaging })
        #expect(try site.state.stagingTags(of: target.address).isEmpty)
    }

    @Test func `staging tags that may not be deleted are named in the receipt, and go with a later load`() throws {
        var options = ZotServer.Options()
        options.auth = .basic(user: "loader", password: "s3cret")
        options.permissions = [.init("", [.read, .create, .update])]
        let login = Credentials(username: "loader", password: "s3cret")
        let (server, folder) = (try ZotServer(options), TemporaryFolder())
        let first = try site.load(server.target(login: login))
        #expect(first.outcome == "done" && first.exitCode == 0)
        let staging = server.allTags.filter(\.isStaging)
        #expect(staging.count == 7 && first.counts.stagingLeft == staging.map(\.description).sorted())

        server.stop()
        options.permissions = []
        #expect(try run(["cp", "-a", "\(server.folder)/.", folder.path.string]).status == 0)
        let freed = try ZotServer(options, folder: folder.path, port: server.port)
        let second = try site.load(freed.target(login: login))
        #expect(second.nothingToDo && second.counts.stagingLeft.isEmpty)
        #expect(freed.allTags.allSatisfy { !$0.isStaging })
    }

    // MARK: Blobs that wait

    struct Finish: Sendable {
        let time: Double
        var remaining: Int64 = 1000
        var isLast = false
        /// How many blobs a staging manifest must list now; `nil`: none need be held.
        let held: Int?
    }

    @Test(arguments: [
        // The rest needs 10 s of 100: half of the delay is not reached.
        [Finish(time: 0, held: nil), Finish(time: 30, held: nil)],
        // 41 + 10 s are more than half.
        [Finish(time: 0, held: nil), Finish(time: 41, held: 2), Finish(time: 42, held: nil)],
        // The whole takes too long, but holding waits for an eighth of the delay, and for another one after.
        [
            Finish(time: 0, remaining: 9000, held: nil), Finish(time: 13, remaining: 8000, held: 2),
            Finish(time: 14, remaining: 7000, held: nil), Finish(time: 27, remaining: 6000, held: 4),
        ],
        // Nothing else may finish before the image's last blob: it can't wait for the eighth.
        [Finish(time: 0, remaining: 9000, isLast: true, held: 1)],
        // The manifest follows at once.
        [Finish(time: 0, held: nil), Finish(time: 90, remaining: 0, isLast: true, held: nil)],
    ]) func `finished blobs are held where they would wait for more than half of the delay`(_ steps: [Finish]) {
        var rule = HoldRule(delay: 100)
        for (number, step) in steps.enumerated() {
            let held = rule.finished(
                Contents.blob("\(number)"), in: "a", remaining: step.remaining, isLast: step.isLast, rate: 100,
                now: step.time)
            #expect(held?.count == step.held, "\(number)")
        }
    }

    @Test func `repositories wait each for itself, and a manifest ends the wait`() {
        var rule = HoldRule(delay: 100)
        let finish = { (rule: inout HoldRule, repository: String, now: Double) in
            rule.finished(
                Contents.blob(repository), in: repository, remaining: 1000, isLast: false, rate: 100, now: now)
        }
        #expect(finish(&rule, "a", 0) == nil)
        #expect(finish(&rule, "b", 45) == nil)
        rule.named(in: "a")
        #expect(finish(&rule, "a", 50) == nil)
        #expect(finish(&rule, "b", 90)?.count == 2)
        #expect(finish(&rule, "c", 0) == nil)
        #expect(rule.finished(Contents.blob("c"), in: "c", remaining: 1, isLast: false, rate: 0, now: 60)?.count == 2)
    }

    /// The second case shows that the first can fail.
    @Test(arguments: [(0.8, true), (3600, false)])
    func `blobs that finish long before their manifest survive a collection only if they are held`(
        _ delay: Double, _ isHeld: Bool
    ) throws {
        var layout = MadeLayout()
        let image = layout.image("library/slow:1", try (0..<7).map { _ in try layout.noise(40_000) })
        let site = try Site(layout.packed())
        let server = try ZotServer()
        var target = try server.target { $0.limitRate = 200_000 }
        target.gcDelay = delay
        // What waits now is a tenth of a second old at most; what was finished first, much more than half a second.
        let collecting = MeddlingTarget(target) { count in
            if count == 7 { server.collect(olderThan: .milliseconds(500)) }
        }
        let receipt = try site.load(collecting, jobs: 1)
        let refused = server.asked.count {
            $0.kind == .manifest && $0.method == "PUT" && $0.status == 400 && $0.bodyCount > 0
        }
        #expect(refused == (isHeld ? 0 : 1))
        #expect(server.puts.contains { $0.reference.hasPrefix("dray-staging-blobs-") } == isHeld)
        #expect(receipt.counts.pushed.blobs >= 8 && (receipt.counts.pushed.blobs > 8) == !isHeld)
        #expect(server.allTags == [Place("library/slow", "1")])
        #expect(Digest(of: try #require(server.manifest("spectro-content/library/slow", "1"))) == image.digest)
    }

    @Test func `what was collected before its manifest is found out, and sent again once`() throws {
        var layout = MadeLayout()
        _ = layout.image("library/small:1", [try layout.noise(1000), try layout.noise(2000)])
        let site = try Site(layout.packed())
        let server = try ZotServer()
        server.inject(.collectBefore) { $0.kind == .manifest && $0.method == "PUT" && $0.target.contains("staging") }
        let receipt = try site.load(server.target(), jobs: 1)
        #expect(receipt.counts.readBack.isComplete && receipt.counts.readBack.repaired == 0)
        let staged = server.asked.filter { $0.method == "PUT" && $0.target.contains("dray-staging-") }
        #expect(staged.map(\.status) == [400, 201])
        #expect(receipt.counts.pushed.blobs == 6)
    }

    @Test func `what is collected again and again ends the load`() throws {
        var layout = MadeLayout()
        _ = layout.image("library/small:1", [try layout.noise(1000)])
        let site = try Site(layout.packed())
        let server = try ZotServer()
        server.inject(.collectBefore, times: 100) {
            $0.kind == .manifest && $0.method == "PUT" && $0.target.contains("staging")
        }
        #expect(try site.failure(of: server.target()).failure == .failed)
        #expect(server.allTags.isEmpty)
        #expect(server.asked.count { $0.method == "PUT" && $0.target.contains("dray-staging-") } == 2)
    }
}
