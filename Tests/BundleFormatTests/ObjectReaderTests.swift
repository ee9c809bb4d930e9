// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// A bundle with objects that lie in every way that the format allows.
private struct Sample {
    let scene: Scene
    /// Each object's name for people, and its bytes.
    let objects: [String: [UInt8]]

    init() throws {
        var draft = Draft()
        let plainBytes = noise(2_500_000, seed: 3)
        let plain = draft.plain("appliance.iso", plainBytes)
        draft.archive("a.001.tar.zst")
        // `shared`: two chunks in one compressed frame, after bytes that belong to no chunk, as tar headers do
        let text = Array(String(repeating: "all work and no play ", count: 20_000).utf8)
        let shared = try draft.frame(Array(repeating: 7, count: 512) + text, compressed: true)
        let one = draft.chunk(Array(text[..<100_000]), [(shared, 512, 100_000)])
        let two = draft.chunk(Array(text[100_000...]), [(shared, 100_512, text.count - 100_000)])
        // `large`: a chunk over three frames of one volume and two of the next
        let large = noise(9_000_000, seed: 4)
        let first = try draft.frame(Array(repeating: 0, count: 512) + large[..<4_000_000])
        try draft.frame(Array(large[4_000_000..<6_000_000]))
        try draft.frame(Array(large[6_000_000..<6_500_000]) + [1, 2, 3])
        draft.archive("a.002.tar.zst")
        let second = try draft.frame(Array(repeating: 0, count: 512) + large[6_500_000..<8_000_000])
        try draft.frame(Array(large[8_000_000...]) + Array(repeating: 0, count: 1024))
        let three = draft.chunk(large, [(first, 512, 6_500_000), (second, 512, 2_500_000)])
        let file = draft.chunk(plainBytes, [(plain, 0, plainBytes.count)])
        let empty = draft.chunk([], [])
        // `mixed` goes to and fro between frames, volumes and kinds
        let pieces: [(UInt32, ArraySlice<UInt8>, Int)] = [
            (three, large[3_999_000..<4_002_000], 3_999_000), (one, text[5..<10], 5),
            (file, plainBytes[1_000_000..<2_200_000], 1_000_000), (three, large[6_400_000..<6_600_000], 6_400_000),
            (two, text[100_000..<100_001], 0), (file, plainBytes[0..<1], 0), (three, large[8_999_999...], 8_999_999),
        ]
        let mixed = pieces.flatMap { Array($0.1) }
        objects = [
            "shared": text, "large": large, "plain": plainBytes, "extent": Array(plainBytes[1_048_575..<1_048_577]),
            "empty": [], "mixed": mixed,
        ]
        draft.object(text, [(one, 0, 100_000), (two, 0, text.count - 100_000)])
        draft.object(large, [(three, 0, large.count)])
        draft.object(plainBytes, [(file, 0, plainBytes.count)])
        draft.object(objects["extent"] ?? [], [(file, 1_048_575, 2)])
        draft.object([], [])
        draft.object(mixed, pieces.map { ($0.0, $0.2, $0.1.count) })
        _ = empty
        scene = try Scene(draft)
    }

    static let shared = Result { try Sample() }
}

@Suite struct ObjectReaderTests {
    @Test(arguments: ["shared", "large", "plain", "extent", "empty", "mixed"])
    func `gives an object's bytes wherever they lie`(_ name: String) throws {
        let sample = try Sample.shared.get()
        let bytes = try #require(sample.objects[name])
        let reader = try sample.scene.verified().reader()
        let stream = try reader.stream(Digest(of: bytes))
        #expect(stream.size == UInt64(bytes.count))
        var read: [UInt8] = []
        while let count = try stream.withNext({ piece in
            unsafe piece.withUnsafeBytes { unsafe read.append(contentsOf: $0) }
            return piece.byteCount
        }) { #expect((1...maximumFrameLength).contains(count)) }
        #expect(read == bytes)
        #expect(stream.position == stream.size)
        #expect(try stream.withNext { _ in } == nil)
        #expect(try reader.bytes(of: Digest(of: bytes), limit: bytes.count) == bytes)
    }

    @Test(arguments: [1, 7, 4096, 1_000_003])
    func `copies as many bytes as asked for`(_ size: Int) throws {
        let sample = try Sample.shared.get()
        let bytes = try #require(sample.objects[size == 1 ? "extent" : "mixed"])
        let stream = try sample.scene.verified().reader().stream(Digest(of: bytes))
        var (read, buffer) = ([UInt8](), [UInt8](repeating: 0, count: size))
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { unsafe try stream.read(into: $0) }
            if count == 0 { break }
            read += buffer[..<count]
        }
        #expect(read == bytes)
    }

