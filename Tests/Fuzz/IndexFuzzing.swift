// SPDX-License-Identifier: Apache-2.0

@testable import BundleFormat
import OCI

/// The index: what is accepted can be read everywhere, and has one form.
enum IndexFuzzing {
    static func check(_ bytes: [UInt8]) {
        guard let index = accepted({ try BundleIndex(parsing: bytes) }) else { return }
        demand(tables(of: index).encoded(splitter: index.splitter) == bytes, "an index has one form")
        let frames = FrameMap(index)
        for number in 0..<index.objectCount {
            let object = index.object(number)
            demand(index.object(object.digest) == object, "every object is found by its digest")
            check(object, index, frames)
        }
    }

    /// All tables, read record by record.
    private static func tables(of index: BundleIndex) -> IndexTables {
        var tables = IndexTables()
        tables.volumes = index.volumes
        tables.blocks = index.volumes.enumerated().map { number, volume in
            (0..<Volume.blockCount(of: volume.length)).map { index.blockDigest(volume: number, block: $0).bytes }
        }
        tables.frames = index.frameRanges.flatMap { range in range.map { index.frame($0) } }
        tables.chunks = (0..<index.chunkCount).map { index.chunk($0) }
        tables.externals = tables.chunks.indices.flatMap { index.externals(of: $0) }
        tables.parts = tables.chunks.flatMap { index.parts(of: $0) }
        tables.objects = (0..<index.objectCount).map { index.object($0) }
        tables.segments = tables.objects.flatMap { index.segments(of: $0) }
        return tables
    }

    /// The runs of an object lie inside their volumes and are as long as the object.
    private static func check(_ object: Object, _ index: BundleIndex, _ frames: FrameMap) {
        var runs = RunCursor(object, index, frames)
        var size: UInt64 = 0
        while let next = runs.next() {
            guard case .stored(let run) = next else {
                if case .external(let run) = next {
                    let chunk = index.chunk(run.chunk)
                    demand(
                        run.length > 0 && run.offset < chunk.length && run.length <= chunk.length - run.offset,
                        "a run is in its chunk")
                    demand(index.externalChunk(run.chunk)?.externals.isEmpty == false, "a chunk left out has a place")
                    size += run.length
                }
                continue
            }
            let end = index.frameRanges[run.volume].reduce(0 as UInt64) { $0 + index.rawLength(of: index.frame($1)) }
            demand(run.length > 0 && run.position < end && run.length <= end - run.position, "a run is in its volume")
            size += run.length
        }
        demand(size == object.size, "the runs of an object are as long as it")
    }
}
