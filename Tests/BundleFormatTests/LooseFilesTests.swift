// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Support
import SystemPackage
import Testing
import Trust

/// Bundles whose files have lost their folders or names.
@Suite struct LooseFilesTests {
    /// Two volumes of three blocks each, and what stands beside them.
    private static func draft(_ version: String = "1.2.3", seed: UInt64 = 40) throws -> Draft {
        var draft = Draft()
        draft.version = version
        for (number, name) in ["a.iso", "b.iso"].enumerated() {
            let bytes = noise((5 << 19) + number, seed: seed + UInt64(number))
            let frame = draft.plain(name, bytes)
            draft.object(bytes, [(draft.chunk(bytes, [(frame, 0, bytes.count)]), 0, bytes.count)])
        }
        return draft
    }

    private static func scene() throws -> Scene { try Scene(draft()) }

    /// Every file of a bundle without its second copies, by its name in it.
    private static func names(_ bundle: FilePath, below: String = "") throws -> [String] {
        try bundle.appending(below).entries().flatMap { entry -> [String] in
            let name = below + entry
            guard try bundle.appending(name).statusIfPresent()?.isDirectory == true else { return [name] }
            return name == "copies" ? [] : try names(bundle, below: name + "/")
        }
    }

    /// Copies the bundle's files into `folder` under the names that `rename` gives them.
    private static func scatter(_ bundle: FilePath, _ folder: FilePath, _ rename: (String) -> String?) throws {
        for name in try names(bundle) {
            if let other = rename(name) { try put(get(bundle.appending(name)), folder.appending(other)) }
        }
    }

    private static func loose(_ folder: FilePath) throws -> [LooseFile] {
        try folder.entries().compactMap { try LooseFile($0, in: folder) }
    }

    private static func verified(_ paths: [FilePath], _ scene: Scene) throws -> VerifiedBundle {
        let trust = try scene.publisher.pinned
        return try MediaSet(paths, trust: trust).bundle().verified(by: trust, now: Publisher.now)
    }

    private static func numbered() -> (String) -> String {
        var number = 0
        return { _ in
            number += 1
            return "DSC\(number).BIN"
        }
    }

    @Test(arguments: ["flat", "last names", "numbers"])
    func `finds a whole bundle in one folder`(_ kind: String) throws {
        let scene = try LooseFilesTests.scene()
        let folder = scene.place.appending("drop")
        let number = LooseFilesTests.numbered()
        try LooseFilesTests.scatter(scene.bundle, folder) { name in
            switch kind {
            case "flat": "palette-enterprise-1.2.3--" + name.split(separator: "/").joined(separator: "--")
            case "numbers": number(name)
            default: name.split(separator: "/").last.map(String.init)
            }
        }
        let bundle = try LooseFilesTests.verified([folder], scene)
        #expect(bundle.name == "palette-enterprise-1.2.3")
        #expect(bundle.missingVolumes.isEmpty)
        // no folder has second copies here
        #expect(bundle.findings.allSatisfy { $0.isAboutCopies })
        #expect(try bundle.checkVolumes(threads: 2, progress: Progress()).affectedObjects.isEmpty)
        let files = try folder.entries().map { folder.appending($0) }
        #expect(try LooseFilesTests.verified(files, scene).missingVolumes.isEmpty)
    }

    @Test func `finds volumes beside and below their bundle, whatever their names`() throws {
        let scene = try LooseFilesTests.scene()
        let stick = scene.place.appending("stick")
        try put(get(scene.path("volumes/b.iso")), stick.appending("disc2.bin"))
        try scene.path("volumes/b.iso").removeFile()
        #expect(try LooseFilesTests.verified([scene.bundle], scene).missingVolumes.map(\.name) == ["b.iso"])
        for media in [stick, stick.appending("disc2.bin")] {
            let bundle = try LooseFilesTests.verified([scene.bundle, media], scene)
            #expect(bundle.findings == [.renamed(stick.appending("disc2.bin"), volume: "b.iso")])
            #expect(try bundle.checkVolumes(threads: 2, progress: Progress()).failure == nil)
        }
        // inside of the bundle's own folder, where only names that are signed are looked for at first
        try put(get(stick.appending("disc2.bin")), scene.path("volumes/B~1.ISO"))
        let bundle = try LooseFilesTests.verified([scene.bundle], scene)
        #expect(bundle.findings == [.renamed(scene.path("volumes/B~1.ISO"), volume: "b.iso")])
    }

