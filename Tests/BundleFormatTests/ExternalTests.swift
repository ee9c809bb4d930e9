// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing

/// A place in memory.
private final class FakePlace: ExternalPlace {
    let name: String
    let bytes: [UInt8]
    var fault: PlaceFault?
    var reads = 0

    init(_ name: String, _ bytes: [UInt8], fault: PlaceFault? = nil) {
        (self.name, self.bytes, self.fault) = (name, bytes, fault)
    }

    @unsafe func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int {
        reads += 1
        if let fault { throw fault }
        let rest = bytes.dropFirst(Int(offset)).prefix(target.count)
        unsafe target.copyBytes(from: rest)
        return rest.count
    }
}

/// Places by the chunk's digest.
private final class FakeSource: ExternalSource {
    var places: [Digest: [FakePlace]]
    private(set) var rejected: [String] = []

    init(_ places: [Digest: [FakePlace]]) { self.places = places }

    func places(of chunk: ExternalChunk) -> [any ExternalPlace] {
        (places[chunk.digest] ?? []).filter { !rejected.contains($0.name) }
    }

    func reject(_ place: any ExternalPlace, for chunk: ExternalChunk) { rejected.append(place.name) }
}

private struct Passing: ClassifiedError, Equatable {
    var failure: Failure { .failed }
    var description: String { "no answer" }
}

/// A delta with an object that is partly left out in small pieces, one that is a large blob, and one that is part of a large
/// one.
private struct Delta {
    let scene: Scene
    let small = noise(70_000, seed: 21)
    let large = noise(6_000_000, seed: 22)
    let own = noise(50_000, seed: 23)

    var mixed: [UInt8] { own + small[100..<60_000] + own.prefix(10) + large[2_000_000..<3_500_000] + small }
    var wrapped: [UInt8] { own + large }

    init() throws {
        var draft = Draft()
        draft.archive("a.001.tar.zst")
        let kept = draft.chunk(own, [(try draft.frame(own), 0, own.count)])
        let iso = Digest(of: Array("old.iso".utf8))
        let one = draft.external(small, [(External.file, iso, 4096), (0, Digest(of: small), 0)])
        let two = draft.external(large, [(0, Digest(of: large), 0)])
        draft.object(large, [(two, 0, large.count)])
        draft.object(small, [(one, 0, small.count)])
        draft.object(own, [(kept, 0, own.count)])
        let mixed = own + small[100..<60_000] + own.prefix(10) + large[2_000_000..<3_500_000] + small
        draft.object(
            mixed,
            [(kept, 0, own.count), (one, 100, 59_900), (kept, 0, 10), (two, 2_000_000, 1_500_000), (one, 0, 70_000)])
        draft.object(own + large, [(kept, 0, own.count), (two, 0, large.count)])
        scene = try Scene(draft)
    }

    func objects() -> [[UInt8]] { [small, large, mixed, wrapped] }

    func source(_ small: [FakePlace]? = nil, _ large: [FakePlace]? = nil) -> FakeSource {
        FakeSource([
            Digest(of: self.small): small ?? [FakePlace("blob", self.small)],
            Digest(of: self.large): large ?? [FakePlace("blob of large", self.large)],
        ])
    }
}

extension ObjectReader {
    fileprivate func whole(_ bytes: [UInt8]) throws -> [UInt8] { try self.bytes(of: Digest(of: bytes), limit: 1 << 30) }
}

@Suite struct ExternalTests {
    @Test func `gives objects whose bytes are partly or wholly elsewhere`() throws {
        let delta = try Delta()
        let bundle = try delta.scene.verified()
        let reader = bundle.reader(externals: delta.source())
        for bytes in delta.objects() { #expect(try reader.whole(bytes) == bytes) }
        #expect(bundle.index.isDelta)
        #expect(try bundle.externalNumbers(for: [Digest(of: delta.own)]).isEmpty)
        #expect(try bundle.externalNumbers(for: [Digest(of: delta.mixed)]) == [1, 2])
        #expect(try bundle.missingVolumes(for: delta.objects().map { Digest(of: $0) }).isEmpty)
        #expect(bundle.index.externalTotals.chunks == 2 && bundle.index.externalTotals.bytes == 6_070_000)
    }

    @Test func `says what is missing where there is no source, or no place`() throws {
        let delta = try Delta()
        let bundle = try delta.scene.verified()
        let absent = BundleError.externalMissing(
            Digest(of: delta.small), bytes: 70_000, base: "palette-enterprise 1.2.2")
        #expect(absent.failure == .incomplete && absent.description.contains("70000 bytes"))
        #expect(throws: absent) { try bundle.reader().whole(delta.mixed) }
        #expect(throws: absent) { try bundle.reader(externals: delta.source([])).whole(delta.mixed) }
        #expect(try bundle.reader().whole(delta.own) == delta.own)
    }

    @Test func `gives out no byte of a small chunk that is not its digest, and asks the next place`() throws {
        let delta = try Delta()
        var other = delta.small
        other[69_999] ^= 1
        let bad = [FakePlace("other", other), FakePlace("cut", Array(delta.small.dropLast())), FakePlace("none", [])]
        let source = delta.source(bad + [FakePlace("right", delta.small)])
        let reader = try delta.scene.verified().reader(externals: source)
        #expect(try reader.whole(delta.mixed) == delta.mixed)
        #expect(source.rejected == ["other", "cut", "none"])

        let alone = delta.source(Array(bad))
        let stream = try delta.scene.verified().reader(externals: alone).stream(Digest(of: delta.small))
        let differs = BundleError.externalDiffers(Digest(of: delta.small), places: ["other", "cut", "none"])
        #expect(throws: differs) { try stream.withNext { _ in } }
        #expect(stream.position == 0 && differs.failure == .damaged)
    }

    @Test(arguments: [0, 5_999_999])
    func `keeps back the last byte of a large chunk that differs, and blames its place`(_ offset: Int) throws {
        let delta = try Delta()
        var other = delta.large
        other[offset] ^= 1
        for object in [delta.large, delta.wrapped] {
            let source = delta.source(nil, [FakePlace("other", other), FakePlace("right", delta.large)])
            let reader = try delta.scene.verified().reader(externals: source)
            let stream = try reader.stream(Digest(of: object), proof: .receiver)
            #expect(throws: BundleError.self) { while let _ = try stream.withNext({ _ in }) {} }
            #expect(stream.position < stream.size)
            #expect(source.rejected == ["other"])
            #expect(try reader.whole(object) == object)
        }
    }

    @Test func `blames the places of a part that only the object proves`() throws {
        let delta = try Delta()
        var other = delta.large
        other[2_500_000] ^= 1
        let source = delta.source(nil, [FakePlace("other", other), FakePlace("right", delta.large)])
        let reader = try delta.scene.verified().reader(externals: source)
        #expect(throws: BundleError.externalDiffers(Digest(of: delta.mixed), places: ["other"])) {
            try reader.whole(delta.mixed)
        }
        #expect(try reader.whole(delta.mixed) == delta.mixed)
    }

