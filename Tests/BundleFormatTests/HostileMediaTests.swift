// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// Hostile cases 33 to 39 of docs/hostile-cases.md: what stands where a volume should.
@Suite struct HostileMediaTests {
    private static let bytes = noise((3 << 20) + 12_345, seed: 80)
    private static let twin = noise((3 << 20) + 12_345, seed: 81)
    private static let blocks = 4

    /// Two volumes of one length.
    private static func scene() throws -> Scene {
        var draft = Draft()
        for (name, bytes) in [("a.iso", bytes), ("b.iso", twin)] {
            let frame = draft.plain(name, bytes)
            draft.object(bytes, [(draft.chunk(bytes, [(frame, 0, bytes.count)]), 0, bytes.count)])
        }
        return try Scene(draft)
    }

    private static func report(_ scene: Scene, _ media: [FilePath]? = nil) throws -> VerifyReport {
        try scene.verified(media).checkVolumes(threads: 2, progress: Progress())
    }

    /// What a reader gets of `bytes`: all of it or an error, never anything else.
    private static func isReadable(_ scene: Scene, _ bytes: [UInt8], _ media: [FilePath]? = nil) throws -> Bool {
        do {
            let read = try scene.verified(media).reader().bytes(of: Digest(of: bytes), limit: 1 << 30)
            #expect(read == bytes)
            return true
        } catch let error as BundleError {
            #expect([.damaged, .incomplete].contains(error.failure))
            return false
        }
    }

    @Test(arguments: [1, 12_345, 12_346] + (1...4).map { $0 << 20 } + [(3 << 20) + 12_345])
    func `case 33: a volume that is cut off still gives the blocks before the cut`(_ cut: Int) throws {
        let scene = try HostileMediaTests.scene()
        let path = scene.path("volumes/a.iso")
        let kept = max(0, HostileMediaTests.bytes.count - cut)
        try put(Array(HostileMediaTests.bytes.prefix(kept)), path)
        let report = try HostileMediaTests.report(scene)
        let bad = Array(kept / (1 << 20)..<HostileMediaTests.blocks)
        #expect(report.failure == .damaged)
        #expect(report.volumes[0].badBlocks == bad && report.volumes[1].isGood)
        #expect(report.volumes[0].fault?.failure == .damaged)
        #expect(report.damage.map(\.blocks) == [bad[0]..<HostileMediaTests.blocks])
        #expect(try !HostileMediaTests.isReadable(scene, HostileMediaTests.bytes))
        // a second medium with the other half bad: together they have all
        let other = try scene.copy("two")
        var half = HostileMediaTests.bytes
        for block in 0..<bad[0] { half[block << 20] ^= 1 }
        try put(half, other.appending("volumes/a.iso"))
        let both = try HostileMediaTests.report(scene, [scene.bundle, other])
        #expect(both.failure == .damaged && both.affectedObjects.isEmpty && both.wanted.isEmpty)
        #expect(try HostileMediaTests.isReadable(scene, HostileMediaTests.bytes, [scene.bundle, other]))
    }

    @Test func `case 33: a volume with something after its end is damaged, and whole`() throws {
        let scene = try HostileMediaTests.scene()
        try put(HostileMediaTests.bytes + [0], scene.path("volumes/a.iso"))
        let report = try HostileMediaTests.report(scene)
        #expect(report.failure == .damaged && report.affectedObjects.isEmpty && report.volumes[0].badBlocks.isEmpty)
        #expect(try HostileMediaTests.isReadable(scene, HostileMediaTests.bytes))
    }

    @Test func `case 34: two volumes that are swapped are damaged, each under the other's name`() throws {
        let scene = try HostileMediaTests.scene()
        try put(HostileMediaTests.twin, scene.path("volumes/a.iso"))
        try put(HostileMediaTests.bytes, scene.path("volumes/b.iso"))
        let report = try HostileMediaTests.report(scene)
        #expect(report.failure == .damaged)
        #expect(report.volumes.map(\.badBlocks) == [[0, 1, 2, 3], [0, 1, 2, 3]])
        #expect(report.wanted.volumes.map(\.isMissing) == [true, true])
        #expect(try !HostileMediaTests.isReadable(scene, HostileMediaTests.bytes))
        // given as files they are known by their content
        let files = ["a.iso", "b.iso"].map { scene.path("volumes/\($0)") }
        let trust = try scene.publisher.pinned
        let bundle = try MediaSet([scene.bundle] + files, trust: trust).bundle().verified(by: trust, now: Publisher.now)
        #expect(try bundle.checkVolumes(threads: 1, progress: Progress()).affectedObjects.isEmpty)
    }

