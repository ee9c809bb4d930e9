// SPDX-License-Identifier: Apache-2.0

internal import Files
package import OCI

/// Reads any range of an object or a chunk that a bundle itself has, from verified blocks: for a delta that builds on it.
/// One thread, that of its reader. What is read on from where the last read ended costs no search.
package final class RangeReader {
    private let reader: ObjectReader
    private let start: () -> RunCursor
    private var runs: RunCursor
    private var run: Run?
    /// Where the next byte is read without a search.
    private var position: UInt64 = 0

    fileprivate init(_ reader: ObjectReader, _ start: @escaping () -> RunCursor) {
        (self.reader, self.start) = (reader, start)
        runs = start()
    }

    /// Copies bytes from `offset` on: how many, 0 at the end. Throws as `ObjectStream.withNext`, and
    /// `BundleError.externalMissing` where the bundle leaves them out itself.
    @unsafe package func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int {
        if offset < position { (runs, run, position) = (start(), nil, 0) }
        guard target.count > 0, let found = try run(at: offset) else { return 0 }
        let (buffer, range) = try reader.bytes(of: found)
        let count = min(target.count, range.count)
        buffer.withBytes(range.prefix(count)) { bytes in
            unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        position = offset + UInt64(count)
        run = found.length > UInt64(count) ? found.dropping(UInt64(count)) : nil
        return count
    }

    private func run(at offset: UInt64) throws(BundleError) -> Run? {
        while true {
            let next: Run
            if let run {
                next = run
            } else {
                switch runs.next() {
                case nil: return nil
                case .stored(let run)?: next = run
                case .external(let run)?:
                    guard position + run.length > offset else {
                        position += run.length
                        continue
                    }
                    throw reader.absent(run.chunk)
                }
            }
            let skipped = offset - position
            if skipped < next.length { return skipped > 0 ? next.dropping(skipped) : next }
            (position, run) = (position + next.length, nil)
        }
    }
}

extension ObjectReader {
    /// Reads ranges of chunk `number`, which the bundle must have itself.
    package func ranges(ofChunk number: Int) -> RangeReader {
        RangeReader(self) { [bundle] in RunCursor(chunk: number, bundle.index, bundle.frames) }
    }

    /// Reads ranges of an object; `nil` where the bundle has none of that digest.
    package func ranges(of digest: Digest) -> RangeReader? {
        guard let object = bundle.index.object(digest) else { return nil }
        return RangeReader(self) { [bundle] in RunCursor(object, bundle.index, bundle.frames) }
    }
}

/// Finds chunks by digest: 4 bytes for each.
package struct ChunkLookup: Sendable {
    private let index: BundleIndex
    private let order: [UInt32]

    /// Sorts the chunks that the bundle has itself.
    package init(_ index: BundleIndex) {
        self.index = index
        order = (0..<UInt32(index.chunkCount)).filter { index.chunk(Int($0)).partCount > 0 }
            .sorted { index.chunk(Int($0)).digest < index.chunk(Int($1)).digest }
    }

    /// The number of the chunk of that digest, where the bundle has it itself.
    package func number(of digest: Digest) -> Int? {
        var range = order.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let candidate = index.chunk(Int(order[middle])).digest
            if candidate == digest { return Int(order[middle]) }
            range = candidate < digest ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }
}