    @Test func `tells what is whole, what is arriving and what is missing`() throws {
        let scene = try LooseFilesTests.scene()
        let folder = scene.place.appending("drop")
        let trust = try scene.publisher.pinned
        let contents = LooseContents()
        func look() throws -> LooseBundle? {
            let found = LooseFiles(try LooseFilesTests.loose(folder), contents: contents).bundles(by: trust)
            #expect(found.unreadable.isEmpty && found.bundles.count <= 1)
            return found.bundles.first
        }
        let number = LooseFilesTests.numbered()
        try LooseFilesTests.scatter(scene.bundle, folder) { $0.hasPrefix("trust/") ? number($0) : nil }
        let first = try #require(try look())
        #expect(first.name == "palette-enterprise-1.2.3" && !first.isReadable && first.missing.contains("index"))
        try LooseFilesTests.scatter(scene.bundle, folder) {
            $0.hasPrefix("trust/") || $0.hasPrefix("volumes/") ? nil : number($0)
        }
        let second = try #require(try look())
        #expect(second.isReadable && second.partial.isEmpty)
        #expect(second.missing == ["volumes/a.iso", "volumes/b.iso"])
        let bytes = try get(scene.path("volumes/b.iso"))
        let arriving = folder.appending("incoming.tmp")
        for count in [1 << 20, (1 << 20) + 5, bytes.count - 1] {
            try put(Array(bytes.prefix(count)), arriving)
            let partial = try #require(try look()?.partial)
            #expect(partial.map(\.name) == ["volumes/b.iso"] && partial.map(\.file) == [arriving])
            #expect(partial.map(\.size) == [UInt64(count)])
            #expect(try look()?.missing == ["volumes/a.iso"])
        }
        // as long as it will be, but its end has not come yet
        try put(bytes.dropLast(1000) + [UInt8](repeating: 0, count: 1000), arriving)
        #expect(try look()?.complete.contains("volumes/b.iso") == false)
        try put(bytes, arriving)
        let third = try #require(try look())
        #expect(third.complete.contains("volumes/b.iso") && third.partial.isEmpty)
        let verified = try third.bundle.verified(by: trust, now: Publisher.now)
        #expect(verified.missingVolumes.map(\.name) == ["a.iso"])
    }

    @Test func `keeps bundles apart that lie in one folder and share files`() throws {
        let scene = try LooseFilesTests.scene()
        let other = scene.place.appending("palette-enterprise-1.2.4")
        var draft = try LooseFilesTests.draft("1.2.4", seed: 40)
        draft.small["rescue.py"] = Array("print(2)\n".utf8)
        try scene.publisher.write(draft, to: other, after: scene.metadata)
        let folder = scene.place.appending("drop")
        let number = LooseFilesTests.numbered()
        for bundle in [scene.bundle, other] { try LooseFilesTests.scatter(bundle, folder, number) }
        let trust = try scene.publisher.pinned
        let set = try MediaSet([folder], trust: trust)
        #expect(set.releases == ["palette-enterprise-1.2.3", "palette-enterprise-1.2.4"])
        for name in set.releases {
            let bundle = try set.bundle(name).verified(by: trust, now: Publisher.now)
            #expect(try bundle.checkVolumes(threads: 1, progress: Progress()).failure ?? .damaged == .damaged)
            #expect(bundle.missingVolumes.isEmpty)
        }
    }