    @Test func `case 35: a volume of another release, of the same name and length, is damaged`() throws {
        let scene = try HostileMediaTests.scene()
        try put(noise(HostileMediaTests.bytes.count, seed: 9), scene.path("volumes/a.iso"))
        let report = try HostileMediaTests.report(scene)
        #expect(report.failure == .damaged && report.volumes[0].badBlocks == [0, 1, 2, 3])
        #expect(try !HostileMediaTests.isReadable(scene, HostileMediaTests.bytes))
    }

    @Test func `case 36: a volume that is missing is named, and asked for`() throws {
        let scene = try HostileMediaTests.scene()
        try scene.path("volumes/a.iso").removeFile()
        let report = try HostileMediaTests.report(scene)
        #expect(report.failure == .incomplete)
        #expect(report.volumes[0].fault == .volumeMissing("a.iso"))
        // to the connected side and back, through the line for paper
        let asked = try BlockReport(parsing: Array(report.wanted.short.utf8))
        let index = try scene.verified().index
        let release = Digest(of: try get(scene.path("release.json")))
        for request in [asked, report.wanted] {
            let wanted = try request.wanted(of: index, release: release)
            #expect(wanted.map(\.volume) == [0] && wanted.map(\.blocks) == [[0..<4]])
        }
        #expect(try BlockReport(parsing: report.wanted.json.canonicalBytes) == report.wanted)
    }

    @Test func `case 37: a volume that is there twice is checked twice, and no fault`() throws {
        let scene = try HostileMediaTests.scene()
        let other = try scene.copy("two")
        let report = try HostileMediaTests.report(scene, [scene.bundle, other])
        #expect(report.failure == nil && report.volumes.count == 4)
        #expect(report.bytesChecked == UInt64(4 * HostileMediaTests.bytes.count))
        #expect(try HostileMediaTests.report(scene, [scene.bundle, scene.bundle]).volumes.count == 2)
    }

    @Test func `case 38: an unsigned file beside the volumes is named and not used`() throws {
        let scene = try HostileMediaTests.scene()
        try put([1, 2, 3], scene.path("volumes/c.iso"))
        let report = try HostileMediaTests.report(scene)
        #expect(report.failure == nil && report.findings == [.unsignedName(scene.path("volumes/c.iso"))])
    }

    @Test(arguments: [["ln", "-s"], ["mkfifo"], ["mkdir"]])
    func `case 39: a link, a pipe or a folder in place of a volume is not opened`(_ command: [String]) throws {
        let scene = try HostileMediaTests.scene()
        let path = scene.path("volumes/a.iso")
        let secret = scene.place.appending("secret")
        try put(HostileMediaTests.bytes, secret)
        try path.removeFile()
        let source = command.count > 1 ? [secret.string] : []
        try #require(run(command + source + [path.string]).status == 0)
        let report = try HostileMediaTests.report(scene)
        #expect(report.failure == .damaged && report.affectedObjects == [Digest(of: HostileMediaTests.bytes)])
        #expect(try !HostileMediaTests.isReadable(scene, HostileMediaTests.bytes))
    }

    @Test func `names damage in runs, however much there is`() throws {
        let scene = try HostileMediaTests.scene()
        for block in [0, 1, 3] { try flip(scene.path("volumes/a.iso"), at: block << 20) }
        let report = try HostileMediaTests.report(scene)
        let path = scene.path("volumes/a.iso")
        #expect(
            report.lines == [
                "\(path) is damaged in blocks 0 to 1 (bytes 0 to 2097152); copy volume 1 again (the others are not affected)",
                "\(path) is damaged in block 3 (bytes 3145728 to 3158073); copy volume 1 again (the others are not affected)",
            ])
        let volume = try JSONCursor(report.json)["volumes"].elements()[0]
        #expect(
            try volume["badRanges"].elements().map { try $0.elements().map { try $0.int() } } == [[0, 1], [3, 3]])
        #expect(report.wanted.short.contains(":1=0-1,3:"))
        let other = try scene.copy("two")
        try put(HostileMediaTests.bytes, other.appending("volumes/a.iso"))
        let both = try HostileMediaTests.report(scene, [scene.bundle, other])
        #expect(
            both.lines.allSatisfy {
                $0.hasSuffix("another medium has it right, so nothing is lost: copy it from there")
            })
    }
}
