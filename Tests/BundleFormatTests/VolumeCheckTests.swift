// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Synchronization
import Testing
import Trust

@Suite struct VolumeCheckTests {
    private static let first = noise(20 << 20, seed: 20)
    private static let second = noise(3 << 20, seed: 21)
    private static let layer = Array(first[5_000_000..<6_000_000])

    /// Two plain volumes; an image of one layer inside the first, whose manifest is in an archive volume.
    private static func scene() throws -> Scene {
        var draft = Draft()
        let one = draft.plain("one.iso", first)
        let two = draft.plain("two.iso", second)
        let chunks = [
            draft.chunk(first, [(one, 0, first.count)]), draft.chunk(second, [(two, 0, second.count)]),
        ]
        draft.object(first, [(chunks[0], 0, first.count)])
        draft.object(second, [(chunks[1], 0, second.count)])
        draft.object(layer, [(chunks[0], 5_000_000, 1_000_000)])
        draft.archive("a.001.tar.zst")
        let config = Array("{}".utf8)
        try draft.whole(config)
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.manifest)","config":{"mediaType":"x/y",\
            "digest":"\(Digest(of: config))","size":2},"layers":[{"mediaType":"x/z",\
            "digest":"\(Digest(of: layer))","size":1000000}]}
            """.utf8)
        try draft.whole(manifest)
        draft.references = [
            ReleaseReference(
                repository: "library/app", tag: "1",
                descriptor: Descriptor(
                    mediaType: MediaType.manifest, digest: Digest(of: manifest), size: Int64(manifest.count)),
                kind: "image", source: "docker.io/library/app:1")
        ]
        draft.files = [
            Release.DeliveredFile(
                name: "one.iso", kind: "iso", digest: Digest(of: first), size: UInt64(first.count), signature: nil),
            Release.DeliveredFile(
                name: "two.iso", kind: "iso", digest: Digest(of: second), size: UInt64(second.count), signature: nil),
        ]
        return try Scene(draft)
    }

    private func report(_ scene: Scene, _ folders: [FilePath]? = nil, threads: Int = 2) throws -> VerifyReport {
        try scene.verified(folders).checkVolumes(threads: threads, progress: Progress())
    }

    @Test(arguments: [1, 2, 7]) func `reads every byte of every volume`(_ threads: Int) throws {
        let scene = try VolumeCheckTests.scene()
        let progress = Progress()
        let report = try scene.verified().checkVolumes(threads: threads, progress: progress)
        #expect(report.failure == nil && report.lines.isEmpty && report.affectedObjects.isEmpty)
        #expect(report.volumes.map(\.volume.name) == ["one.iso", "two.iso", "a.001.tar.zst"])
        #expect(report.volumes.allSatisfy { $0.isGood })
        #expect(progress.done.load(ordering: .relaxed) == report.bytesChecked)
        #expect(progress.total.load(ordering: .relaxed) == report.bytesChecked)
        #expect(report.bytesChecked == report.volumes.reduce(0) { $0 + $1.volume.length })
    }

    @Test func `finds the first, a middle and the last block damaged, and what needs them`() throws {
        let scene = try VolumeCheckTests.scene()
        let path = scene.path("volumes/one.iso")
        for offset in [0, 5_500_000, 6_000_000, (20 << 20) - 1] { try flip(path, at: offset) }
        let report = try report(scene)
        #expect(report.failure == .damaged)
        #expect(report.volumes[0].badBlocks == [0, 5, 19])
        #expect(report.volumes[1].isGood && report.volumes[2].isGood)
        #expect(report.affectedNames == ["library/app:1", "one.iso"])
        let affected = [VolumeCheckTests.first, VolumeCheckTests.layer].map { Digest(of: $0) }
        #expect(Set(report.affectedObjects) == Set(affected))
        #expect(report.damage.map(\.blocks) == [0..<1, 5..<6, 19..<20])
        #expect(report.damage.map(\.names) == [["one.iso"], ["library/app:1", "one.iso"], ["one.iso"]])
        #expect(report.damage.map(\.objects) == [1, 2, 1])
        #expect(report.lines.first?.contains("volumes/one.iso is damaged in block 0 (bytes 0 to 1048576)") == true)
        #expect(report.lines.count == 5)
    }

    @Test func `counts only what needs the damaged block as affected`() throws {
        let scene = try VolumeCheckTests.scene()
        try flip(scene.path("volumes/one.iso"), at: 7_000_000)
        #expect(try report(scene).affectedNames == ["one.iso"])
        try put(VolumeCheckTests.first, scene.path("volumes/one.iso"))
        try flip(scene.path("volumes/a.001.tar.zst"), at: 1)
        #expect(try report(scene).affectedNames == ["library/app:1"])
    }

    @Test func `tells a missing volume from a damaged one`() throws {
        let scene = try VolumeCheckTests.scene()
        try scene.path("volumes/two.iso").removeFile()
        let missing = try report(scene)
        #expect(missing.failure == .incomplete)
        #expect(missing.volumes[1].fault == .volumeMissing("two.iso"))
        #expect(missing.affectedNames == ["two.iso"])
        try put(Array(VolumeCheckTests.first.dropLast()), scene.path("volumes/one.iso"))
        let both = try report(scene)
        #expect(both.failure == .damaged)
        let length = UInt64(20 << 20)
        let fault = BundleError.volumeLength(scene.path("volumes/one.iso"), expected: length, found: length - 1)
        #expect(both.volumes[0].fault == fault)
        #expect(both.volumes[0].badBlocks == [19])
        #expect(both.affectedNames == ["one.iso", "two.iso"])
        try put(VolumeCheckTests.first + [0], scene.path("volumes/one.iso"))
        let longer = try report(scene)
        #expect(
            longer.volumes[0].fault
                == .volumeLength(scene.path("volumes/one.iso"), expected: length, found: length + 1))
        #expect(longer.failure == .damaged && longer.affectedNames == ["two.iso"])
    }

    @Test func `refuses the volume of another release under the same name`() throws {
        let scene = try VolumeCheckTests.scene()
        try put(noise(3 << 20, seed: 99), scene.path("volumes/two.iso"))
        let report = try report(scene)
        #expect(report.volumes[1].badBlocks == [0, 1, 2])
        #expect(report.affectedNames == ["two.iso"])
    }

    @Test func `checks each medium's copy, and misses nothing that one of them has`() throws {
        let scene = try VolumeCheckTests.scene()
        let other = try scene.copy("two")
        try flip(scene.path("volumes/one.iso"), at: 0)
        try flip(other.appending("volumes/one.iso"), at: 1 << 20)
        let both = [scene.bundle, other]
        let healthy = try report(scene, both)
        #expect(healthy.failure == .damaged)
        #expect(healthy.volumes.map(\.badBlocks) == [[0], [1], [], [], [], []])
        #expect(healthy.affectedNames.isEmpty)
        try flip(other.appending("volumes/one.iso"), at: 5)
        #expect(try report(scene, both).affectedNames == ["one.iso"])
    }

    @Test func `counts small files taken from copies as damage, unsigned names as none`() throws {
        let scene = try VolumeCheckTests.scene()
        try put([1], scene.path("notes.txt"))
        let noted = try report(scene)
        #expect(noted.failure == nil && noted.lines.count == 1)
        try flip(scene.path("index"), at: 0)
        #expect(try report(scene).failure == .damaged)
    }

    @Test func `says all of it in JSON`() throws {
        let scene = try VolumeCheckTests.scene()
        try flip(scene.path("volumes/two.iso"), at: 0)
        let document = JSONCursor(try report(scene).json)
        let volumes = try document["volumes"].elements()
        #expect(try volumes.map { try $0["state"].string() } == ["good", "damaged", "good"])
        #expect(try volumes[1]["badBlocks"].elements().map { try $0.int() } == [0])
        #expect(try document["affected"].elements().map { try $0.string() } == ["two.iso"])
        #expect(try document["exitCode"].int() == 13)
    }
}
