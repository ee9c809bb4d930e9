// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import FoundationEssentials
import Glibc
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

/// Loads of a packed sample into Debian's docker-registry.
struct LoadTests {
    private let site: Site
    private let server: RegistryServer
    private let target: RegistryTarget

    init() throws {
        (site, server) = (try Site(), try RegistryServer())
        target = try registryTarget(server.url + "/spectro-content")
    }

    private func name(_ reference: ReleaseReference) -> String {
        "docker://127.0.0.1:\(server.port)/spectro-content/\(reference.name)"
    }

    @Test func `every reference has the release's digest afterwards, as skopeo sees it`() throws {
        let receipt = try site.load(target)
        let references = try site.verified().release.references
        #expect(references.count == 8)
        for reference in references {
            #expect(try skopeoDigest(name(reference)) == reference.descriptor.digest.description)
        }
        #expect(receipt.outcome == "done")
        #expect(receipt.counts.pushed.blobs == 8)
        #expect(receipt.counts.mounted.blobs == 13)
        #expect(receipt.counts.tags.allSatisfy { $0.action == "new" && $0.before == nil })
        #expect(receipt.counts.readBack == .init(manifests: 10, tags: 8, blobs: 21, isComplete: true))
    }

    @Test func `images are whole: skopeo copies one to a folder`() throws {
        _ = try site.load(target)
        let copy = site.folder.appending("copy")
        let source = "docker://127.0.0.1:\(server.port)/spectro-content/us-docker.pkg.dev/palette-images/web:1.2.3"
        let result = try run(["skopeo", "copy", "-q", "--src-tls-verify=false", source, "dir:\(copy)"])
        #expect(result.status == 0, "\(result.errorOutput)")
        let sums = try run([
            "bash", "-c", "cd \(copy) && ls | grep -E '^[0-9a-f]{64}$' | sed 's/.*/&  &/' | sha256sum -c",
        ])
        #expect(sums.status == 0)
        #expect(sums.output.split(separator: "\n").count == 3)
    }

    @Test func `a second load sends nothing and says so`() throws {
        #expect(try !site.load(target).nothingToDo)
        let second = try site.load(target)
        #expect(second.nothingToDo)
        #expect(second.counts.pushed.blobs == 0)
        #expect(second.counts.mounted.blobs == 0)
        #expect(second.counts.manifestsSent == 0)
        #expect(second.counts.tags.allSatisfy { $0.action == "equal" })
        #expect(second.counts.readBack.isComplete)
        #expect(try site.receipts.count == 2)
    }

    @Test func `a registry that was emptied is loaded again`() throws {
        _ = try site.load(target)
        server.kill()
        _ = try run(["rm", "-rf", server.folder.appending("store").string])
        try server.restart()
        let receipt = try site.load(target)
        #expect(receipt.counts.pushed.blobs == 8)
        #expect(receipt.counts.readBack.isComplete)
    }

    @Test func `a tag with other content is refused before anything is sent`() throws {
        let other = try #require(try site.verified().release.references.first { $0.repository == "sonobuoy/sonobuoy" })
        _ = try site.load(LayoutTarget(site.folder.appending("layout")))
        let copied = try run([
            "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci:\(site.folder.appending("layout")):\(other.name)",
            "docker://127.0.0.1:\(server.port)/spectro-content/library/db:16",
        ])
        #expect(copied.status == 0, "\(copied.errorOutput)")
        let before = try server.stored("/blobs/")
        let error = try site.failure(of: target)
        let wanted = try #require(try site.verified().release.references.first { $0.name == "library/db:16" })
        let move = LoadError.TagMove(
            name: "library/db:16", before: other.descriptor.digest, digest: wanted.descriptor.digest)
        #expect(error.cause as? LoadError == .tagsWouldMove([move]))
        #expect(error.failure == .refused)
        #expect(try server.stored("/blobs/") == before)

        let receipt = try site.load(target, replaceTags: [TagPattern("library/*")])
        let tag = try #require(receipt.counts.tags.first { $0.repository == "library/db" })
        #expect(tag.action == "move")
        #expect(tag.before == other.descriptor.digest.description)
        #expect(try skopeoDigest(name(wanted)) == wanted.descriptor.digest.description)
    }

