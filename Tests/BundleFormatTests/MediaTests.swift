// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@Suite struct MediaTests {
    @Test func `finds a bundle folder, and those directly below a folder`() throws {
        let scene = try Scene()
        #expect(try MediaSet([scene.bundle]).releases == ["palette-enterprise-1.2.3"])
        #expect(try MediaSet([scene.place.path]).releases == ["palette-enterprise-1.2.3"])
        #expect(throws: BundleError.noBundle([scene.path("kit")])) { try MediaSet([scene.path("kit")]) }
        #expect(BundleError.noBundle([]).failure == .incomplete)
    }

    @Test func `asks which of several bundles is meant`() throws {
        let scene = try Scene()
        try scene.publisher.write(.tiny(version: "1.2.4"), to: scene.place.appending("palette-enterprise-1.2.4"))
        let set = try MediaSet([scene.place.path])
        let names = ["palette-enterprise-1.2.3", "palette-enterprise-1.2.4"]
        #expect(set.releases == names)
        #expect(throws: BundleError.severalBundles(names)) { try set.bundle() }
        #expect(throws: BundleError.unknownBundle("x", names)) { try set.bundle("x") }
        #expect(BundleError.severalBundles(names).failure == .usage)
        #expect(try set.bundle("palette-enterprise-1.2.4").folders.count == 1)
    }

    @Test func `passes over hidden folders, links and unfinished bundles`() throws {
        let scene = try Scene()
        let place = scene.place.appending("look")
        try place.createDirectories()
        #expect(try run(["cp", "-r", scene.bundle.string, place.appending(".x.partial").string]).status == 0)
        #expect(try run(["ln", "-s", scene.bundle.string, place.appending("link").string]).status == 0)
        #expect(throws: BundleError.noBundle([place])) { try MediaSet([place]) }
    }

    @Test func `takes folders of other names with the same release for media of one bundle`() throws {
        let scene = try Scene()
        let other = scene.place.appending("stick")
        #expect(try run(["cp", "-r", scene.bundle.string, other.string]).status == 0)
        let set = try MediaSet([scene.bundle, other, scene.bundle])
        #expect(try set.bundle().folders == [scene.bundle, other])
    }

    @Test func `uses a small file of the other medium where both copies of one are bad`() throws {
        let scene = try Scene()
        let other = try scene.copy("two")
        for name in ["index", "copies/index", "rescue.py"] { try flip(scene.path(name), at: 3) }
        let findings = try scene.verified([scene.bundle, other]).findings
        #expect(
            findings == [
                .copyDamaged(scene.path("copies/index")),
                .replaced(scene.path("index"), by: other.appending("index")),
                .replaced(scene.path("rescue.py"), by: other.appending("rescue.py")),
            ])
        #expect(scene.code([scene.bundle]) == .damaged)
    }

    @Test func `refuses two media that are signed differently`() throws {
        let scene = try Scene()
        let other = scene.place.appending("two/palette-enterprise-1.2.3")
        try scene.publisher.write(.tiny(), to: other)
        #expect(scene.code([other]) == nil)
        #expect(
            scene.refusal([scene.bundle, other]) as? BundleError
                == .differentMedia(scene.path("trust/timestamp.json"), other.appending("trust/timestamp.json")))
    }

    @Test func `gathers volumes from all media and uses the good one of two`() throws {
        var draft = try Draft.tiny()
        draft.plain("b.iso", noise(3000, seed: 8))
        let scene = try Scene(draft)
        let other = try scene.copy("two")
        let (first, second) = ("volumes/palette-enterprise-1.2.3.001.tar.zst", "volumes/b.iso")
        try scene.path(second).removeFile()
        try other.appending(first).removeFile()
        #expect(try scene.verified().missingVolumes.map(\.name) == ["b.iso"])
        #expect(try scene.verified().findings == [.volumeMissing("b.iso")])
        let both = try scene.verified([scene.bundle, other])
        #expect(both.missingVolumes.isEmpty && both.findings.isEmpty)
        let bytes = try get(other.appending(second))
        try put(Array(bytes.dropLast()), scene.path(second))
        let healed = try scene.verified([scene.bundle, other])
        #expect(
            healed.findings == [.volumeUnusable(scene.path(second), "it has 2999 bytes instead of 3000")])
        #expect(try healed.checkVolumes(threads: 1, progress: Progress()).affectedObjects.isEmpty)
    }
}
