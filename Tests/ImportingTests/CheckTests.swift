// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing

/// What a receipt proves and undoes, at a stand-in of Zot and at docker-registry.
struct CheckTests {
    private let site: Site
    private let server: ZotServer
    private let target: RegistryTarget
    private let receipt: Receipt

    init() throws {
        (site, server) = (try Site(), try ZotServer())
        target = try registryTarget(server.url + "/spectro-content")
        receipt = try site.load(target)
    }

    private func check(deep: Bool = false) throws -> CheckResult {
        var check = Check(receipt, at: target, jobs: 2)
        check.isDeep = deep
        return try check.run(Progress())
    }

    private var layer: ReceiptObject {
        get throws { try #require(receipt.objects.filter { $0.manifestType == nil }.max { $0.size < $1.size }) }
    }

    @Test(arguments: [false, true])
    func `everything is there`(deep: Bool) throws {
        let result = try check(deep: deep)
        #expect(result.faults.isEmpty)
        #expect(result.manifests == receipt.counts.readBack.manifests)
        #expect(result.blobs == receipt.counts.readBack.blobs)
        #expect(result.tags == receipt.counts.tags.count)
    }

    @Test func `a blob that is gone is named with the volumes that bring it`() throws {
        let layer = try layer
        server.removeBlob("spectro-content/" + layer.repository, layer.digest.description)
        for other in receipt.objects where other.digest == layer.digest {  // or dedupe finds it there
            server.removeBlob("spectro-content/" + other.repository, other.digest.description)
        }
        let result = try check()
        let fault = try #require(result.faults.first { $0.kind == .missing })
        #expect(fault.name.contains(layer.digest.hex))
        #expect(!result.volumes.isEmpty)
        #expect(result.volumes == layer.volumes)
    }

    @Test func `only a deep check sees a blob of the right size with other bytes`() throws {
        let layer = try layer
        let file = try OpenFile.writing(
            server.folder.appending("spectro-content/\(layer.repository)/blobs/sha256/\(layer.digest.hex)"))
        let byte = try file.bytes(at: 100, length: 1)
        try file.write([byte[0] ^ 1], at: 100)
        #expect(try check().faults.isEmpty)
        let faults = try check(deep: true).faults
        #expect(faults.contains { $0.kind == .damaged && $0.name.contains(layer.digest.hex) })
    }

    @Test func `a tag that was moved or removed is named`() throws {
        let image = try #require(receipt.counts.tags.first { $0.repository == "library/db" })
        let session = target.session()
        try session.remove(Place(image.repository, image.tag))
        let faults = try check().faults
        #expect(faults.map(\.kind) == [.missing])
        #expect(faults.map(\.name) == ["library/db:\(image.tag)"])
    }

    @Test func `an image that a pack names and the registry lacks is not resolved`() throws {
        var receipt = receipt
        let whole = try #require(receipt.counts.tags.first { $0.repository == "library/db" })
        receipt.packs = ["spectro-packs/archive/x:1": ["library/db:\(whole.tag)", "library/none:1"]]
        let result = try Check(receipt, at: target, jobs: 2).run(Progress())
        #expect(result.images == 2)
        #expect(result.faults.map(\.kind) == [.unresolved])
        #expect(result.faults.first?.name.hasPrefix("library/none:1 of spectro-packs/archive/x:1") == true)
    }

    @Test func `the newest good receipt of a release at this address is found by its name`() throws {
        let name = "\(receipt.product)-\(receipt.version)"
        for text in [nil, receipt.version, name] {
            #expect(try site.state.receipt(text, at: target.address).receipt.release == receipt.release)
        }
        #expect(throws: StateError.noSuchRelease("9.9", target.address, known: [name])) {
            try site.state.receipt("9.9", at: target.address)
        }
        #expect(throws: StateError.noSuchRelease(nil, "http://elsewhere", known: [name])) {
            try site.state.receipt(nil, at: "http://elsewhere")
        }
    }

    @Test func `undo takes away what the load brought, and only after it was shown`() throws {
        let undo = try Undo(receipt, at: target, jobs: 2, progress: Progress())
        #expect(try check().faults.isEmpty)
        #expect(undo.kept.isEmpty)
        #expect(try undo.carryOut(Progress()).finished().isEmpty)
        for repository in server.contentRepositories {
            #expect(server.tags(of: repository).isEmpty)
            #expect(server.manifests(of: repository).isEmpty)
        }
        #expect(try Undo(receipt, at: target, jobs: 2, progress: Progress()).steps.isEmpty)
        #expect(try site.load(target).counts.readBack.isComplete)
    }

    @Test func `undo keeps what another tag leads to, and a tag that someone has set since`() throws {
        let image = try #require(receipt.counts.tags.first { $0.repository == "library/db" })
        let bytes = try #require(server.manifest("spectro-content/library/db", image.tag))
        try put(bytes, "library/db", "mine")
        let others = receipt.counts.tags.filter { $0.repository != "library/db" }
        let moved = try #require(others.first { $0.repository == "sonobuoy/sonobuoy" })
        let former = try #require(server.manifest("spectro-content/" + moved.repository, moved.tag))
        try put([UInt8(ascii: " ")] + former, moved.repository, moved.tag)
        let undo = try Undo(receipt, at: target, jobs: 2, progress: Progress())
        #expect(undo.kept.count == 2)
        #expect(try undo.carryOut(Progress()).finished().isEmpty)
        #expect(server.tags(of: "spectro-content/library/db") == ["mine"])
        #expect(server.manifest("spectro-content/library/db", "mine") == bytes)
        #expect(server.tags(of: "spectro-content/sonobuoy/sonobuoy") == [moved.tag])
    }

    @Test func `a tag that a load moved goes back, though Zot forgets what no tag names`() throws {
        let server = try ZotServer()
        let target = try registryTarget(server.url + "/spectro-content")
        let image = try #require(receipt.counts.tags.first { $0.repository == "library/db" })
        _ = try site.load(target)
        let own = try #require(server.manifest("spectro-content/library/db", image.tag))
        let foreign = [UInt8(ascii: " ")] + own
        try put(foreign, "library/db", image.tag, at: server)
        let moving = try site.load(target, replaceTags: [TagPattern("library/db:*")])
        #expect(server.tags(of: "spectro-content/library/db").contains { $0.hasPrefix("dray-former-") })
        let undo = try Undo(
            moving, others: try site.state.otherReceipts(than: moving), at: target, jobs: 2, progress: Progress())
        #expect(undo.lost.isEmpty)
        #expect(try undo.carryOut(Progress()).finished().isEmpty)
        #expect(server.manifest("spectro-content/library/db", image.tag) == foreign)
        #expect(server.tags(of: "spectro-content/library/db") == [image.tag])
    }

    @Test func `what another release has too stays, and so does what is about something that stays`() throws {
        var other = receipt
        other.release = String(repeating: "0", count: 64)
        other.version = "2"
        other.counts.tags = receipt.counts.tags.filter { $0.repository == "library/db" }
        other.objects = receipt.objects.filter { $0.repository == "library/db" }
        let undo = try Undo(receipt, others: [other], at: target, jobs: 2, progress: Progress())
        #expect(undo.kept.contains { $0.hasPrefix("library/db:") && $0.hasSuffix("\(receipt.product) 2's too") })
        #expect(try undo.carryOut(Progress()).finished().isEmpty)
        #expect(try Check(other, at: target, jobs: 2).run(Progress()).faults.isEmpty)
        #expect(server.contentRepositories.filter { !server.tags(of: $0).isEmpty } == ["spectro-content/library/db"])
    }

    private func put(_ bytes: [UInt8], _ repository: String, _ tag: String, at other: ZotServer? = nil) throws {
        let file = site.folder.appending("put.json")
        try file.replaceContents(with: bytes)
        let type =
            String(decoding: bytes, as: UTF8.self).contains(#""manifests""#) ? MediaType.index : MediaType.manifest
        let result = try run([
            "curl", "-sS", "-f", "-X", "PUT", "-H", "Content-Type: \(type)", "--data-binary", "@\(file)",
            "\((other ?? server).url)/v2/spectro-content/\(repository)/manifests/\(tag)",
        ])
        #expect(result.status == 0, "\(result.errorOutput)")
    }
}