    @Test func `a registry that goes down in the middle keeps what it has, and the same load goes on`() throws {
        let dying = MeddlingTarget(target) { [server] count in if count == 5 { server.kill() } }
        let error = try site.failure(of: dying)
        #expect(error.failure == .failed)
        #expect(try site.receipts.count == 1)
        let file = try #require(try site.receipts.first)
        let failed = try Receipt(parsing: site.state.receiptsFolder.appending(file).contents(limit: 1 << 20))
        #expect(failed.outcome == "failed")
        #expect(failed.exitCode == 1)
        #expect(failed.counts.pushed.blobs > 0)
        #expect(failed.counts.tags.isEmpty)
        #expect(!failed.counts.readBack.isComplete)

        try server.restart()
        let receipt = try site.load(target)
        #expect(receipt.counts.readBack.isComplete)
        #expect(receipt.counts.skipped.blobs + receipt.counts.manifestsPresent > 0)
        #expect(receipt.counts.pushed.blobs < 8)
    }

    @Test func `no tag is there before all content is`() throws {
        let dying = MeddlingTarget(target) { [server] count in if count == 20 { server.kill() } }
        _ = try site.failure(of: dying)
        #expect(try server.stored("/_manifests/tags/").isEmpty)
        #expect(try !server.stored("/_manifests/revisions/").isEmpty)
    }

