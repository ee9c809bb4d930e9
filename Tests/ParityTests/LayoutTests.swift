// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Parity

@Suite struct LayoutTests {
    static let sets: [[Int]] = [
        [1], [5], [1300, 1, 50], [3, 3, 3], [40, 40, 40, 12], Array(repeating: 4096, count: 10) + [7, 1],
        Array(repeating: 3, count: 230), [100_000, 0, 1], [0, 9, 0, 9, 9, 9], Array(1...40),
    ]
    static let amounts: [ParityAmount] = [
        .lanes(1), .lanes(2), .lanes(3), .lanes(32), .percent(1), .percent(10), .percent(30), .percent(100),
    ]

    @Test(arguments: sets)
    func `each block of each volume is in one stripe, and is found there`(counts: [Int]) throws {
        for amount in LayoutTests.amounts {
            let shape = try #require(ParityShape(amount, blockCounts: counts))
            let layout = try #require(ParityLayout(shape, blockCounts: counts), "\(amount)")
            var seen = counts.map { [Bool](repeating: false, count: $0) }
            for group in layout.groups {
                #expect(group.lanes.count + shape.parity <= ErasureCode.laneLimit)
                #expect(
                    group.stripes <= ParityLayout.bandLimit && group.stripes == group.lanes.map(\.blocks.count).max())
                for (number, lane) in group.lanes.enumerated() {
                    for (stripe, block) in lane.blocks.enumerated() {
                        #expect(!seen[lane.volume][block])
                        seen[lane.volume][block] = true
                        let place = layout.place(of: block, volume: lane.volume)
                        if place != StripePlace(group: group.number, lane: number, stripe: stripe) {
                            Issue.record("block \(block) of \(lane.volume) is said to be at \(place)")
                            return
                        }
                    }
                }
            }
            #expect(seen.allSatisfy { $0.allSatisfy(\.self) })
        }
    }

    @Test func `whole volumes are lanes where the amount allows it`() throws {
        let ten = [Int](repeating: 100, count: 10)
        for (counts, amount, areWhole, parity) in [
            (ten, ParityAmount.lanes(2), true, 2), (ten, .lanes(5), true, 5), (ten, .lanes(6), false, 6),
            (ten, .percent(10), true, 1), (ten, .percent(25), true, 2), (ten, .percent(9), false, 9),
            ([1300, 1, 50], .lanes(2), false, 2), ([1300, 1, 50], .percent(10), false, 10), ([7], .lanes(1), false, 1),
        ] {
            let shape = try #require(ParityShape(amount, blockCounts: counts))
            let layout = try #require(ParityLayout(shape, blockCounts: counts))
            #expect(layout.lanesAreVolumes == areWhole && shape.parity == parity, "\(counts) \(amount)")
        }
    }

    @Test func `the bytes are about what was asked for`() throws {
        for (counts, amount, percent) in [
            ([1300, 1, 50], ParityAmount.percent(10), 10.0), ([1300, 1, 50], .lanes(2), 10),
            ([Int](repeating: 4096, count: 25), .percent(10), 8), ([Int](repeating: 4096, count: 25), .lanes(2), 8),
            ([100_000, 500], .percent(5), 5), ([100_000, 500], .percent(100), 100),
        ] {
            let shape = try #require(ParityShape(amount, blockCounts: counts))
            let layout = try #require(ParityLayout(shape, blockCounts: counts))
            let share = Double(layout.fileBytes) / Double(counts.reduce(0, +) << 20) * 100
            #expect(abs(share - percent) < max(0.7, percent / 20), "\(counts) \(amount): \(share) %")
        }
    }

    @Test func `no file is too long for FAT32`() throws {
        for counts in LayoutTests.sets {
            let shape = try #require(ParityShape(.lanes(1), blockCounts: counts))
            let layout = try #require(ParityLayout(shape, blockCounts: counts))
            #expect(layout.groups.allSatisfy { ParityHeader.fileLength(of: $0) < (4 << 30) - 1 })
        }
    }

    @Test func `shapes that fit no such volumes are refused`() {
        let counts = [40, 40, 40]
        for shape in [
            ParityShape(runLength: 0, laneSets: 1, parity: 1), ParityShape(runLength: -1, laneSets: 1, parity: 1),
            ParityShape(runLength: 41, laneSets: 1, parity: 1), ParityShape(runLength: .max, laneSets: 1, parity: 1),
            ParityShape(runLength: 40, laneSets: 0, parity: 1), ParityShape(runLength: 40, laneSets: 4, parity: 1),
            ParityShape(runLength: 40, laneSets: 1, parity: 0), ParityShape(runLength: 40, laneSets: 1, parity: 33),
            ParityShape(runLength: 40, laneSets: .max, parity: 1),
            ParityShape(runLength: 40, laneSets: 1, parity: .max),
        ] {
            #expect(ParityLayout(shape, blockCounts: counts) == nil, "\(shape)")
        }
        // 300 runs of one block in one set are more than the code has lanes
        #expect(ParityLayout(ParityShape(runLength: 1, laneSets: 1, parity: 1), blockCounts: [300]) == nil)
        #expect(ParityLayout(ParityShape(runLength: 1, laneSets: 1, parity: 1), blockCounts: []) == nil)
        #expect(ParityShape(.lanes(1), blockCounts: [0, 0]) == nil)
    }

    @Test func `amounts are read as people write them`() {
        for (text, amount) in [
            ("1", ParityAmount.lanes(1)), ("32", .lanes(32)), ("10%", .percent(10)), ("100%", .percent(100)),
        ] {
            #expect(ParityAmount(parsing: text) == amount)
            #expect(amount.description == text)
        }
        for text in ["", "0", "33", "0%", "101%", "%", "2.5", "-1", "+1", "1 %", "10%%", "٣", "9999999999999999999999"]
        {
            #expect(ParityAmount(parsing: text) == nil, "\(text)")
        }
    }
}
