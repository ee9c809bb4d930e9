// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import Glibc
import Importing
import OCI
import Support
import SystemPackage
import Testing

/// Loads into the storage folder of a Zot that is stopped.
struct ZotRootTests {
    private let site: Site
    private let root: FilePath
    private var target: ZotRootTarget { get throws { ZotRootTarget(try ZotRoot(parsing: "\(root):spectro-content")) } }

    init() throws {
        site = try Site()
        root = site.folder.appending("zot")
        try root.createDirectories()
    }

    /// Every file below the root that is no folder, with its path below it.
    private func files() throws -> [String] {
        let found = try run(["find", root.string, "-type", "f", "-printf", "%P\n"])
        return found.output.split(separator: "\n").map(String.init).sorted()
    }

    @Test func `the stand-in of Zot serves what was written while it was stopped`() throws {
        let receipt = try site.load(target)
        #expect(receipt.outcome == "done" && receipt.counts.readBack.isComplete)
        #expect(receipt.counts.stagingLeft.isEmpty)
        #expect(receipt.target == "zot-root:\(root):spectro-content")
        let server = try ZotServer(folder: root)
        let served = try site.load(registryTarget(server.url + "/spectro-content"))
        #expect(served.nothingToDo)
        #expect(served.counts.readBack.isComplete)
        #expect(served.counts.readBack.tags == receipt.counts.readBack.tags)
        server.collect(olderThan: .zero)
        let after = Check(receipt, at: try registryTarget(server.url + "/spectro-content"), jobs: 4)
        #expect(try after.run(Progress()).faults.isEmpty)
    }

    @Test func `what Zot was sent is known, and nothing is written again`() throws {
        let server = try ZotServer(folder: root)
        _ = try site.load(registryTarget(server.url + "/spectro-content"))
        server.stop()
        let before = try files()
        let receipt = try site.load(target)
        #expect(receipt.nothingToDo)
        #expect(try files() == before)
    }

    @Test func `blobs that repositories share are one file`() throws {
        let receipt = try site.load(target)
        #expect(receipt.counts.mounted.blobs > 0)
        let places = Dictionary(grouping: receipt.objects) { $0.digest }
        for (digest, objects) in places {
            let names = Set(objects.map(\.repository))
            let identities = names.map { repository in
                root.appending("spectro-content").pushing(FilePath(repository)).appending("blobs/sha256")
                    .appending(digest.hex).identityIfSeen()
            }
            #expect(Set(identities).count == 1 && identities.allSatisfy { $0 != nil }, "\(digest)")
        }
        let unique = places.values.reduce(Int64(0)) { $0 + ($1.first?.size ?? 0) }
        let blobs = try run(["bash", "-c", "find \(root) -path '*/blobs/*' -type f -printf '%i %s\\n' | sort -u"])
        let onDisk = blobs.output.split(separator: "\n").compactMap {
            $0.split(separator: " ").last.flatMap { Int64($0) }
        }
        #expect(onDisk.reduce(0, +) == unique)
    }

