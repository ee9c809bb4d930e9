// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Glibc
import Support
import SystemPackage
import Testing
import Trust

/// What came of a run.
struct DifferentialRun {
    var (bothAccept, bothRefuse) = (0, 0)
    /// Sets that python-tuf alone accepts, by our reason.
    var theyAlone: [String: Int] = [:]
    /// Sets that we alone accept, or that both accept with another content.
    var wrong: [String] = []

    mutating func note(_ ours: String, _ theirs: String, _ index: Int) {
        switch (ours.hasPrefix("ok "), theirs.hasPrefix("ok ")) {
        case (true, true) where ours == theirs: bothAccept += 1
        case (true, _): wrong.append("set \(index): \(ours) | \(theirs)")
        case (false, true): theyAlone[ours, default: 0] += 1
        case (false, false): bothRefuse += 1
        }
    }

    var report: String {
        let reasons = theyAlone.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "  \($0.value) \($0.key)" }
        let total = theyAlone.values.reduce(0, +)
        return
            ([
                "both accept \(bothAccept)", "both refuse \(bothRefuse)", "we alone accept \(wrong.count)",
                "python-tuf alone accepts \(total):",
            ] + reasons).joined(separator: "\n")
    }
}

/// Mutated sets, judged by the strict reader and by python-tuf. Which mutation a set has depends on the seed and its
/// number alone; keys and signatures are fresh each time, because ECDSA signatures are random.
///
///     DRAY_DIFFERENTIAL=100000 DRAY_DIFFERENTIAL_SEED=1 swift test --disable-xctest --filter DifferentialTests
@Suite(.enabled(if: PythonTUF.isExpected, "python-tuf is missing: scripts/setup --test")) struct DifferentialTests {
    private static func number(_ variable: String, _ otherwise: Int) -> Int {
        guard let text = unsafe getenv(variable) else { return otherwise }
        return unsafe Int(String(cString: text)) ?? otherwise
    }

    private static let count = number("DRAY_DIFFERENTIAL", 2000)
    private static let seed = number("DRAY_DIFFERENTIAL_SEED", 1)

    @Test func `accepts nothing that python-tuf refuses`() throws {
        let worlds = [
            try World(kinds: [.p256], threshold: 1), try World(kinds: [.p256, .p256, .p256], threshold: 2),
            try World(kinds: [.p256, .p384], threshold: 2),
        ]
        let judge = try DifferentialJudge()
        var run = DifferentialRun()
        var chains: [[[UInt8]]: TrustedRoot] = [:]
        for index in 0..<Self.count {
            var choice = SeededChoice(seed: UInt64(Self.seed) << 32 | UInt64(index))
            var mutated = try MutatedSet(worlds, &choice)
            repeat { try mutated.mutate(worlds, &choice) } while choice.once(in: 4)
            try judge.ask(mutated.set)
            if Self.count > 2000, index % 5000 == 0 { print("\(index) sets\n\(run.report)") }
            run.note(mutated.set.verdict(&chains), try judge.answer(), index)
        }
        #expect(run.wrong == [])
        // A run whose sets are all refused, or all accepted, would say nothing.
        #expect(run.bothAccept > Self.count / 20 && run.bothRefuse > Self.count / 4)
        let theirs = run.theyAlone.values.reduce(0, +)
        #expect(run.bothAccept + run.bothRefuse + theirs + run.wrong.count == Self.count)
        guard unsafe getenv("DRAY_DIFFERENTIAL") != nil else { return }
        print("differential run, \(Self.count) sets, seed \(Self.seed)\n\(run.report)")
    }

    @Test func `reports a set that we alone accept, and one that both read differently`() {
        var run = DifferentialRun()
        run.note("ok 1 1 1 1 2", "UnsignedMetadataError 1/2 keys", 7)
        run.note("ok 1 1 1 1 2", "ok 1 1 2 1 2", 8)
        run.note("grammar", "ok 1 1 1 1 2", 9)
        run.note("ok 1 1 1 1 2", "ok 1 1 1 1 2", 10)
        run.note("threshold", "UnsignedMetadataError 1/2 keys", 11)
        #expect(
            run.wrong == ["set 7: ok 1 1 1 1 2 | UnsignedMetadataError 1/2 keys", "set 8: ok 1 1 1 1 2 | ok 1 1 2 1 2"])
        #expect(run.theyAlone == ["grammar": 1] && run.bothAccept == 1 && run.bothRefuse == 1)
    }
}
