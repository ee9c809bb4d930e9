// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// What the sites have already, by SHA-256: ranges of registry blobs and of files. A delta leaves these bytes out.
///
/// Memory: 56 bytes a range.
struct KnownBytes: Sendable {
    /// How many places an index names for one chunk, of each kind: a base layer may be in hundreds of repositories.
    static let placesPerChunk = 8

    /// Bytes that stand somewhere.
    struct Range: Sendable {
        let digest: Digest
        let length: UInt64
        /// Number of the blob or file that holds them.
        let holder: UInt32
        /// `External.file`, or the number of a repository.
        let place: UInt32
        /// Where they begin in it.
        let offset: UInt64
    }

    private var ranges: [Range] = []
    private var holders: [Digest] = []
    private var holderNumbers: [Digest: UInt32] = [:]
    private var repositories: [String] = []
    private var repositoryNumbers: [String: UInt32] = [:]
    /// Lengths of whole blobs and files.
    private(set) var lengths: Set<UInt64> = []

    /// Notes that a repository, or a file where it is `nil`, has an object that the index describes: the whole of it, and
    /// each of its pieces that is a chunk of its own.
    mutating func add(_ object: Object, of index: BundleIndex, in repository: String?) {
        add(object.digest, size: object.size, in: repository)
        guard object.segmentCount > 1 else { return }
        var offset: UInt64 = 0
        for segment in index.segments(of: object) {
            let chunk = index.chunk(Int(segment.chunk))
            if segment.offset == 0, segment.length == chunk.length {
                add(chunk.digest, length: chunk.length, in: object.digest, repository, at: offset)
            }
            offset += segment.length
        }
    }

    /// Notes that a repository, or a file where it is `nil`, has a whole object.
    mutating func add(_ digest: Digest, size: UInt64, in repository: String?) {
        if size > 0 { lengths.insert(size) }
        add(digest, length: size, in: digest, repository, at: 0)
    }

    /// Notes a range of a blob in a repository, or of a file.
    mutating func add(
        _ digest: Digest, length: UInt64, in holder: Digest, _ repository: String?, at offset: UInt64
    ) {
        guard length > 0 else { return }
        let place = repository.map { KnownBytes.number($0, &repositories, &repositoryNumbers) } ?? External.file
        ranges.append(
            Range(
                digest: digest, length: length, holder: KnownBytes.number(holder, &holders, &holderNumbers),
                place: place, offset: offset))
    }

    private static func number<Value: Hashable>(
        _ value: Value, _ values: inout [Value], _ numbers: inout [Value: UInt32]
    ) -> UInt32 {
        if let known = numbers[value] { return known }
        let number = UInt32(values.count)
        values.append(value)
        numbers[value] = number
        return number
    }

    /// Orders what was noted; before it nothing is found.
    mutating func seal() {
        let (holders, repositories) = (holders, repositories)
        func name(_ place: UInt32) -> String { place == External.file ? "" : repositories[Int(place)] }
        ranges.sort { left, right in
            if left.digest != right.digest { return left.digest < right.digest }
            let (one, other) = (name(left.place), name(right.place))
            if one != other { return one < other }
            if left.holder != right.holder { return holders[Int(left.holder)] < holders[Int(right.holder)] }
            return left.offset < right.offset
        }
        holderNumbers = [:]
        repositoryNumbers = [:]
    }

    /// Bytes of what has that digest; `nil` where no site is known to have it.
    func length(of digest: Digest) -> UInt64? {
        let first = firstRange(of: digest)
        return first < ranges.count && ranges[first].digest == digest ? ranges[first].length : nil
    }

    /// Where the ranges of that digest begin, or would.
    private func firstRange(of digest: Digest) -> Int {
        var range = 0..<ranges.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = ranges[middle].digest < digest ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }

    private func places(of digest: Digest) -> [Range] {
        let first = firstRange(of: digest)
        return Array(ranges[first...].prefix { $0.digest == digest })
    }

    // MARK: The index

    /// What the index of a delta leaves to the sites.
    struct Externals {
        var table: [External] = []
        /// What `External.place` counts, sorted.
        var repositories: [String] = []
        var chunks = 0
        /// Bytes of the chunks.
        var bytes: UInt64 = 0
        /// Files that hold chunks which no repository has, with the bytes of those.
        var files: [Digest: UInt64] = [:]
    }

    /// The places of every chunk without parts. Repositories that the release itself fills come first: what is there already
    /// need not even be read.
    func externals(of chunks: [Chunk], preferring own: Set<String>) -> Externals {
        var result = Externals()
        var found: [(chunk: Int, ranges: [Range])] = []
        var used: Set<UInt32> = []
        for (number, chunk) in chunks.enumerated() where chunk.partCount == 0 && chunk.length > 0 {
            let places = chosen(places(of: chunk.digest), preferring: own)
            used.formUnion(places.lazy.map(\.place).filter { $0 != External.file })
            found.append((number, places))
            (result.chunks, result.bytes) = (result.chunks + 1, result.bytes + chunk.length)
            if places.allSatisfy({ $0.place == External.file }), let first = places.first {
                result.files[holders[Int(first.holder)], default: 0] += chunk.length
            }
        }
        let sorted = used.sorted { repositories[Int($0)] < repositories[Int($1)] }
        result.repositories = sorted.map { repositories[Int($0)] }
        var numbers: [UInt32: UInt32] = [External.file: External.file]
        for (number, place) in sorted.enumerated() { numbers[place] = UInt32(number) }
        for (chunk, ranges) in found {
            result.table += ranges.map { range in
                External(
                    chunk: UInt32(chunk), place: numbers[range.place] ?? External.file,
                    object: holders[Int(range.holder)], offset: range.offset)
            }
        }
        return result
    }

    private func chosen(_ places: [Range], preferring own: Set<String>) -> [Range] {
        let inRegistry = places.filter { $0.place != External.file }
        let preferred = inRegistry.filter { own.contains(repositories[Int($0.place)]) }
        let others = inRegistry.filter { !own.contains(repositories[Int($0.place)]) }
        let files = places.filter { $0.place == External.file }
        return Array((preferred + others).prefix(KnownBytes.placesPerChunk)) + files.prefix(KnownBytes.placesPerChunk)
    }
}
