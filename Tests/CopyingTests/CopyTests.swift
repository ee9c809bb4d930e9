// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Copying
import Files
import Support
import SystemPackage
import Testing

@Suite(.enabled(if: canMount, "making small media (tmpfs) needs root")) struct CopyTests {
    @Test func `two media together hold the bundle, each with all small files and a label`() throws {
        let fixture = try CopyFixture()
        let half = try fixture.volumes().bytes / 2 + (4 << 20)
        let media = try ["a", "b"].map { try SmallMedium(fixture.place, $0, bytes: half) }
        let results = try fixture.copy(to: media.map(\.path))
        #expect(results.allSatisfy { $0.isWhole && !$0.good.isEmpty && $0.bytesWritten > 0 })
        #expect(try fixture.isWhole(media.map(\.path)))
        #expect(results[0].good.contains("volumes/\(fixture.name).001.tar.zst"))
        for (number, medium) in media.enumerated() {
            let folder = medium.path.appending(fixture.name)
            try sh("cd \(folder) && sha256sum --quiet --ignore-missing -c SHA256SUMS && diff -r trust copies/trust")
            let names = try medium.path.entries()
            #expect(
                names == [
                    "MEDIUM-\(number + 1)-\(fixture.name).html", "MEDIUM-\(number + 1)-\(fixture.name).txt",
                    fixture.name,
                ])
            #expect(try fixture.partials(medium.path).isEmpty)
        }
    }

    @Test func `the same command again writes nothing, and rewrites only a block that has gone bad`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let first = try fixture.copy(to: [medium.path])
        #expect(first.first?.isWhole == true)
        let again = try fixture.copy(to: [medium.path])
        #expect(again.first?.bytesWritten == 0 && again.first?.repaired.isEmpty == true)
        #expect(again.first?.notReadAgain.isEmpty == true)
        let name = try #require(first.first?.good.last)
        let file = medium.path.appending(fixture.name).appending(name)
        let before = try sh("stat -c '%i %s' \(file)").output
        try sh("printf X | dd of=\(file) bs=1 seek=100 conv=notrunc status=none")
        let repaired = try fixture.copy(to: [medium.path])
        #expect(repaired.first?.repaired == [name: 1])
        #expect(try sh("stat -c '%i %s' \(file)").output == before)
        #expect(try fixture.isWhole([medium.path]))
    }

    @Test func `media that are too small are refused before the first byte, with what would do`() throws {
        let fixture = try CopyFixture()
        let (bytes, _) = try fixture.volumes()
        let medium = try SmallMedium(fixture.place, "a", bytes: bytes / 2)
        do {
            _ = try fixture.copy(to: [medium.path])
            Issue.record("it was copied")
        } catch CopyError.noRoom(let room) {
            #expect(room.missing > bytes / 4 && room.missing < bytes && room.fitting > 0 && room.fitting < room.all)
            #expect((room.mediaNeeded ?? 0) >= 2)
            #expect(CopyError.noRoom(room).failure == .noSpace && CopyError.noRoom(room).missingBytes == room.missing)
            // as many as it says do
            let media = try (0..<(room.mediaNeeded ?? 0)).map {
                try SmallMedium(fixture.place, "m\($0)", bytes: bytes / 2)
            }
            #expect(try fixture.copy(to: media.map(\.path)).allSatisfy(\.isWhole))
        }
        #expect(try medium.path.entries().isEmpty)
    }

    @Test func `a medium that fills up stops no other, and the same command goes on`() throws {
        let fixture = try CopyFixture()
        let media = try ["a", "b"].map { try SmallMedium(fixture.place, $0, bytes: 64 << 20) }
        let plan = try CopyPlan(try fixture.source(), to: media.map(\.path), fixture.options)
        try media[1].fill(leaving: 2 << 20)
        let results = try plan.run(Progress())
        #expect(results[0].isWhole && !results[1].isWhole)
        #expect(results[1].errors.first?.failure == .noSpace)
        #expect(try !media[1].path.entries().contains { $0.hasPrefix("MEDIUM") })
        try media[1].path.appending("filler").removeFile()
        let again = try fixture.copy(to: media.map(\.path))
        #expect(again.allSatisfy(\.isWhole) && again[0].bytesWritten == 0)
        // the first had been read back by the run before
        #expect(Set(again[0].notReadAgain) == Set(results[0].good))
        #expect(again.map(\.planned) == results.map(\.planned))
        #expect(try fixture.isWhole(media.map(\.path)))
        let third = try fixture.copy(to: media.map(\.path))
        #expect(third.allSatisfy { $0.isWhole && $0.notReadAgain.isEmpty && $0.bytesWritten == 0 })
    }

    @Test(.enabled(if: LoopMedium.isPossible, "there are no loop devices here"))
    func `a medium that is pulled stops no other, is named, and is gone on with`() throws {
        let fixture = try CopyFixture()
        let good = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let pulled = try LoopMedium(fixture.place, "b", megabytes: 48)
        let media = [good.path, pulled.path]
        let plan = try CopyPlan(try fixture.source(), to: media, fixture.options)
        try pulled.pull()
        let results = try plan.run(Progress())
        #expect(results[0].isWhole && results[0].good.count == results[0].planned.count)
        #expect(results[1].errors.map(\.failure) == [.failed] && results[1].good.isEmpty)
        try pulled.unmount()
        try pulled.mount()
        let again = try fixture.copy(to: media)
        #expect(again.allSatisfy(\.isWhole) && again[0].bytesWritten == 0, "\(again)")
        #expect(try fixture.isWhole(media))
    }

    @Test func `killed at any moment, the same command goes on to the same bytes`() throws {
        let fixture = try CopyFixture()
        let media = try ["a", "b"].map { try SmallMedium(fixture.place, $0, bytes: 64 << 20) }
        let command = fixture.command(media.flatMap { ["--to", $0.path.string] })
        var kills = 0
        for number in 0..<8 {
            let child = try ChildProcess(
                command, output: fixture.place.appending("stdout"), errorOutput: fixture.place.appending("stderr"))
            if child.wait(seconds: 0.05 + 0.03 * Double(number)) == nil { kills += 1 }
            child.kill()
        }
        #expect(kills >= 1)
        let last = try run(command + ["--output", "json"])
        #expect(last.status == 0, "\(last.errorOutput)")
        #expect(last.output.contains(#""exitCode":0"#) && last.output.contains(#""media":["#))
        #expect(try fixture.isWhole(media.map(\.path)))
        for medium in media { #expect(try fixture.partials(medium.path).isEmpty) }
    }

    @Test func `a subset copied by hand verifies, and is gone on with, half a file included`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let volumes = try fixture.source().items.map(\.name)
        let folder = medium.path.appending(fixture.name)
        try sh(
            """
            cd \(fixture.bundle) && mkdir -p \(folder)/volumes && cp -r $(ls | grep -v volumes) \(folder)/
            cp \(volumes[1]) \(folder)/volumes/ && head -c 700000 \(volumes[2]) > \(folder)/\(volumes[2])
            """)
        #expect(try fixture.verified([medium.path]).missingVolumes.count == volumes.count - 2)
        let results = try fixture.copy(to: [medium.path])
        #expect(results.first?.isWhole == true)
        let all = try fixture.volumes().bytes
        #expect((results.first?.bytesWritten ?? 0) < all)
        #expect(try fixture.isWhole([medium.path]))
    }
}

