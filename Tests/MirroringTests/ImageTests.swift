// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import FoundationEssentials
import Mirroring
import OCI
import PaletteSources
import RegistryClient
import Support
import SystemPackage
import Testing

/// Images from Debian's docker-registry into a layout.
struct ImageTests {
    private let registry: RegistryServer
    private let site: SourceSite

    init() throws {
        registry = try RegistryServer()
        site = try SourceSite(registry.url)
    }

    private func sh(_ line: String) throws -> CommandResult {
        try run(["bash", "-euo", "pipefail", "-c", line])
    }

    @Test func `images by tag and by digest become a layout that skopeo reads`() throws {
        let first = try site.image("team/app", "1.0", layers: [noise(5000), noise(100, seed: 2)])
        let second = try site.image("team/db", "16", layers: [noise(5000)], note: "db")
        let result = try site.mirror("images:\n  - quay.io/team/app:1.0\n  - quay.io/team/db@\(second.digest)\n")
        #expect(result.failures.isEmpty && result.plan.blobsToFetch == 4)
        #expect(try site.names() == ["quay.io/team/app:1.0", "quay.io/team/db@\(second.digest)"])
        #expect(try site.entries().map(\.digest) == [first.digest, second.digest])
        #expect(try site.blobs().count == 6)  // the layer of both is there once
        let raw = try sh("skopeo inspect --raw oci:\(site.to):quay.io/team/app:1.0")
        #expect(digest(raw.stdout) == first.digest, "\(raw.errorOutput)")
        let copied = try sh(
            "skopeo --insecure-policy copy -q --dest-tls-verify=false oci:\(site.to):quay.io/team/app:1.0 "
                + "docker://127.0.0.1:\(registry.port)/copy:1")
        #expect(copied.status == 0, "\(copied.errorOutput)")
        #expect(try site.to.appending(".mirror/partial").entries().isEmpty)
    }