    @Test(arguments: [false, true])
    func `a tag that someone else sets while the load runs is replaced only where tags may move`(mayMove: Bool) throws {
        let file = site.folder.appending("index.json")
        try file.replaceContents(
            with: Array(#"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","manifests":[]}"#.utf8))
        let put = [
            "curl", "-sf", "-X", "PUT", "-H", "Content-Type: \(MediaType.index)", "--data-binary", "@\(file)",
            "\(server.url)/v2/spectro-content/library/db/manifests/16",
        ]
        let other = MeddlingTarget(target) { count in
            if count == 5 { #expect((try? run(put))?.status == 0) }
        }
        guard !mayMove else {
            let tags = try site.load(other, replaceTags: [TagPattern("library/*")]).counts.tags
            let moved = try #require(tags.first { $0.repository == "library/db" })
            #expect(moved.action == "move")
            #expect(moved.before == Digest(of: try file.contents(limit: 1 << 20)).description)
            return
        }
        let error = try site.failure(of: other)
        #expect(error.failure == .refused)
        #expect(try server.stored("/_manifests/tags/").allSatisfy { $0.contains("/library/db/") })
    }

    @Test func `a blob that the registry has lost is found by the read-back and sent once more`() throws {
        _ = try site.load(target)
        let links = try server.stored("/library/db/_layers/")
        _ = try run(["rm", try #require(links.first)])
        try server.restart()  // its cache of blobs goes
        let receipt = try site.load(target)
        #expect(receipt.counts.readBack == .init(manifests: 10, tags: 8, blobs: 21, repaired: 1, isComplete: true))
        #expect(receipt.counts.pushed.blobs + receipt.counts.mounted.blobs == 1)
        #expect(!receipt.nothingToDo)
    }

    @Test func `what a manifest lacks in the registry is sent, and the manifest once more`() throws {
        let pack = try #require(try site.verified().release.references.first { $0.kind == "pack" })
        let manifest = try site.verified().reader().bytes(of: pack.descriptor.digest, limit: 1 << 20)
        let layer = try #require(
            try Manifest(parsing: .init(manifest), mediaType: pack.descriptor.mediaType).blobs.last)
        let receipt = try site.load(MeddlingTarget(target, claimed: layer.digest))
        #expect(receipt.counts.skipped.blobs == 2)  // the claimed one, and the configuration at the second look
        #expect(receipt.counts.readBack.isComplete)
        #expect(receipt.counts.readBack.repaired == 0)
    }

    @Test func `a volume that no medium has is wanted, and no tag is set without it`() throws {
        let volumes = try site.verified().index.volumes.map(\.name)
        let missing = try #require(volumes.first { $0.hasSuffix(".002.tar.zst") })
        let medium = try site.medium("one", without: ["volumes/\(missing)"])
        let result = try site.turn(target, media: [medium])
        #expect(result.wanted?.volumes.map(\.name) == [missing])
        #expect((result.receipt.outcome, result.receipt.exitCode) == ("incomplete", 3))
        #expect(result.receipt.counts.tags.isEmpty && !result.receipt.counts.readBack.isComplete)
        #expect(try server.stored("/_manifests/tags/").isEmpty)
        #expect(try site.turn(target, media: [site.packed.bundle]).receipt.counts.readBack.isComplete)
    }

    @Test func `two media with half of the volumes each are one bundle`() throws {
        let volumes = try site.verified().index.volumes.map { "volumes/\($0.name)" }
        let one = try site.medium("one", without: volumes.filter { $0.hasSuffix(".002.tar.zst") })
        let two = try site.medium("two", without: volumes.filter { !$0.hasSuffix(".002.tar.zst") })
        #expect(try site.load(target, media: [one, two]).counts.readBack.isComplete)
    }

    @Test func `damage of a block that is used stops the load, and no tag is set`() throws {
        let medium = try site.medium("one", without: [])
        let volume = medium.appending("volumes/palette-enterprise-1.0.0.002.tar.zst")
        let file = try OpenFile.writing(volume)
        let byte = try file.bytes(at: 1_500_000, length: 1)
        try file.write([byte[0] ^ 1], at: 1_500_000)
        let error = try site.failure(of: target, media: [medium])
        #expect(error.failure == .damaged)
        #expect("\(error)".contains("palette-enterprise-1.0.0.002.tar.zst"))
        #expect(try server.stored("/_manifests/tags/").isEmpty)
    }

    @Test func `the plan changes nothing, not even a repository's folder`() throws {
        let load = try Load(try site.verified(), to: target, jobs: 4, progress: Progress())
        let plan = try load.plan()
        #expect(plan.groups.count == 8)
        #expect(try server.stored("").filter { $0.contains("spectro-content") }.isEmpty)
    }

    @Test func `only a load moves the accepted targets forward`() throws {
        let fingerprint = site.packed.fingerprint
        _ = try site.verified()
        #expect(try site.state.accepted(fingerprint) == nil)
        _ = try site.load(target)
        let metadata = try site.verified().metadata
        #expect(try site.state.accepted(fingerprint)?.targets == metadata.targets.bytes)
        #expect(try site.verified().release.version == "1.0.0")
    }

    @Test func `a second importer is told that one is running`() throws {
        do {
            let lock = try site.state.lock()
            let error = try #require(throws: LoadError.self) { try site.load(target) }
            guard case .busy(let path, let holder) = error else { throw error }
            #expect(path == site.state.path.appending("lock").string)
            #expect(holder.hasPrefix("process \(getpid()) on "))
            withExtendedLifetime(lock) {}
        }
        #expect(try site.load(target).outcome == "done")
    }

    @Test func `the receipt goes to a second place too`() throws {
        let copy = site.folder.appending("receipt.json")
        _ = try site.load(target, receipt: copy)
        let file = try #require(try site.receipts.first)
        let kept = try site.state.receiptsFolder.appending(file).contents(limit: 1 << 20)
        #expect(try copy.contents(limit: 1 << 20) == kept)
    }
}

/// What a registry's refusal means.
struct RefusedLoadTests {
    private let site: Site

    init() throws { site = try Site() }

    @Test(arguments: [nil, Credentials(username: "admin", password: "wrong")])
    func `a missing or wrong password ends with 15`(_ login: Credentials?) throws {
        var options = RegistryServer.Options()
        options.login = ("admin", "right")
        let server = try RegistryServer(options)
        let error = try site.failure(of: try registryTarget(server.url, login: login))
        #expect(error.failure == .registryRefused)
        let right = Credentials(username: "admin", password: "right")
        #expect(try site.load(try registryTarget(server.url, login: right)).outcome == "done")
    }

    @Test func `a certificate of an unknown authority ends with 15, and skipping the check is recorded`() throws {
        var options = RegistryServer.Options()
        options.tls = true
        let server = try RegistryServer(options)
        #expect(try site.failure(of: try registryTarget(server.url)).failure == .registryRefused)
        let authority = try #require(server.certificates).authority
        #expect(try !site.load(try registryTarget(server.url, certificate: authority)).skippedTLSVerify)
        let skipped = try registryTarget(server.url, skipTLSVerify: true)
        #expect(try site.load(skipped).skippedTLSVerify)
    }

    @Test func `a registry that isn't there ends with 1`() throws {
        let server = try RegistryServer()
        server.kill()
        #expect(try site.failure(of: try registryTarget(server.url)).failure == .failed)
    }

    @Test func `without trust nothing is loaded and no receipt is written`() throws {
        let stranger = try Site(trusting: false)
        let server = try RegistryServer()
        let error = try #require(throws: (any Error).self) { try stranger.load(try registryTarget(server.url)) }
        #expect((error as? any ClassifiedError)?.failure == .notTrusted)
        #expect("\(error)".contains("dray-import trust add"))
        #expect(try stranger.receipts.isEmpty)
    }
}
