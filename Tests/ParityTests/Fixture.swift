// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import SystemPackage
import Testing

@testable import Parity

/// Volumes of made bytes in a bundle's folder, and an index that says what they are.
struct Fixture {
    let place = TemporaryFolder()
    let folder: FilePath
    let index: BundleIndex
    let contents: [[UInt8]]
    static let binding = ParityBinding(release: Digest(of: [1]), index: Digest(of: [2]))
    static let threads = 2

    /// Volumes of these lengths, `volumes/v00`, `v01`, ... with bytes that differ everywhere.
    init(lengths: [Int], seed: UInt64 = 1) throws {
        folder = place.appending("bundle")
        try folder.appending("volumes").createDirectories()
        var random = Random(seed: seed)
        contents = lengths.map { length in random.bytes(length) }
        var tables = IndexTables()
        for (number, bytes) in contents.enumerated() {
            let name = Fixture.name(number)
            try OpenFile.creating(folder.appending("volumes/\(name)")).write(bytes, at: 0)
            let digest = Digest(of: bytes)
            tables.volumes.append(Volume(name: name, kind: .plain, length: UInt64(bytes.count), digest: digest))
            tables.blocks.append(
                stride(from: 0, to: bytes.count, by: blockSize).map { start in
                    Hasher.hash(Array(bytes[start..<min(start + blockSize, bytes.count)]))
                })
            tables.frames.append(
                Frame(volume: UInt32(number), encoding: .raw, offset: 0, storedLength: 0, rawLength: 0))
            guard !bytes.isEmpty else { continue }
            tables.parts.append(Part(frame: UInt32(number), offset: 0, length: UInt64(bytes.count)))
            tables.chunks.append(
                Chunk(
                    digest: digest, length: UInt64(bytes.count), firstPart: UInt32(tables.parts.count - 1), partCount: 1
                ))
            tables.objects.append(
                Object(
                    digest: digest, size: UInt64(bytes.count), firstSegment: UInt32(tables.segments.count),
                    segmentCount: 1))
            tables.segments.append(
                Segment(chunk: UInt32(tables.chunks.count - 1), offset: 0, length: UInt64(bytes.count)))
        }
        index = try BundleIndex(parsing: tables.encoded(splitter: "none"))
    }

    static func name(_ number: Int) -> String { "v\(number / 10)\(number % 10)" }

    var volumes: ParityVolumes { volumes() }

    func volumes(_ media: [FilePath]? = nil, binding: ParityBinding = Fixture.binding) -> ParityVolumes {
        ParityVolumes(index, binding, media: (media ?? [folder]).map { MediaFolder($0) })
    }

    func path(_ volume: Int) -> FilePath { folder.appending("volumes/\(Fixture.name(volume))") }

    @discardableResult
    func encode(_ amount: ParityAmount?, binding: ParityBinding = Fixture.binding) throws -> ParityEncoding.Result {
        try ParityEncoding(amount, of: volumes(binding: binding), named: "made", in: folder)
            .run(threads: Fixture.threads, progress: Progress())
    }

    /// Overwrites bytes of a file.
    func overwrite(_ path: FilePath, at offset: Int, with bytes: [UInt8] = [0xA5, 0x5A, 0xA5]) throws {
        try OpenFile.writing(path).write(bytes, at: UInt64(offset))
    }

    func bytes(_ path: FilePath) throws -> [UInt8] { try path.contents(limit: 1 << 30) }

    /// The parity files, sorted by name.
    func parityFiles() throws -> [FilePath] {
        try folder.appending("parity").entries().filter { !$0.hasPrefix(".") }.map { folder.appending("parity/\($0)") }
    }
}

/// Numbers that are the same in every run (xorshift64*).
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    /// Bytes whose order no two blocks share.
    mutating func bytes(_ count: Int) -> [UInt8] {
        let words = (0..<(count + 7) / 8).map { _ in next() }
        return Array(unsafe words.withUnsafeBytes { unsafe Array($0) }.prefix(count))
    }
}

extension Fixture {
    /// Repairs the volumes on these media as `Repair` does, small files left out.
    func repair(_ media: [FilePath]? = nil, dryRun: Bool = false) throws -> RepairWork.Outcome {
        var volumes = volumes(media)
        volumes.usesStaged = true
        let progress = Progress()
        let copies = try VolumeScan(volumes).run(threads: Fixture.threads, progress: progress)
        let set = try ParitySet(volumes)?.checked(threads: Fixture.threads, progress: progress)
        let work = try RepairWork(volumes, copies, set, dryRun: dryRun)
        try work.checkSpace()
        let outcome = try work.run(threads: Fixture.threads, progress: progress)
        if let set, !dryRun, outcome.lost.isEmpty {
            _ = try ParityRepair(set, volumes).run(threads: Fixture.threads, progress)
        }
        return outcome
    }

    /// Everything below the bundle's folder, by name.
    func snapshot() throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for folder in ["volumes", "parity"] {
            guard try self.folder.appending(folder).exists() else { continue }
            for name in try self.folder.appending(folder).entries() {
                files["\(folder)/\(name)"] = try bytes(self.folder.appending("\(folder)/\(name)"))
            }
        }
        return files
    }
}