    @Test func `what skopeo has pushed comes byte for byte`() throws {
        try site.index("team/multi", "2", platforms: ["linux/amd64", "linux/arm64"])
        let there = try sh(
            """
            skopeo --insecure-policy copy -q --all --src-tls-verify=false --dest-tls-verify=false \
              docker://127.0.0.1:\(registry.port)/team/multi:2 docker://127.0.0.1:\(registry.port)/pushed/multi:2
            skopeo inspect --tls-verify=false --raw docker://127.0.0.1:\(registry.port)/pushed/multi:2
            """)
        try site.mirror("images: [quay.io/pushed/multi:2]\n")
        let here = try #require(try site.entries().first)
        #expect(try contents(of: site.to.appending("blobs/sha256/\(here.digest.hex)")) == there.stdout)
        // skopeo compresses layers, so that the children are others than those that it read
        let children = there.output.matches(of: /sha256:([0-9a-f]{64})/).compactMap { Digest(hex: $0.1) }
        #expect(children.count == 2)
        for child in children { #expect(try site.has(child)) }
    }

    @Test func `an unchanged tag costs one HEAD`() throws {
        try site.image("team/app", "1.0", layers: [noise(5000)])
        try site.index("team/multi", "2", platforms: ["linux/amd64", "linux/arm64"])
        let manifest = "images: [quay.io/team/app:1.0, quay.io/team/multi:2]\n"
        let proxy = FaultProxy(to: registry.port)
        try site.mirror(manifest, address: proxy.url)
        let index = try contents(of: site.to.appending("index.json"))
        let before = proxy.exchanges.count
        let result = try site.mirror(manifest, address: proxy.url)
        let asked = proxy.exchanges.dropFirst(before).map { "\($0.method) \($0.target)" }
        #expect(asked.sorted() == ["HEAD /v2/team/app/manifests/1.0", "HEAD /v2/team/multi/manifests/2"])
        #expect(result.requests == 2 && result.plan.references.allSatisfy { $0.state == "unchanged" })
        #expect(try contents(of: site.to.appending("index.json")) == index)
    }

    @Test func `a tag that moved is told and taken, and the lock file holds what it was`() throws {
        let old = try site.image("team/app", "1.0", layers: [noise(5000)])
        let manifest = "images: [quay.io/team/app:1.0]\n"
        try site.mirror(manifest)
        let lock = try contents(of: site.lock)
        let new = try site.image("team/app", "1.0", layers: [noise(6000)])

        let locked = try site.mirror(manifest) { $0.isLocked = true }
        #expect(locked.requests == 0 && locked.failures.isEmpty)
        #expect(try site.entries().map(\.digest) == [old.digest])

        let result = try site.mirror(manifest)
        let reference = try #require(result.plan.references.first)
        #expect(reference.state == "changed" && reference.former == old.digest && reference.digest == new.digest)
        #expect(result.plan.blobsToFetch == 1)
        #expect(result.unreferenced.count == 2)  // manifest and layer of before
        #expect(try contents(of: site.lock) != lock)

        let pruned = try site.mirror(manifest) { $0.prunes = true }
        #expect(pruned.removedBytes > 0)
        #expect(try !site.has(old.digest) && site.blobs().count == 3)
    }

    @Test func `a lock file makes the same layout elsewhere, whatever the tags say`() throws {
        let old = try site.image("team/app", "1.0", layers: [noise(5000)])
        let manifest = "images:\n  - {image: quay.io/team/app, versions: '*'}\n"
        try site.mirror(manifest)
        let index = try contents(of: site.to.appending("index.json"))
        try site.image("team/app", "1.0", layers: [noise(6000)])
        try site.image("team/app", "1.1", layers: [noise(6000)])
        try site.to.removeTree()
        let result = try site.mirror(manifest) { $0.isLocked = true }
        #expect(result.failures.isEmpty)
        #expect(try contents(of: site.to.appending("index.json")) == index)
        #expect(try site.has(old.digest))

        // What the manifest asks for since.
        let more = try site.mirror("images: [quay.io/team/app:1.1]\n") { $0.isLocked = true }
        #expect(more.failure == .refused && more.failures.map(\.what) == ["quay.io/team/app:1.1"])
    }

    @Test func `content that is gone fails a locked run with 1`() throws {
        let image = try site.image("team/app", "1.0", layers: [noise(5000)])
        let manifest = "images: [quay.io/team/app:1.0]\n"
        try site.mirror(manifest)
        try site.to.removeTree()
        let connection = try Registry(Endpoint(parsing: registry.url), RegistryOptions()).connection()
        try connection.deleteManifest("team/app", image.digest.description)
        let result = try site.mirror(manifest) { $0.isLocked = true }
        #expect(result.failure == .failed)
    }

    @Test func `ranges take the versions they name, and newest limits them`() throws {
        for tag in ["1.0.0", "1.2.0", "v1.3.1", "1.4.0-rc.1", "2.0.0", "1.3", "latest"] {
            try site.image("team/app", tag, layers: [noise(100)], note: tag)
        }
        try site.mirror(
            """
            images:
              - image: quay.io/team/app
                versions: ">=1.1 <2"
                newest: 1
                tags: [latest]
            """)
        #expect(try site.names() == ["quay.io/team/app:latest", "quay.io/team/app:v1.3.1"])
        try site.mirror("images:\n  - {image: quay.io/team/app, versions: '>=1.4.0-rc.1 <1.5', preReleases: true}\n")
        #expect(try site.names() == ["quay.io/team/app:1.4.0-rc.1"])
        let none = try site.mirror("images:\n  - {image: quay.io/team/app, versions: '>=3'}\n")
        #expect(none.failure == .failed && none.failures[0].reason.contains(">=3"))
    }

    @Test func `platforms leave children out and keep the index's digest`() throws {
        let (index, children) = try site.index("team/multi", "2", platforms: ["linux/amd64", "linux/arm64"])
        let result = try site.mirror("platforms: [linux/amd64]\nimages: [quay.io/team/multi:2]\n")
        #expect(result.plan.references[0].leftOut == ["linux/arm64"])
        #expect(try site.entries().map(\.digest) == [index.digest])
        #expect(try site.has(children[0].digest) && !site.has(children[1].digest))
        let copied = try sh(
            "skopeo --insecure-policy --override-arch amd64 copy -q oci:\(site.to):quay.io/team/multi:2 "
                + "dir:\(site.place.path)/copy")
        #expect(copied.status == 0, "\(copied.errorOutput)")
        // All of them the next time.
        try site.mirror("images: [quay.io/team/multi:2]\n")
        #expect(try site.has(children[1].digest))
        let none = try site.mirror("platforms: [linux/s390x]\nimages: [quay.io/team/multi:2]\n")
        #expect(none.failure == .refused)
    }

    @Test func `one failure among many is listed, and the rest is mirrored`() throws {
        try site.image("team/app", "1.0", layers: [noise(5000)])
        let manifest = """
            images: [quay.io/team/app:1.0, quay.io/team/none:1, quay.io/team/app:9]
            """
        let result = try site.mirror(manifest)
        #expect(result.failure == .failed)
        #expect(result.failures.map(\.what) == ["quay.io/team/app:9", "quay.io/team/none:1"])
        #expect(try site.names() == ["quay.io/team/app:1.0"])
    }

    @Test func `what failed once stays pinned as it was`() throws {
        try site.image("team/app", "1.0", layers: [noise(5000)])
        let manifest = "images: [quay.io/team/app:1.0]\n"
        try site.mirror(manifest)
        let lock = try contents(of: site.lock)
        registry.kill()
        let result = try site.mirror(manifest)
        #expect(result.failure == .failed)
        #expect(try contents(of: site.lock) == lock)
    }

    @Test func `a dry run writes nothing and says what would come`() throws {
        try site.image("team/app", "1.0", layers: [noise(5000)])
        let result = try site.mirror("images: [quay.io/team/app:1.0]\n") { $0.isDryRun = true }
        #expect(result.plan.blobsToFetch == 2 && result.plan.bytesToFetch > 5000)
        #expect(try !site.to.exists() && !site.lock.exists())
    }

    @Test func `recheck finds a damaged blob and fetches it again`() throws {
        try site.image("team/app", "1.0", layers: [noise(5000)])
        let manifest = "images: [quay.io/team/app:1.0]\n"
        try site.mirror(manifest)
        let layer = site.to.appending("blobs/sha256/\(Hasher.hash(noise(5000)).lowercaseHex)")
        try write(noise(5000, seed: 9), to: layer)
        #expect(try site.mirror(manifest).plan.blobsToFetch == 0)  // its name counts
        let result = try site.mirror(manifest) { $0.rechecks = true }
        #expect(result.warnings.contains { $0.contains("damaged") })
        #expect(try contents(of: layer) == noise(5000))
    }

    @Test func `a folder of somebody else is not filled`() throws {
        try site.to.createDirectories()
        try write(Array("x".utf8), to: site.to.appending("letter.txt"))
        #expect(throws: MirrorError.notALayout(site.to)) { try site.mirror("images: [quay.io/a:1]\n") }
    }
}
