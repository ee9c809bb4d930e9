// SPDX-License-Identifier: Apache-2.0

internal import CISAL
internal import Files

/// A systematic Reed-Solomon code over GF(2^8), polynomial 0x11D: the identity above a Cauchy matrix, of which every square
/// part can be inverted, so that any `parityCount` of the lanes may be lost (ISA-L, `gf_gen_cauchy1_matrix`).
package struct ErasureCode: Sendable {
    /// The most lanes, data and parity together.
    package static let laneLimit = 255

    package let dataCount: Int
    package let parityCount: Int
    /// Row by row, `dataCount` coefficients each, the parity lanes' rows alone.
    private let rows: [UInt8]

    /// At least one lane of each kind, and at most `laneLimit` of both.
    package init(data: Int, parity: Int) {
        precondition(data >= 1 && parity >= 1 && data + parity <= ErasureCode.laneLimit)
        var matrix = [UInt8](repeating: 0, count: (data + parity) * data)
        unsafe gf_gen_cauchy1_matrix(&matrix, Int32(data + parity), Int32(data))
        rows = Array(matrix[(data * data)...])
        (dataCount, parityCount) = (data, parity)
    }

    /// What a byte of data lane `data` is multiplied by before it is added to parity lane `parity`.
    package func coefficient(parity: Int, data: Int) -> UInt8 { rows[parity * dataCount + data] }

    /// The product that makes these parity lanes out of all data lanes.
    package func encoding(_ lanes: [Int]) -> ErasureProduct {
        ErasureProduct(
            lanes.flatMap { rows[$0 * dataCount..<($0 + 1) * dataCount] }, sources: dataCount, targets: lanes.count)
    }

    /// The product that makes the lost data lanes out of the remainders: each is one of the parity lanes `parity`, as many
    /// as are lost, after what all other data lanes give to it was added. `nil` for lanes that can't be told apart.
    package func solution(lost: [Int], parity: [Int]) -> ErasureProduct? {
        precondition(lost.count == parity.count && !lost.isEmpty)
        var matrix = parity.flatMap { row in lost.map { coefficient(parity: row, data: $0) } }
        var inverse = [UInt8](repeating: 0, count: matrix.count)
        guard unsafe gf_invert_matrix(&matrix, &inverse, Int32(lost.count)) == 0 else { return nil }
        return ErasureProduct(inverse, sources: lost.count, targets: lost.count)
    }
}

/// A matrix over GF(2^8) that is multiplied with lanes of bytes, one source at a time: memory is that of the targets.
package struct ErasureProduct: Sendable {
    /// Bytes that are done for all targets at a time: they stay in the processor's cache.
    private static let pieceSize = 32 << 10
    /// Lengths are multiples of it, as some kernels demand.
    static let grain = 64

    let sources: Int
    let targets: Int
    private let tables: [UInt8]

    init(_ matrix: [UInt8], sources: Int, targets: Int) {
        (self.sources, self.targets) = (sources, targets)
        var (matrix, tables) = (matrix, [UInt8](repeating: 0, count: 32 * sources * targets))
        unsafe ec_init_tables(Int32(sources), Int32(targets), &matrix, &tables)
        self.tables = tables
    }

    /// Adds source `number`, the bytes `range` of `source`, to each target from its byte `start` on. The range is a multiple
    /// of `grain`.
    func add(_ number: Int, _ source: Buffer, _ range: Range<Int>, to targets: [Buffer], at start: Int) {
        precondition(range.count % ErasureProduct.grain == 0 && range.lowerBound >= 0 && number < sources)
        precondition(range.upperBound <= source.capacity && targets.count == self.targets && start >= 0)
        precondition(targets.allSatisfy { start + range.count <= $0.capacity })
        let places = unsafe targets.map { target in
            unsafe target.withMemory { unsafe $0.baseAddress?.assumingMemoryBound(to: UInt8.self) }
        }
        unsafe source.withMemory { memory in
            guard let bytes = unsafe memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
            for offset in stride(from: 0, to: range.count, by: ErasureProduct.pieceSize) {
                let length = min(ErasureProduct.pieceSize, range.count - offset)
                var pieces = unsafe places.map { unsafe $0.map { unsafe $0 + start + offset } }
                unsafe tables.withUnsafeBufferPointer { tables in
                    unsafe ec_encode_data_update(
                        Int32(length), Int32(sources), Int32(self.targets), Int32(number),
                        UnsafeMutablePointer(mutating: tables.baseAddress), bytes + range.lowerBound + offset, &pieces)
                }
            }
        }
        withExtendedLifetime(targets) {}
    }
}
