// SPDX-License-Identifier: Apache-2.0

import Files
import Testing

@testable import Parity

@Suite struct ErasureCodeTests {
    /// The coefficients of 10 and 3 lanes: files that were made with them must be read for ever.
    static let golden: [[UInt8]] = [
        [0xDD, 0x98, 0xAD, 0x9D, 0x5D, 0x96, 0x3D, 0xAA, 0x8E, 0xF4],
        [0x98, 0xDD, 0x9D, 0xAD, 0x96, 0x5D, 0xAA, 0x3D, 0xF4, 0x8E],
        [0x3D, 0xAA, 0x5D, 0x96, 0xAD, 0x9D, 0xDD, 0x98, 0x47, 0xA7],
    ]

    @Test func `no coefficient ever changes`() {
        let code = ErasureCode(data: 10, parity: 3)
        let rows = (0..<3).map { row in (0..<10).map { code.coefficient(parity: row, data: $0) } }
        #expect(rows == ErasureCodeTests.golden)
    }

    @Test(arguments: [(1, 1), (3, 2), (20, 2), (100, 10), (223, 32), (254, 1)])
    func `each coefficient is the inverse of row xor column`(data: Int, parity: Int) {
        let code = ErasureCode(data: data, parity: parity)
        for row in 0..<parity {
            for column in 0..<data {
                let product = Field.multiply(
                    code.coefficient(parity: row, data: column), UInt8(data + row) ^ UInt8(column))
                #expect(product == 1, "row \(row), column \(column)")
            }
        }
    }

    @Test func `parity bytes are the sums that the format says`() {
        let code = ErasureCode(data: 5, parity: 2)
        let lanes = Lanes(code, seed: 7)
        for row in 0..<2 {
            for byte in 0..<Lanes.length {
                let sum = (0..<5).reduce(UInt8(0)) { sum, lane in
                    sum ^ Field.multiply(code.coefficient(parity: row, data: lane), lanes.data[lane].bytes[byte])
                }
                #expect(lanes.parity[row].bytes[byte] == sum)
            }
        }
    }

    @Test func `10 000 random losses within the limit come back bit for bit`() throws {
        var random = Random(seed: 11)
        let shapes = [(1, 1), (4, 2), (10, 2), (10, 3), (20, 4), (57, 5), (100, 10), (223, 32)]
        let sets = shapes.map { Lanes(ErasureCode(data: $0.0, parity: $0.1), seed: UInt64($0.0)) }
        var done = 0
        while done < 10_000 {
            let set = sets[done % 8 < 6 ? done % 6 : done % 97 == 0 ? 7 : 6]
            let count = Int.random(in: 1...set.code.parityCount, using: &random)
            let lost = Array((0..<set.code.dataCount).shuffled(using: &random).prefix(count)).sorted()
            let rows = Array((0..<set.code.parityCount).shuffled(using: &random).prefix(lost.count)).sorted()
            #expect(try set.rebuilt(lost, from: rows) == lost.map { set.data[$0].bytes }, "\(lost) from \(rows)")
            done += 1
        }
    }

    @Test func `every choice of lost lanes and parity lanes of 10 and 3 can be told apart`() throws {
        let set = Lanes(ErasureCode(data: 10, parity: 3), seed: 3)
        var count = 0
        for mask in 1..<1 << 13 where mask.nonzeroBitCount <= 3 {
            let lost = (0..<10).filter { mask >> $0 & 1 == 1 }
            let rows = (0..<3).filter { mask >> (10 + $0) & 1 == 0 }
            guard !lost.isEmpty else { continue }
            #expect(try set.rebuilt(lost, from: Array(rows.prefix(lost.count))) == lost.map { set.data[$0].bytes })
            count += 1
        }
        // all sets of 1 to 3 of 13 lanes, without the 7 that are parity alone
        #expect(count == 13 + 78 + 286 - 7)
    }
}

/// Short lanes with their parity.
private struct Lanes {
    static let length = 128
    let code: ErasureCode
    let data: [Buffer]
    let parity: [Buffer]

    init(_ code: ErasureCode, seed: UInt64) {
        var random = Random(seed: seed)
        self.code = code
        data = (0..<code.dataCount).map { _ in Buffer(random.bytes(Lanes.length)) }
        parity = (0..<code.parityCount).map { _ in Buffer([UInt8](repeating: 0, count: Lanes.length)) }
        let product = code.encoding(Array(0..<code.parityCount))
        for (number, lane) in data.enumerated() { product.add(number, lane, 0..<Lanes.length, to: parity, at: 0) }
    }

    func rebuilt(_ lost: [Int], from rows: [Int]) throws -> [[UInt8]] {
        let remainders = rows.map { Buffer(parity[$0].bytes) }
        let product = code.encoding(rows)
        for (number, lane) in data.enumerated() where !lost.contains(number) {
            product.add(number, lane, 0..<Lanes.length, to: remainders, at: 0)
        }
        let solution = try #require(code.solution(lost: lost, parity: rows))
        let targets = lost.map { _ in Buffer([UInt8](repeating: 0, count: Lanes.length)) }
        for number in lost.indices { solution.add(number, remainders[number], 0..<Lanes.length, to: targets, at: 0) }
        return targets.map(\.bytes)
    }
}

extension Buffer {
    fileprivate convenience init(_ bytes: [UInt8]) {
        self.init(capacity: bytes.count)
        append(bytes)
    }

    fileprivate var bytes: [UInt8] { withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } } }
}
