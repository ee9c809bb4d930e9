// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Glibc
import OCI
import Support
import Synchronization
import SystemPackage
import Testing

/// Volumes that are not what was signed, are no files, or change while they are used: cases 33 to 50 of docs/hostile-cases.md that no
/// other test has.
struct HostileVolumeTests {
    private static let content = noise((2 << 20) + 77, seed: 31)
    private static let name = "volumes/one.iso"

    private static func scene() throws -> Scene {
        var draft = Draft()
        let frame = draft.plain("one.iso", content)
        let chunk = draft.chunk(content, [(frame, 0, content.count)])
        draft.object(content, [(chunk, 0, content.count)])
        return try Scene(draft)
    }

    private func read(_ bundle: VerifiedBundle) throws -> [UInt8] {
        try bundle.reader().bytes(of: Digest(of: Self.content), limit: Self.content.count)
    }

    @Test(arguments: ["link", "hard link", "pipe", "folder", "device"])
    func `39: a volume that is no file of its own is not opened, or is its signed bytes`(_ kind: String) throws {
        let scene = try Self.scene()
        let (path, other) = (scene.path(Self.name), scene.place.appending("elsewhere"))
        try run(["mv", path.string, other.string]).mustBeDone()
        switch kind {
        case "link": try run(["ln", "-s", other.string, path.string]).mustBeDone()
        case "hard link": try run(["ln", other.string, path.string]).mustBeDone()
        case "pipe": try run(["mkfifo", path.string]).mustBeDone()
        case "folder": try path.createDirectories()
        default:
            guard try run(["mknod", path.string, "c", "1", "5"]).status == 0 else {
                try Test.cancel("this machine lets nobody make a device")
            }
        }
        let bundle = try scene.verified()
        guard kind != "hard link" else {
            #expect(try read(bundle) == Self.content)
            return
        }
        #expect(bundle.findings.map(\.failure) == [.damaged])
        #expect(try bundle.checkVolumes(threads: 1, progress: Progress()).failure == .damaged)
        let error = #expect(throws: BundleError.self) { try read(bundle) }
        #expect(error?.description.contains("one.iso") == true)
    }

    @Test(arguments: ["inode", "bytes", "shorter", "longer", "removed"])
    func `40: a volume that is another after it was verified gives its signed bytes or none`(_ way: String) throws {
        let scene = try Self.scene()
        let path = scene.path(Self.name)
        let bundle = try scene.verified()
        #expect(try bundle.checkVolumes(threads: 1, progress: Progress()).failure == nil)
        let stream = try bundle.reader().stream(Digest(of: Self.content))
        var taken = try #require(try stream.withNext { Self.bytes($0) })
        let changed = noise(Self.content.count, seed: 99)
        switch way {
        case "inode":
            try put(changed, path.removingLastComponent().appending(".new"))
            try path.removingLastComponent().appending(".new").rename(to: path)
        case "bytes": try OpenFile.writing(path).write(changed, at: 0)
        case "shorter": try OpenFile.writing(path).truncate(to: 4096)
        case "longer": try OpenFile.writing(path).write([1], at: UInt64(Self.content.count))
        default: try path.removeFile()
        }
        do {
            while let more = try stream.withNext({ Self.bytes($0) }) { taken += more }
            #expect(taken == Self.content)
        } catch let error as BundleError {
            #expect(error.failure == .damaged && ["bytes", "shorter"].contains(way), "\(error)")
            #expect(Self.content.starts(with: taken))
        }
        do {
            #expect(try read(bundle) == Self.content && way == "longer")
        } catch let error as any ClassifiedError {
            #expect(error.description.contains("one.iso"), "\(error)")
        }
    }

    private static func bytes(_ span: RawSpan) -> [UInt8] { unsafe span.withUnsafeBytes { unsafe Array($0) } }

    private final class End: Sendable {
        let hasCome = Atomic(false)
    }

