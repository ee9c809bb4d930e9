// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Copying
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// What else a copy can be: flat, blocks alone, images of discs; and what is written for people.
@Suite(.enabled(if: canMount, "making small media (tmpfs) needs root")) struct FormTests {
    private func text(_ path: FilePath) throws -> String {
        String(decoding: try path.contents(limit: 1 << 20), as: UTF8.self)
    }

    @Test func `a flat copy has every file under its flat name, and goes on like any other`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        var options = fixture.options
        options.isFlat = true
        #expect(try fixture.copy(to: [medium.path], options).allSatisfy(\.isWhole))
        let names = try medium.path.entries().filter { !$0.hasPrefix("MEDIUM-") }
        let expected = try sh(
            "cd \(fixture.bundle) && find . -type f | sed 's|^./||; s|/|--|g; s|^|\(fixture.name)--|'"
        ).output
        #expect(names.sorted() == expected.split(separator: "\n").map(String.init).sorted())
        #expect(names.contains("\(fixture.name)--trust--1.root.json"))
        // the way back, by hand
        let back = fixture.place.appending("back")
        try sh(
            """
            cd \(medium.path) && for f in \(fixture.name)--*; do n=${f#\(fixture.name)--}; t=\(back)/\(fixture.name)/${n//--//}
            mkdir -p $(dirname $t) && cp $f $t; done
            """)
        #expect(try fixture.isWhole([back]))
        #expect(try fixture.copy(to: [medium.path], options).first?.bytesWritten == 0)
    }

    @Test func `only the blocks of a report are copied, each as it is signed`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let source = try fixture.source()
        let index = source.bundle.index
        let last = Volume.blockCount(of: index.volumes[1].length) - 1
        let report = BlockReport(
            bundle: source.name, release: source.release,
            volumes: [.init(missing: 0), .init(number: 1, badBlocks: [last])])
        let result = try run(fixture.command(["--to", medium.path.string, "--blocks", report.short]))
        #expect(result.status == 0, "\(result.errorOutput)")
        let folder = medium.path.appending(fixture.name)
        #expect(try !folder.appending("volumes").exists())
        let wanted = (0..<Volume.blockCount(of: index.volumes[0].length)).map { (0, $0) } + [(1, last)]
        let bytes = try folder.appending("blocks/001.blocks").contents(limit: 64 << 20)
        func integer(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
        #expect(Array(bytes.prefix(8)) == Array("DRAYBLK1".utf8))
        #expect(Array(bytes[8..<40]) == source.release.bytes)
        #expect(
            Digest(bytes: bytes[40..<72]) == Digest(of: try fixture.bundle.appending("index").contents(limit: 1 << 24)))
        #expect(integer(72) == wanted.count && bytes.count == 4096 + wanted.count << 20)
        for (number, (volume, block)) in wanted.enumerated() {
            #expect(integer(80 + 8 * number) == volume && integer(84 + 8 * number) == block)
            let length = index.volumes[volume].bytes(ofBlock: block).count
            let slot = Array(bytes[(4096 + number << 20)..<(4096 + (number + 1) << 20)])
            #expect(Digest(of: Array(slot[..<length])) == index.blockDigest(volume: volume, block: block))
            #expect(slot[length...].allSatisfy { $0 == 0 })
        }
        // a file with its JSON does the same, and writes nothing again
        let file = fixture.place.appending("report.json")
        try write(report.json.canonicalBytes, to: file)
        let again = try run(fixture.command(["--to", medium.path.string, "--blocks", file.string, "--output", "json"]))
        #expect(again.status == 0 && again.output.contains(#""bytesWritten":4096"#), "\(again.output)")
    }

    @Test func `a report about another release, or mistyped, is refused`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        let other = BlockReport(bundle: "x", release: Digest(of: [1]), volumes: [.init(missing: 0)]).short
        #expect(try run(fixture.command(["--to", medium.path.string, "--blocks", other])).status == 14)
        #expect(
            try run(fixture.command(["--to", medium.path.string, "--blocks", String(other.dropLast()) + "_"])).status
                == 64)
        #expect(try medium.path.entries().isEmpty)
    }

    @Test func `images of discs hold the bundle, are read back, and are not made again`() throws {
        let fixture = try CopyFixture()
        let out = fixture.place.appending("discs")
        let capacity = try fixture.volumes().bytes / 2 + (6 << 20)
        let command = fixture.command(["--read-only-media", out.string, "--capacity", "\(capacity)"])
        let plan = try run(command + ["--dry-run"])
        #expect(plan.status == 0 && plan.output.contains("takes 2 discs"), "\(plan.output)\(plan.errorOutput)")
        #expect(try !out.exists())
        let first = try run(command)
        #expect(first.status == 0, "\(first.errorOutput)")
        let images = ["1of2", "2of2"].map { out.appending("\(fixture.name)-\($0).iso") }
        let (one, two) = (fixture.place.appending("one"), fixture.place.appending("two"))
        for (image, folder) in zip(images, [one, two]) {
            #expect(try image.statusIfPresent()?.size ?? .max <= capacity)
            try sh("cd \(out) && sha256sum --quiet -c \(image.lastComponent?.string ?? "").sha256")
            try sh("xorriso -osirrox on -indev \(image) -extract / \(folder) 2>/dev/null && chmod -R u+w \(folder)")
        }
        #expect(try one.entries() == ["MEDIUM-1-\(fixture.name).html", "MEDIUM-1-\(fixture.name).txt", fixture.name])
        #expect(try fixture.isWhole([one, two]))
        let stamp = try sh("stat -c '%i %Y %Z' \(images[0]) \(images[1])").output
        let again = try run(command)
        #expect(again.status == 0 && again.output.contains("was there"))
        #expect(try sh("stat -c '%i %Y %Z' \(images[0]) \(images[1])").output == stamp)
        #expect(try out.entries().filter { $0.hasPrefix(".") }.isEmpty)
    }

    @Test func `a damaged source makes no image`() throws {
        let fixture = try CopyFixture()
        let bad = fixture.place.appending(fixture.name)
        try sh("cp -r \(fixture.bundle) \(fixture.place.path)/")
        let item = try fixture.source().items[1]
        try sh("printf X | dd of=\(bad)/\(item.name) bs=1 seek=9 conv=notrunc status=none")
        let out = fixture.place.appending("discs")
        let result = try run([
            SourceTree.tool("dray").string, "copy", bad.string, "--read-only-media", out.string, "--capacity", "dvd",
        ])
        #expect(result.status == 13 && result.errorOutput.contains(item.name), "\(result.errorOutput)")
        #expect(try !out.entries().contains { $0.hasSuffix(".iso") })
    }

    @Test func `the label says what is where, and the sheet needs nothing else`() throws {
        let fixture = try CopyFixture()
        let medium = try SmallMedium(fixture.place, "a", bytes: 64 << 20)
        // what an earlier run wrote under another number goes; what isn't ours stays
        try sh("echo mine > '\(medium.path)/MEDIUM-9-\(fixture.name).txt'")
        #expect(try fixture.copy(to: [medium.path]).allSatisfy(\.isWhole))
        let label = try text(medium.path.appending("MEDIUM-1-\(fixture.name).txt"))
        let sheet = try text(medium.path.appending("MEDIUM-1-\(fixture.name).html"))
        #expect(label.hasPrefix("MEDIUM 1 OF 1\n"))
        for volume in try fixture.verified([fixture.bundle]).index.volumes {
            #expect(label.contains("\(volume.digest.hex)  volumes/\(volume.name)\n"))
            #expect(sheet.contains(volume.digest.hex) && sheet.contains(volume.name))
        }
        let root = Digest(of: try fixture.root.contents(limit: 1 << 20)).hex
        #expect(label.contains("root=\(root) release="))
        for word in ["<script", "src=", "href=", "@import", "url("] { #expect(!sheet.contains(word), "\(word)") }
        #expect(try text(medium.path.appending("MEDIUM-9-\(fixture.name).txt")) == "mine\n")
    }
}
