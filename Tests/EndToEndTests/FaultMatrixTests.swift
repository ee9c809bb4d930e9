// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing

/// Loads that are cut at random moments and done again, against one that nothing disturbed. `DRAY_FAULT_CUTS` is the
/// number of cuts for each registry, `DRAY_FAULT_SEED` repeats a run.
struct FaultMatrixTests {
    @Test(arguments: CutRegistry.allCases)
    func `cut anywhere, the same command ends with the same content and sends little again`(
        _ kind: CutRegistry
    ) throws {
        let seed = number("DRAY_FAULT_SEED") ?? UInt64.random(in: 0..<1 << 32)
        print("fault matrix of \(kind): DRAY_FAULT_SEED=\(seed)")
        var matrix = try FaultMatrix(kind, seed: seed)
        for count in 0..<Int(number("DRAY_FAULT_CUTS") ?? 6) { try matrix.disturb(Cut.allCases[count % 3]) }
        print(matrix.summary)
    }

    @Test func `a chunk of a few bytes is wrong use`() throws {
        let load = [
            SourceTree.tool("dray-import").string, "load", "x", "--to", "http://127.0.0.1:1", "--chunk-size", "1",
        ]
        let result = try run(load)
        #expect(result.status == 64)
        #expect(result.errorOutput.contains("--chunk-size takes 64KiB or more"))
    }

    private func number(_ variable: String) -> UInt64? {
        guard let value = unsafe getenv(variable) else { return nil }
        return UInt64(unsafe String(cString: value))
    }
}

/// The cuts of one registry and what came of them.
struct FaultMatrix {
    private let kind: CutRegistry
    private let site: CutSite
    private var random: SeededNumbers
    private let start = ContinuousClock.now
    /// What a load leaves that nothing disturbs.
    private let content: String
    private let calm: SentBlobs
    private let requests: Int

    private var counts: [Cut: Int] = [:]
    private var again: [Int] = []
    private var divergent = 0, runs = 0, lost = 0, leftSessions = 0

    init(_ kind: CutRegistry, seed: UInt64) throws {
        (self.kind, random, site) = (kind, SeededNumbers(seed: seed), try CutSite())
        let load = try CutLoad(kind, site)
        #expect(try load.carryOut(nil, jobs: 1) == 1, "\(load.errors)")
        (content, calm) = (try load.registry.content(), SentBlobs(load.proxy.exchanges))
        requests = load.proxy.exchanges.count
        #expect(calm.lost.isEmpty && calm.total > 5_000_000)
        let largest = load.proxy.exchanges.filter(\.isUpload).map(\.bodyBytes).max()
        #expect(largest == CutSite.chunk)
        #expect(!content.contains("dray-staging") && !content.contains("damaged"))
        #expect(try load.registry.sessions().isEmpty && load.keptUploads().isEmpty)
    }

    private mutating func point(_ cut: Cut) -> CutPoint {
        let jobs = Bool.random(using: &random) ? 1 : 3
        let number = Int.random(in: 0..<requests * 9 / 10, using: &random)
        let moments: [FaultProxy.Moment] = [.request(number), .answer(number), .answered(number)]
        let isInBody = Bool.random(using: &random)
        let body = FaultProxy.Moment.body(Int.random(in: 1...calm.total * 9 / 10, using: &random))
        let moment = isInBody ? body : moments[Int.random(in: 0..<3, using: &random)]
        let outage = Double.random(in: 0...0.3, using: &random)
        return CutPoint(
            cut: cut, moment: moment, jobs: jobs, outage: Int.random(in: 0..<4, using: &random) == 0 ? nil : outage)
    }

    /// One load with one cut.
    mutating func disturb(_ cut: Cut) throws {
        let point = point(cut)
        let load = try CutLoad(kind, site)
        let tries = try load.carryOut(point, jobs: point.jobs)
        #expect(tries != nil, "\(point): \(load.errors)")
        let underWay = try #require(load.proxy.uploadsCut, "\(point): this moment never came")
        let found = try load.registry.content()
        #expect(found == content, "\(point): \(difference(found))")
        #expect(try load.keptUploads().isEmpty, "\(point)")
        #expect(try sh("ls -A \(load.state.path)/staging 2>/dev/null || true").output.isEmpty, "\(point)")
        // Known to nobody, or cut at docker-registry, which then takes neither question nor DELETE: its own clean-up's.
        let left = try load.registry.sessions().count
        #expect(left <= connections(point), "\(point): \(left) sessions left")
        check(SentBlobs(load.proxy.exchanges), point, underWay: underWay)
        divergent += found == content ? 0 : 1
        (runs, leftSessions) = (runs + (tries ?? 8), leftSessions + left)
        counts[cut, default: 0] += 1
    }

    /// A session that lives is gone on with, at most one chunk back; of one that is lost the blob begins again.
    private mutating func check(_ sent: SentBlobs, _ point: CutPoint, underWay: Int) {
        let (sizes, chunk) = (calm.sizes, CutSite.chunk)
        for blob in sent.stored {
            #expect(blob.bytes - (sizes[blob.digest] ?? 0) <= chunk, "\(point): \(blob)")
        }
        let connections = connections(point)
        #expect(sent.lost.count <= connections, "\(point): lost \(sent.lost)")
        // docker-registry's session is gone too where its newest location could not be kept in time.
        if kind == .zot, connections == 1 {
            #expect(sent.lost.count <= underWay, "\(point): lost \(sent.lost), \(underWay) under way")
        }
        let excess = sent.total - calm.total
        let unit = max(chunk, sent.lost.max() ?? 0)
        #expect(excess <= unit * connections + sent.learning, "\(point): \(excess) bytes again")
        again.append(max(excess, 0))
        lost += sent.lost.count
    }

    /// How many requests the cut can have broken.
    private func connections(_ point: CutPoint) -> Int { point.cut == .connectionReset ? 1 : point.jobs }

    private func difference(_ found: String) -> String {
        let (there, wanted) = (Set(found.split(separator: "\n")), Set(content.split(separator: "\n")))
        return "too much: \(there.subtracting(wanted).sorted()), missing: \(wanted.subtracting(there).sorted())"
    }

    var summary: String {
        let cuts = Cut.allCases.map { "\(counts[$0] ?? 0) \($0.rawValue)" }.joined(separator: ", ")
        let mean = again.reduce(0, +) / max(again.count, 1)
        let seconds = Int((ContinuousClock.now - start) / .seconds(1))
        return """
            fault matrix of \(kind): \(again.count) cuts (\(cuts)), \(runs) runs, divergent \(divergent); of \(calm.total) bytes \
            sent again: most \(again.max() ?? 0), mean \(mean), chunk \(CutSite.chunk), sessions lost \(lost), left at the \
            registry \(leftSessions); \(seconds) s
            """
    }
}