    @Test func `40: bytes that change while they are read are never given out`() throws {
        let scene = try Self.scene()
        let path = scene.path(Self.name)
        let bundle = try scene.verified()
        let (end, changed) = (End(), noise(Self.content.count, seed: 99))
        let writer = Lane("writer")
        writer.add {
            let file = try OpenFile.writing(path)
            var turn = 0
            while !end.hasCome.load(ordering: .relaxed) {
                // a stretch of another content, in the middle of a read for half of the time
                let start = (turn * 700_001) % (Self.content.count - 300_000)
                try file.write(Array(changed[start..<start + 300_000]), at: UInt64(start))
                try file.write(Array(Self.content[start..<start + 300_000]), at: UInt64(start))
                turn += 1
            }
        }
        var (whole, refused) = (0, 0)
        for _ in 0..<60 {
            do {
                #expect(try read(bundle) == Self.content)
                whole += 1
            } catch let error as BundleError {
                #expect(error.failure == .damaged)
                refused += 1
            }
        }
        end.hasCome.store(true, ordering: .relaxed)
        try writer.wait()
        #expect(whole + refused == 60)
        #expect(try read(bundle) == Self.content)
    }

    @Test func `38: bytes after a volume's last frame are another length, and no part of it`() throws {
        let scene = try Self.scene()
        try OpenFile.writing(scene.path(Self.name)).write(
            [UInt8](repeating: 0, count: 4096), at: UInt64(Self.content.count))
        let report = try scene.verified().checkVolumes(threads: 1, progress: Progress())
        #expect(report.failure == .damaged && report.affectedNames.isEmpty == false || report.volumes[0].fault != nil)
        #expect(report.lines.contains { $0.contains("one.iso has \(Self.content.count + 4096) bytes") })
    }

    @Test func `43: two chunks of one digest and other sizes give no object that isn't its digest`() throws {
        var draft = Draft()
        let bytes = noise(4000, seed: 5)
        let frame = draft.plain("one.iso", bytes)
        let whole = draft.chunk(bytes, [(frame, 0, bytes.count)])
        let short = draft.chunk(Array(bytes[..<1000]), [(frame, 0, 1000)])
        draft.tables.chunks[Int(short)].digest = draft.tables.chunks[Int(whole)].digest
        draft.object(bytes, [(whole, 0, bytes.count)])
        let wrong = draft.object([], [(short, 0, 1000)], digest: Digest(of: noise(1000, seed: 6)))
        draft.tables.objects[1].size = 1000
        let scene = try Scene(draft)
        let bundle = try scene.verified()
        #expect(try bundle.reader().bytes(of: Digest(of: bytes), limit: 10_000) == bytes)
        #expect(throws: BundleError.self) { try bundle.reader().bytes(of: wrong, limit: 10_000) }
    }

    @Test(arguments: ["A.iso", "a.ISO"]) func `49: names that are one name on a stick are refused`(_ twin: String)
        throws
    {
        var draft = Draft()
        for (name, seed) in [("a.iso", UInt64(1)), (twin, 2)] {
            let bytes = noise(2000, seed: seed)
            let chunk = draft.chunk(bytes, [(draft.plain(name, bytes), 0, 2000)])
            draft.object(bytes, [(chunk, 0, 2000)])
        }
        let index = draft.index()
        #expect(throws: IndexError.invalid("a volume's name", at: 1)) { try BundleIndex(parsing: index) }
    }

    @Test func `50: more records than an index may have are refused before memory is taken for them`() throws {
        var bytes = try Draft.tiny().index()
        // the count of chunks, then of segments: each as if there were billions
        for place in [24, 28, 32] {
            var changed = bytes
            changed.replaceSubrange(place..<place + 4, with: [0xFF, 0xFF, 0xFF, 0xFF])
            #expect(throws: IndexError.self) { try BundleIndex(parsing: changed) }
        }
        bytes.append(0)
        #expect(throws: IndexError.self) { try BundleIndex(parsing: bytes) }
        #expect(BundleIndex.maximumSize <= 512 << 20)
    }
}

extension CommandResult {
    fileprivate func mustBeDone() { #expect(status == 0, "\(errorOutput)") }
}