@Suite(.enabled(if: canMount, "making small media (tmpfs) needs root")) struct CopyRefusalTests {
    @Test func `another release under the same name is left alone`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let folder = medium.path.appending(fixture.name)
        try sh("mkdir \(folder) && echo '{}' > \(folder)/release.json")
        #expect(throws: CopyError.otherRelease(folder)) { try fixture.copy(to: [medium.path]) }
        #expect(try folder.entries() == ["release.json"])
    }

    @Test func `what a site would refuse is named before the first byte`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let folder = medium.path.appending(fixture.name)
        try sh("mkdir -p \(folder)/trust && echo x > \(folder)/trust/2.root.json")
        #expect(throws: CopyError.foreignName(folder.appending("trust/2.root.json"))) {
            try fixture.copy(to: [medium.path])
        }
    }

    @Test func `one file system given twice, and the bundle itself, are no media`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        try sh("mkdir \(medium.path)/one \(medium.path)/two")
        let two = ["one", "two"].map { medium.path.appending($0) }
        #expect(throws: CopyError.oneFileSystem(two[0], two[1])) { try fixture.copy(to: two) }
        let inside = fixture.bundle.removingLastComponent()
        #expect(throws: CopyError.sourceInside(inside)) { try fixture.copy(to: [inside]) }
    }

    @Test func `a longer file under a volume's name is not ours to touch`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let item = try #require(try fixture.source().items.first)
        let path = medium.path.appending(fixture.name).appending(item.name)
        try sh("mkdir -p \(path.removingLastComponent()) && truncate -s \(item.length + 1) \(path)")
        #expect(throws: CopyError.self) { try fixture.copy(to: [medium.path]) }
        #expect(try path.statusIfPresent()?.size == item.length + 1)
    }

    @Test func `a damaged source stops its volume, is named, and never reaches a medium`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let bad = fixture.place.appending(fixture.name)
        try sh("cp -r \(fixture.bundle) \(fixture.place.path)/")
        let item = try fixture.source().items[1]
        try sh("printf X | dd of=\(bad)/\(item.name) bs=1 seek=9 conv=notrunc status=none")
        let results = try CopyPlan(try fixture.source([bad]), to: [medium.path], fixture.options).run(Progress())
        #expect(results[0].errors.map(\.failure) == [.damaged])
        #expect(results[0].good.count == results[0].planned.count - 1)
        #expect(try !medium.path.appending(fixture.name).appending(item.name).exists())
        try sh("cp \(fixture.bundle)/\(item.name) \(bad)/\(item.name)")
        let again = try CopyPlan(try fixture.source([bad]), to: [medium.path], fixture.options).run(Progress())
        #expect(again[0].isWhole)
        #expect(try fixture.isWhole([medium.path]))
    }
}