    @Test func `finds nothing without a root that is trusted`() throws {
        let scene = try LooseFilesTests.scene()
        let folder = scene.place.appending("drop")
        try LooseFilesTests.scatter(scene.bundle, folder, LooseFilesTests.numbered())
        let stranger = try Publisher(product: "other").pinned
        #expect(throws: BundleError.noBundle([folder])) { try MediaSet([folder], trust: stranger) }
        #expect(throws: BundleError.noBundle([folder])) { try MediaSet([folder]) }
    }

    @Test func `opens no link, no pipe and no folder among loose files`() throws {
        let scene = try LooseFilesTests.scene()
        let folder = scene.place.appending("drop")
        try LooseFilesTests.scatter(scene.bundle, folder) {
            $0.hasPrefix("volumes/")
                ? nil : "palette-enterprise-1.2.3--" + $0.split(separator: "/").joined(separator: "--")
        }
        let name = "palette-enterprise-1.2.3--volumes--a.iso"
        let volume = scene.path("volumes/a.iso").string
        for command in [["ln", "-s", volume], ["mkfifo"], ["mkdir"]] {
            let path = folder.appending(name)
            try #require(run(command + [path.string]).status == 0)
            let bundle = try LooseFilesTests.verified([folder], scene)
            #expect(bundle.missingVolumes.map(\.name) == ["a.iso", "b.iso"])
            try #require(run(["rm", "-r", path.string]).status == 0)
        }
        // another name of the same file is as good as any: its blocks decide
        try #require(run(["ln", volume, folder.appending(name).string]).status == 0)
        #expect(try LooseFilesTests.verified([folder], scene).missingVolumes.map(\.name) == ["b.iso"])
    }

    @Test func `says which flat files in trust and kit nothing signs`() throws {
        let scene = try LooseFilesTests.scene()
        let folder = scene.place.appending("drop")
        try LooseFilesTests.scatter(scene.bundle, folder) {
            "palette-enterprise-1.2.3--" + $0.split(separator: "/").joined(separator: "--")
        }
        try put([1], folder.appending("palette-enterprise-1.2.3--notes.txt"))
        let findings = try LooseFilesTests.verified([folder], scene).findings
        #expect(findings.contains(.unsignedName(folder.appending("palette-enterprise-1.2.3--notes.txt"))))
        let program = folder.appending("palette-enterprise-1.2.3--kit--bin--sh")
        try put([1], program)
        #expect(throws: BundleError.extraName(program)) { try LooseFilesTests.verified([folder], scene) }
    }

    @Test func `finds bundles three levels below and no deeper`() throws {
        let scene = try LooseFilesTests.scene()
        let mount = scene.place.appending("mount")
        for (depth, isFound) in [("a/b", true), ("a/b/c", false)] {
            try #require(run(["rm", "-rf", mount.string]).status == 0)
            try mount.appending(depth).createDirectories()
            try #require(run(["cp", "-r", scene.bundle.string, mount.appending(depth).string]).status == 0)
            #expect((try? MediaSet([mount]).releases) == (isFound ? ["palette-enterprise-1.2.3"] : nil))
        }
    }

    @Test func `takes a damaged loose file by its name, so that it is damaged and not missing`() throws {
        let scene = try LooseFilesTests.scene()
        let folder = scene.place.appending("drop")
        try LooseFilesTests.scatter(scene.bundle, folder) { $0.split(separator: "/").last.map(String.init) }
        try flip(folder.appending("README-VERIFY.txt"), at: 0)
        #expect(throws: BundleError.fileDamaged(folder.appending("README-VERIFY.txt"))) {
            try LooseFilesTests.verified([folder], scene)
        }
        try put(get(scene.path("README-VERIFY.txt")), folder.appending("README-VERIFY.txt"))
        try put(noise(100), folder.appending("b.iso"))
        let bundle = try LooseFilesTests.verified([folder], scene)
        #expect(bundle.missingVolumes.isEmpty)
        let report = try bundle.checkVolumes(threads: 1, progress: Progress())
        #expect(report.failure == .damaged && report.affectedObjects.count == 1)
    }
}