/// Undo at docker-registry, which deletes manifests only, and moved tags.
struct UndoTests {
    @Test func `tags that were moved go back, and new ones go with their manifests`() throws {
        let (site, server) = (try Site(), try RegistryServer())
        let target = try registryTarget(server.url + "/spectro-content")
        let old = #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[]}"#
        let file = site.folder.appending("old.json")
        try file.replaceContents(with: Array(old.utf8))
        let put = try run([
            "curl", "-sS", "-f", "-X", "PUT", "-H", "Content-Type: \(MediaType.index)", "--data-binary", "@\(file)",
            "\(server.url)/v2/spectro-content/library/db/manifests/16",
        ])
        #expect(put.status == 0, "\(put.errorOutput)")
        let receipt = try site.load(target, replaceTags: [TagPattern("library/db:*")])
        let undo = try Undo(receipt, at: target, jobs: 2, progress: Progress())
        let moved = try #require(receipt.counts.tags.first { $0.action == "move" })
        let restored = Undo.Step.restoreTag(
            Place("library/db", "16"), from: try Digest(parsing: moved.digest), to: Digest(of: Array(old.utf8)))
        #expect(undo.steps.contains(restored))
        #expect(try undo.carryOut(Progress()).finished().isEmpty)
        let session = target.session()
        #expect(try session.manifestDigest(Place("library/db", "16")) == Digest(of: Array(old.utf8)))
        for tag in receipt.counts.tags where tag.action == "new" {
            #expect(try session.manifestDigest(Place(tag.repository, tag.tag)) == nil)
        }
    }
}