    @Test func `lets streams of one reader take turns without touching each other's bytes`() throws {
        let sample = try Sample.shared.get()
        let reader = try sample.scene.verified().reader()
        let names = ["mixed", "large", "plain", "shared", "mixed"]
        let streams = try names.map { try reader.stream(Digest(of: sample.objects[$0] ?? [])) }
        var read = [[UInt8]](repeating: [], count: names.count)
        var buffer = [UInt8](repeating: 0, count: 333_333)
        var ended = 0
        while ended < names.count {
            ended = 0
            for (number, stream) in streams.enumerated() {
                let count = try unsafe buffer.withUnsafeMutableBytes { unsafe try stream.read(into: $0) }
                read[number] += buffer[..<count]
                ended += count == 0 ? 1 : 0
            }
        }
        for (number, name) in names.enumerated() { #expect(read[number] == sample.objects[name], "\(name)") }
    }

    @Test func `refuses an object that is not in the bundle, or too large`() throws {
        let sample = try Sample.shared.get()
        let reader = try sample.scene.verified().reader()
        let digest = Digest(of: [9])
        #expect(throws: BundleError.objectUnknown(digest)) { try reader.stream(digest) }
        let large = Digest(of: sample.objects["large"] ?? [])
        #expect(throws: BundleError.objectTooLarge(large, size: 9_000_000, limit: 8_999_999)) {
            try reader.bytes(of: large, limit: 8_999_999)
        }
    }

    @Test func `names the volume that an object needs and no medium has`() throws {
        let sample = try Sample()
        try sample.scene.path("volumes/a.002.tar.zst").removeFile()
        let bundle = try sample.scene.verified()
        let large = Digest(of: sample.objects["large"] ?? [])
        #expect(throws: BundleError.volumeMissing("a.002.tar.zst")) { try bundle.reader().stream(large).size }
        #expect(BundleError.volumeMissing("").failure == .incomplete)
        #expect(try bundle.missingVolumes(for: [large]).map(\.name) == ["a.002.tar.zst"])
        let others = ["shared", "plain", "extent", "empty"].map { Digest(of: sample.objects[$0] ?? []) }
        #expect(try bundle.missingVolumes(for: others).isEmpty)
        #expect(try bundle.volumeNumbers(for: others) == [0, 1])
        #expect(try bundle.reader().bytes(of: others[0], limit: 1 << 20) == sample.objects["shared"])
    }

    // MARK: Damage

