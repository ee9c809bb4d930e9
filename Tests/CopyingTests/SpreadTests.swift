// SPDX-License-Identifier: Apache-2.0

import Files
import SystemPackage
import Testing

@testable import Copying

struct SpreadTests {
    private func bin(_ room: UInt64, largest: UInt64 = .max) -> SpreadPlan.Bin {
        SpreadPlan.Bin(room: room, unit: 1, largestFile: largest)
    }
    private func items(_ lengths: [UInt64]) -> [SpreadPlan.Item] { lengths.map { SpreadPlan.Item(length: $0) } }

    @Test func `volumes stay in order and each medium gets its share`() {
        let plan = SpreadPlan(items([10, 10, 10, 10, 10, 10]), [bin(100), bin(100), bin(100)], balanced: true)
        #expect(plan.bins == [0, 0, 1, 1, 2, 2])
        #expect(SpreadPlan(items([10, 10, 10]), [bin(100), bin(50)], balanced: true).bins == [0, 0, 1])
    }

    @Test func `discs are filled one after another`() {
        let plan = SpreadPlan(items([10, 10, 10, 10]), [bin(35), bin(35)], balanced: false)
        #expect(plan.bins == [0, 0, 0, 1])
    }

    @Test func `where order doesn't fit, another way is found`() {
        // in order 6+5 leaves no room for 4+4+3 in the second; sizes with the unit that each file costs
        let plan = SpreadPlan(items([6, 5, 4, 4, 3]), [bin(14), bin(13)], balanced: true)
        #expect(plan.isWhole)
    }

    @Test func `a set that only one way fits is found`() {
        // the largest first puts 50 with 30: only 50+20+10 and 40+30+10 fit
        let lengths: [UInt64] = [50, 40, 30, 20, 10, 10]
        let plan = SpreadPlan(items(lengths), [bin(83), bin(83)], balanced: false)
        #expect(plan.isWhole)
    }

    @Test func `what is there stays there, and its bytes are not asked for again`() {
        var all = items([30, 30, 30])
        all[0].fixed = 1
        all[0].taken = .max
        let plan = SpreadPlan(all, [bin(62), bin(0)], balanced: true)
        #expect(plan.bins == [1, 0, 0])
    }

    @Test func `the first volume goes to the first medium`() {
        var all = items([1, 60, 60])
        all[0].isFirst = true
        #expect(SpreadPlan(all, [bin(62), bin(300)], balanced: true).bins[0] == 0)
    }

    @Test func `parity goes where the fewest volumes are`() {
        var all = items([10, 10, 10, 10])
        all[3].isParity = true
        let plan = SpreadPlan(all, [bin(100), bin(100), bin(100)], balanced: true)
        #expect(Set(plan.bins).count == 3 && plan.isWhole)
    }

    @Test func `no file larger than the file system takes`() {
        let plan = SpreadPlan(items([30, 10]), [bin(100, largest: 20), bin(100)], balanced: true)
        #expect(plan.bins == [1, 1] || plan.bins == [1, 0])
        #expect(!SpreadPlan(items([30]), [bin(100, largest: 20)], balanced: true).isWhole)
    }

    @Test func `how many media are needed`() {
        #expect(SpreadPlan.mediaNeeded(items([10, 10, 10, 10]), each: bin(22)) == 2)
        #expect(SpreadPlan.mediaNeeded(items([10, 10, 10, 10]), each: bin(21)) == 4)
        #expect(SpreadPlan.mediaNeeded(items([10]), each: bin(9)) == nil)
    }

    @Test func `nothing is ever placed beyond a medium's room`() {
        var random: UInt64 = 7
        func next(_ limit: UInt64) -> UInt64 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (random >> 33) % limit + 1
        }
        for _ in 0..<200 {
            let all = items((0..<Int(next(12))).map { _ in next(50) })
            let bins = (0..<Int(next(4))).map { _ in bin(next(150)) }
            let plan = SpreadPlan(all, bins, balanced: next(2) == 1)
            for (number, bin) in bins.enumerated() {
                let used = all.indices.filter { plan.bins[$0] == number }.reduce(UInt64(0)) {
                    $0 + bin.cost(all[$1].length)
                }
                #expect(used <= bin.room)
            }
        }
    }
}

struct FileSystemTests {
    @Test func `FAT takes no name with these`() {
        for name in [
            "a:b", "a*", "a?", "a\"", "a<", "a>", "a|", "a\\b", "a\u{1}", "a.", "a ",
            String(repeating: "x", count: 256),
        ] {
            #expect(FileNameRule.windows.objection(to: name) != nil, "\(name)")
        }
        for name in ["palette-enterprise-1.0.0.001.tar.zst", ".x.partial", String(repeating: "x", count: 255)] {
            #expect(FileNameRule.windows.objection(to: name) == nil, "\(name)")
        }
        #expect(FileNameRule.unix.objection(to: "a:b") == nil)
        #expect(FileNameRule.unix.objection(to: String(repeating: "é", count: 128)) != nil)
    }

    @Test func `this machine's own are known`() throws {
        #expect(try FilePath("/proc").isMountPoint())
        #expect(try !FilePath("/proc/self/fd").isMountPoint())
        #expect(try FilePath("/tmp").fileSystem().free > 0)
    }
}
