// SPDX-License-Identifier: Apache-2.0

package import OCI

/// A chunk that a delta leaves out: a site has its bytes already.
package struct ExternalChunk: Sendable, Equatable {
    /// In the order of the index.
    package let number: Int
    package let digest: Digest
    /// Bytes, at least 1.
    package let length: UInt64
    /// Where the index says that its bytes may be; at least one.
    package let externals: [External]
}

/// Finds the bytes that a bundle leaves out. One thread, that of its reader.
///
/// Nothing that it gives is believed: a reader compares the SHA-256 of the chunk, or of the object that it is, with what is
/// signed.
package protocol ExternalSource: AnyObject {
    /// The places that may have the chunk, the best first, without those rejected for it.
    ///
    /// Throws what ends the work.
    func places(of chunk: ExternalChunk) throws -> [any ExternalPlace]
    /// Notes that a place gave other bytes than the chunk's: it is not asked for it again.
    func reject(_ place: any ExternalPlace, for chunk: ExternalChunk)
}

/// A place from which the bytes of one chunk may be read.
package protocol ExternalPlace: AnyObject {
    /// For people: a file, or a blob and its registry.
    var name: String { get }
    /// Copies bytes of the chunk, from `offset` in it on, to `target`: how many; 0 where the place has no more.
    ///
    /// Throws `PlaceFault` where another place may do, else what ends the work.
    @unsafe func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int
}

/// A place can't give its bytes now; another one may.
package struct PlaceFault: Error {
    package let cause: any Error

    package init(_ cause: any Error) { self.cause = cause }
}

/// How much a bundle leaves out.
package struct ExternalTotals: Sendable, Equatable {
    package var chunks = 0
    package var bytes: UInt64 = 0

    package init() {}
}

extension BundleIndex {
    /// What the bundle says of chunk `number`, where it leaves it out.
    package func externalChunk(_ number: Int) -> ExternalChunk? {
        let chunk = chunk(number)
        guard chunk.isExternal else { return nil }
        return ExternalChunk(
            number: number, digest: chunk.digest, length: chunk.length, externals: externals(of: number))
    }

    /// All that the bundle leaves out.
    package var externalTotals: ExternalTotals {
        var totals = ExternalTotals()
        guard isDelta else { return totals }
        for number in 0..<chunkCount {
            let chunk = chunk(number)
            guard chunk.isExternal else { continue }
            totals.chunks += 1
            totals.bytes += chunk.length
        }
        return totals
    }
}

extension Chunk {
    /// Whether the bundle leaves its bytes out.
    package var isExternal: Bool { partCount == 0 && length > 0 }
}

extension VerifiedBundle {
    /// The numbers of the chunks that these objects need and the bundle leaves out, ascending. Throws
    /// `BundleError.objectUnknown`.
    package func externalNumbers(for objects: some Sequence<Digest>) throws(BundleError) -> [Int] {
        guard index.isDelta else { return [] }
        var numbers: Set<Int> = []
        for digest in objects {
            guard let object = index.object(digest) else { throw .objectUnknown(digest) }
            for number in Int(object.firstSegment)..<Int(object.firstSegment) + Int(object.segmentCount) {
                let chunk = Int(index.segment(number).chunk)
                if index.chunk(chunk).isExternal { numbers.insert(chunk) }
            }
        }
        return numbers.sorted()
    }

    /// The releases that a delta builds on, for people: "palette-enterprise 4.7.3"; `nil` for a full bundle.
    package var baseNames: String? {
        release.base.map { base in
            let releases = base.releases.map { "\($0.name.product) \($0.name.version)" }
            let sites = base.sites.map { "what \($0.target) had at \($0.time)" }
            return (releases + sites).map(\.printable).joined(separator: ", ")
        }
    }

    /// The error for a chunk that nothing at hand has.
    func absent(_ number: Int) -> BundleError {
        let chunk = index.chunk(number)
        return .externalMissing(chunk.digest, bytes: chunk.length, base: baseNames ?? "another release")
    }
}