    @Test func `goes on in the next place where one can't be read, and says why where none can`() throws {
        let delta = try Delta()
        let broken = { FakePlace("broken", [], fault: PlaceFault(Passing())) }
        let source = delta.source(
            [broken(), FakePlace("right", delta.small)],
            [FakePlace("half", Array(delta.large.prefix(3_000_000))), FakePlace("right", delta.large)])
        let reader = try delta.scene.verified().reader(externals: source)
        for bytes in delta.objects() { #expect(try reader.whole(bytes) == bytes) }
        #expect(throws: Passing()) {
            try delta.scene.verified().reader(externals: delta.source([broken()])).whole(delta.small)
        }
        #expect(throws: Passing()) {
            try delta.scene.verified().reader(externals: delta.source(nil, [broken()])).whole(delta.large)
        }
    }

    @Test func `lets streams of one reader take turns`() throws {
        let delta = try Delta()
        let reader = try delta.scene.verified().reader(externals: delta.source())
        let objects = delta.objects() + [delta.mixed]
        let streams = try objects.map { try reader.stream(Digest(of: $0)) }
        var read = [[UInt8]](repeating: [], count: objects.count)
        var buffer = [UInt8](repeating: 0, count: 333_333)
        var ended = 0
        while ended < objects.count {
            ended = 0
            for (number, stream) in streams.enumerated() {
                let count = try unsafe buffer.withUnsafeMutableBytes { unsafe try stream.read(into: $0) }
                read[number] += buffer[..<count]
                ended += count == 0 ? 1 : 0
            }
        }
        #expect(read == objects)
    }

    @Test func `reads any range of what a bundle has itself`() throws {
        let delta = try Delta()
        let bundle = try delta.scene.verified()
        let reader = bundle.reader()
        let lookup = ChunkLookup(bundle.index)
        let number = try #require(lookup.number(of: Digest(of: delta.own)))
        #expect(lookup.number(of: Digest(of: delta.small)) == nil)
        let ranges = reader.ranges(ofChunk: number)
        for offset in [0, 49_999, 10, 20_000, 50_000, 60_000] {
            #expect(try ranges.bytes(at: offset, 10) == Array(delta.own.dropFirst(offset).prefix(10)))
        }
        let mixed = try #require(reader.ranges(of: Digest(of: delta.mixed)))
        #expect(try mixed.bytes(at: 5, 10) == Array(delta.own[5..<15]))
        #expect(try mixed.bytes(at: 109_901, 9) == Array(delta.own[1..<10]))
        #expect(throws: BundleError.self) { try mixed.bytes(at: 60_000, 1) }
        #expect(reader.ranges(of: Digest(of: [3])) == nil)
    }

    @Test func `says in its report what it leaves out, and calls nothing of that damaged`() throws {
        let delta = try Delta()
        let report = try delta.scene.verified().checkVolumes(threads: 1, progress: Progress())
        #expect(report.failure == nil && report.externals?.chunks == 2 && report.base == "palette-enterprise 1.2.2")
        try flip(delta.scene.path("volumes/a.001.tar.zst"), at: 1000)
        let damaged = try delta.scene.verified().checkVolumes(threads: 1, progress: Progress())
        #expect(damaged.failure == .damaged)
        let affected = [delta.own, delta.mixed, delta.wrapped].map { Digest(of: $0) }
        #expect(Set(damaged.affectedObjects) == Set(affected))
    }
}

extension RangeReader {
    fileprivate func bytes(at offset: Int, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let read = try unsafe bytes.withUnsafeMutableBytes { memory in
                try unsafe self.read(
                    at: UInt64(offset + done), into: UnsafeMutableRawBufferPointer(rebasing: memory[done...]))
            }
            guard read > 0 else { break }
            done += read
        }
        return Array(bytes.prefix(done))
    }
}