    @Test(.enabled(if: geteuid() == 0, "only root gives files away"))
    func `files belong to whom Zot's files belong`() throws {
        try root.set(Ownership(user: 1234, group: 4321, mode: 0o750))
        _ = try site.load(target)
        let others = try run(["find", root.string, "-mindepth", "1", "!", "(", "-uid", "1234", "-gid", "4321", ")"])
        #expect(others.output.isEmpty, "\(others.output)")
        let modes = try run(["bash", "-c", "find \(root) -mindepth 1 -printf '%y %m\\n' | sort -u"])
        #expect(modes.output == "d 700\nf 600\n")
        #expect(try root.ownership() == Ownership(user: 1234, group: 4321, mode: 0o750))
        // a neighbour's modes are kept: another Zot, or a file system's group, may want them so
        let first = root.appending("spectro-content/library/db")
        try first.set(Ownership(user: 77, group: 78, mode: 0o2770))
        try first.appending("index.json").set(Ownership(user: 77, group: 78, mode: 0o660))
        let sample = root.appending("aaa")
        _ = try run(["cp", "-a", first.string, sample.string])
        _ = try run(["rm", "-r", root.appending("spectro-content").string])
        _ = try site.load(target)
        #expect(
            try root.appending("spectro-content").ownership() == Ownership(user: 77, group: 78, mode: 0o2770))
    }

    @Test(arguments: ["cache.db", "meta.db"])
    func `a Zot that holds a database is left alone`(database: String) throws {
        try root.appending(database).replaceContents(with: [])
        let holder = try OpenFile.writing(root.appending(database))
        #expect(try holder.lock())
        let failure = try site.failure(of: target)
        guard case .live(root, let what) = failure.cause as? ZotRootError else {
            Issue.record("\(failure)")
            return
        }
        #expect(failure.failure == .refused)
        #expect(what.contains(database))
        #expect(try files() == [database])
    }

    @Test func `a process that has a file open is named`() throws {
        let upload = root.appending("library/db/.uploads/1")
        try upload.removingLastComponent().createDirectories()
        try upload.replaceContents(with: [1])
        let process = try ChildProcess(
            ["sleep", "60"], input: upload, output: site.folder.appending("o"), errorOutput: site.folder.appending("e"))
        try root.appending("cache.db").replaceContents(with: [])
        let failure = try site.failure(of: target)
        #expect("\(failure)".contains("process \(process.id) (sleep)"))
        #expect(failure.failure == .refused)
        process.kill()
        #expect(try site.load(target).outcome == "done")
    }

    @Test func `an upload that goes on counts, an old one doesn't`() throws {
        let server = try ZotServer(folder: root)
        _ = try site.load(registryTarget(server.url + "/spectro-content"))
        server.stop()
        let uploads = root.appending("spectro-content/library/db/.uploads")
        try uploads.createDirectories()
        try uploads.appending("1").replaceContents(with: [1])
        #expect("\(try site.failure(of: target))".contains("an upload to spectro-content/library/db"))
        _ = try run(["touch", "-d", "2 minutes ago", uploads.appending("1").string])
        #expect(try site.load(target).outcome == "done")
    }

    @Test func `nothing is visible of a load that was stopped, and the same goes on`() throws {
        let medium = try site.medium("damaged", without: [])
        let volumes = medium.appending("volumes")
        let last = volumes.appending(try #require(try volumes.entries().first { $0.contains(".003.") }))
        let size = try #require(try last.statusIfPresent()?.size)
        try last.replaceContents(with: [UInt8](repeating: 0xAA, count: Int(size)))
        let failure = try site.failure(of: target, media: [medium], jobs: 1)
        #expect(failure.failure == .damaged)
        #expect(try files().contains { $0.hasSuffix("index.json") } == false)
        let written = try files().filter { $0.contains("/blobs/") }.count
        #expect(written > 0)
        let receipt = try site.load(target)
        #expect(receipt.outcome == "done" && receipt.counts.skipped.blobs > 0)
        #expect(try files().contains { $0.hasPrefix(".dray") } == false)
    }

    @Test(arguments: ["notes", "library/notes", "library/db/notes", "library/db/sub/blobs/x"])
    func `a folder that holds anything but what a stopped load left is refused`(file: String) throws {
        let begun = root.appending("library/db")
        try begun.appending("blobs/sha256").createDirectories()
        try begun.appending("oci-layout").replaceContents(with: [])
        try begun.appending("blobs/sha256/\(Digest(of: [1]).hex)").replaceContents(with: [1])
        try root.appending(".dray").createDirectories()
        let foreign = root.pushing(FilePath(file))
        try foreign.removingLastComponent().createDirectories()
        try foreign.replaceContents(with: [1])
        let before = try files()
        let failure = try site.failure(of: target)
        guard case .otherFolder? = failure.cause as? ZotRootError else {
            Issue.record("\(failure)")
            return
        }
        #expect(failure.failure == .usage)
        #expect(try files() == before)
        _ = try run(["rm", "-r", foreign.string])
        #expect(try site.load(target).outcome == "done")
    }

    @Test func `a damaged blob is written anew, and other names of the damaged file keep it`() throws {
        let receipt = try site.load(target)
        let layer = try #require(receipt.objects.filter { $0.manifestType == nil }.max { $0.size < $1.size })
        let place = root.appending("spectro-content/\(layer.repository)/blobs/sha256/\(layer.digest.hex)")
        #expect(try place.addName(root.appending("other")))
        let file = try OpenFile.writing(place)
        let byte = try file.bytes(at: 100, length: 1)
        try file.write([byte[0] ^ 1], at: 100)
        let faults = try Check(receipt, at: target, jobs: 2).run(Progress()).faults
        #expect(faults.contains { $0.name.contains(layer.digest.hex) })
        let second = try site.load(target)
        #expect(second.outcome == "done")
        #expect(try Digest(of: place.contents(limit: 1 << 30)) == layer.digest)
        #expect(try Digest(of: root.appending("other").contents(limit: 1 << 30)) != layer.digest)
    }

    @Test func `tags move only by leave, and undo puts them back after Zot has collected`() throws {
        let server = try ZotServer(folder: root)
        let url = server.url + "/spectro-content"
        _ = try site.load(registryTarget(url))
        let tag = root.appending("spectro-content/library/db/index.json")
        let other = try #require(
            try site.verified().release.references.first {
                $0.tag == nil || $0.name != "library/db:16" && $0.kind == "image"
            })
        let copied = try run([
            "skopeo", "copy", "-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
            "docker://\(url.dropFirst(7))/\(other.name)", "docker://\(url.dropFirst(7))/library/db:16",
        ])
        #expect(copied.status == 0, "\(copied.errorOutput)")
        server.stop()
        let before = try tag.contents(limit: 1 << 20)
        let refused = try site.failure(of: target)
        #expect(refused.failure == .refused)
        #expect(try tag.contents(limit: 1 << 20) == before)
        let receipt = try site.load(target, replaceTags: [TagPattern("library/*")])
        #expect(receipt.counts.tags.contains { $0.action == "move" && $0.repository == "library/db" })
        try server.restart()
        server.collect(olderThan: .zero)
        server.stop()
        let undo = try Undo(receipt, at: target, jobs: 2, progress: Progress())
        #expect(undo.lost.isEmpty)
        #expect(
            undo.steps.contains { if case .restoreTag(Place("library/db", "16"), _, _) = $0 { true } else { false } })
        #expect(try undo.carryOut(Progress()).finished().isEmpty)
        #expect(
            try target.session().manifestDigest(Place("library/db", "16"))?.description
                == receipt.counts.tags.first { $0.action == "move" }?.before)
    }

    @Test func `only Zot's folder is taken`() throws {
        #expect(throws: ZotRootError.badAddress("")) { try ZotRoot(parsing: "") }
        #expect(throws: ZotRootError.badAddress("/a:Not a name")) { try ZotRoot(parsing: "/a:Not a name") }
        #expect(try ZotRoot(parsing: "/a:b:").base == "")
        let missing = ZotRootTarget(try ZotRoot(parsing: "\(root)/none"))
        #expect(try site.failure(of: missing).cause as? ZotRootError == .missing(root.appending("none")))
        try root.appending("thesis.txt").replaceContents(with: [65])
        let failure = try site.failure(of: target)
        #expect(failure.cause as? ZotRootError == .otherFolder(root))
        #expect(try files() == ["thesis.txt"])
    }

    @Test func `the inventory lists each tag`() throws {
        _ = try site.load(target)
        let file = site.folder.appending("inventory.jsonl")
        let report = try Inventory(of: target, tool: "test").write(
            to: file, now: PackedSample.now, progress: Progress())
        let server = try ZotServer(folder: root)
        let other = site.folder.appending("other.jsonl")
        let served = try Inventory(of: registryTarget(server.url + "/spectro-content"), tool: "test").write(
            to: other, now: PackedSample.now, progress: Progress())
        #expect(report.warnings.isEmpty && served.warnings.isEmpty)
        // but for their first lines, which name the target
        let lines = try [file, other].map { file in
            String(decoding: try file.contents(limit: 1 << 24), as: UTF8.self).split(separator: "\n").dropFirst()
                .sorted()
        }
        #expect(lines[0] == lines[1])
    }
}