    @Test(arguments: [(0, 0), (1_048_576, 1), (2_499_999, 2), (1_048_575, 0)])
    func `refuses a damaged block before a byte of it is given out`(_ offset: Int, _ block: Int) throws {
        let sample = try Sample()
        let path = sample.scene.path("volumes/appliance.iso")
        try flip(path, at: offset)
        let bytes = try #require(sample.objects["plain"])
        let stream = try sample.scene.verified().reader().stream(Digest(of: bytes))
        let start = UInt64(block) << 20
        let range = start..<min(start + 1_048_576, 2_500_000)
        #expect(throws: BundleError.blockDamaged(path, block: block, bytes: range)) {
            while let _ = try stream.withNext({ _ in }) {}
        }
        #expect(stream.position == start)
    }

    @Test func `refuses damage in the blocks of frames, and reads what lies elsewhere`() throws {
        let sample = try Sample()
        let path = sample.scene.path("volumes/a.001.tar.zst")
        let size = try get(path).count
        try flip(path, at: size - 1)
        let reader = try sample.scene.verified().reader()
        #expect(
            throws: BundleError.blockDamaged(
                path, block: 6, bytes: 6_291_456..<UInt64(size))
        ) { try reader.bytes(of: Digest(of: sample.objects["large"] ?? []), limit: 1 << 30) }
        #expect(try reader.bytes(of: Digest(of: sample.objects["shared"] ?? []), limit: 1 << 30).count == 420_000)
    }

    @Test func `takes a damaged block from the other medium`() throws {
        let sample = try Sample()
        let other = try sample.scene.copy("two")
        try flip(sample.scene.path("volumes/a.001.tar.zst"), at: 3_000_000)
        try flip(other.appending("volumes/a.002.tar.zst"), at: 5)
        let bundle = try sample.scene.verified([sample.scene.bundle, other])
        let large = try #require(sample.objects["large"])
        #expect(try bundle.reader().bytes(of: Digest(of: large), limit: 1 << 30) == large)
    }

    @Test func `refuses a volume that was cut off, swapped or replaced by a link`() throws {
        let sample = try Sample()
        let (one, two) = (sample.scene.path("volumes/a.001.tar.zst"), sample.scene.path("volumes/a.002.tar.zst"))
        let (first, second) = (try get(one), try get(two))
        let large = Digest(of: sample.objects["large"] ?? [])
        func error() -> BundleError? {
            #expect(throws: BundleError.self) {
                try sample.scene.verified().reader().bytes(of: large, limit: 1 << 30)
            }
        }
        try put(Array(first.dropLast()), one)
        let length = UInt64(first.count)
        #expect(error() == .volumeLength(one, expected: length, found: length - 1))
        try put(second, one)
        #expect(error()?.failure == .damaged)
        try put(noise(first.count, seed: 77), one)
        #expect(error() == .blockDamaged(one, block: 0, bytes: 0..<1_048_576))
        try one.removeFile()
        #expect(try run(["ln", "-s", two.string, one.string]).status == 0)
        #expect(error()?.failure == .damaged)
        #expect(try sample.scene.verified().missingVolumes.isEmpty)
    }

    // MARK: A publisher that lies

    @Test func `gives out no last byte of an object whose pieces are not its digest`() throws {
        var draft = Draft()
        draft.archive("a.001.tar.zst")
        let bytes = noise(5_000_000, seed: 5)
        let first = try draft.frame(Array(bytes[..<4_000_000]))
        try draft.frame(Array(bytes[4_000_000...]))
        let chunk = draft.chunk(bytes, [(first, 0, bytes.count)])
        let false1 = draft.object(bytes, [(chunk, 0, bytes.count)], digest: Digest(of: [1]))
        let false2 = draft.object([], [], digest: Digest(of: [2]))
        let scene = try Scene(draft)
        defer { withExtendedLifetime(scene) {} }
        let reader = try scene.verified().reader()
        let stream = try reader.stream(false1)
        #expect(throws: BundleError.objectDiffers(false1)) { while let _ = try stream.withNext({ _ in }) {} }
        #expect(stream.position == 4_000_000)
        #expect(throws: BundleError.objectDiffers(false2)) { try reader.bytes(of: false2, limit: 10) }
    }

    @Test func `leaves the digest to a receiver that computes it, and nothing else`() throws {
        var draft = Draft()
        draft.archive("a.001.tar.zst")
        let bytes = noise(5_000_000, seed: 5)
        let first = try draft.frame(Array(bytes[..<4_000_000]))
        try draft.frame(Array(bytes[4_000_000...]))
        let chunk = draft.chunk(bytes, [(first, 0, bytes.count)])
        let wrong = draft.object(bytes, [(chunk, 0, bytes.count)], digest: Digest(of: [1]))
        let scene = try Scene(draft)
        defer { withExtendedLifetime(scene) {} }
        let reader = try scene.verified().reader()
        let stream = try reader.stream(wrong, proof: .receiver)
        var given: [UInt8] = []
        while let _ = try stream.withNext({ piece in
            unsafe piece.withUnsafeBytes { unsafe given.append(contentsOf: $0) }
        }) {}
        #expect(given == bytes)
        #expect(throws: BundleError.objectDiffers(wrong)) { try reader.compare(wrong) }
        try flip(scene.path("volumes/a.001.tar.zst"), at: 2_500_000)
        let damaged = try scene.verified().reader().stream(wrong, proof: .receiver)
        let error = #expect(throws: BundleError.self) { while let _ = try damaged.withNext({ _ in }) {} }
        guard case .blockDamaged? = error else { return #expect(Bool(false), "\(error as Any)") }
    }

    @Test(arguments: [-1, 1, 1000])
    func `refuses a frame that decodes to another length than signed`(_ difference: Int) throws {
        var draft = Draft()
        draft.archive("a.001.tar.zst")
        let bytes = noise(2000, seed: 6)
        let frame = try draft.frame(bytes, statedLength: 2000 + difference)
        let chunk = draft.chunk(Array(bytes[..<1000]), [(frame, 0, 1000)])
        let digest = draft.object(Array(bytes[..<1000]), [(chunk, 0, 1000)])
        let scene = try Scene(draft)
        defer { withExtendedLifetime(scene) {} }
        let reader = try scene.verified().reader()
        let error = #expect(throws: BundleError.self) { try reader.bytes(of: digest, limit: 2000) }
        #expect(error?.failure == .damaged)
        guard case .frameDamaged("a.001.tar.zst", 0, _)? = error else { return #expect(Bool(false), "\(error as Any)") }
    }

    @Test func `refuses a frame that is no zstd frame`() throws {
        var draft = Draft()
        draft.archive("a.001.tar.zst")
        let digest = try draft.whole(noise(2000))
        draft.contents[0][4] ^= 0x80
        let scene = try Scene(draft)
        defer { withExtendedLifetime(scene) {} }
        let reader = try scene.verified().reader()
        #expect(throws: BundleError.self) { try reader.bytes(of: digest, limit: 2000) }
    }
}
