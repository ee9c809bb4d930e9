// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import RegistryClient
import Support
import Synchronization
import SystemPackage
import Testing

/// Registries that break down, forget or answer in odd ways: the load ends well all the same.
struct FaultyRegistryTests {
    private static let put = "spectro-content/library/a"

    /// A release of one image with two small layers and one of 300 kB, made once.
    private struct Made: Sendable {
        let packed: PackedSample
        let image: Descriptor
        let layers: [Descriptor]
        /// Requests of a load that nothing happens to.
        let requests: Int
    }

    private static let made = Result {
        var layout = MadeLayout()
        let layers = [try layout.noise(1000), try layout.noise(300_000), try layout.noise(2000)]
        let image = layout.image("library/a:1", layers)
        let (packed, plain) = (try layout.packed(), try ZotServer())
        _ = try Site(packed).load(plain.target(login: nil, chunked), jobs: 1)
        #expect(plain.count(.session, "PATCH") == 2)
        return Made(packed: packed, image: image, layers: layers, requests: plain.asked.count)
    }

    private func release() throws -> (packed: PackedSample, image: Descriptor, layers: [Descriptor]) {
        let made = try Self.made.get()
        return (made.packed, made.image, made.layers)
    }

    /// Small blobs by single POST, the large one in two chunks.
    private static func chunked(_ options: inout RegistryOptions) {
        options.upload.singleLimit = 64 << 10
        (options.upload.smallestChunk, options.upload.firstChunk) = (16 << 10, 160_000)
        options.upload.largestChunk = 160_000
    }

    /// Whether the registry has the image and every blob with the right bytes, and no staging tag.
    private func check(_ server: ZotServer, _ image: Descriptor, _ layers: [Descriptor]) throws {
        #expect(server.allTags == [Place("library/a", "1")])
        #expect(Digest(of: try #require(server.manifest(Self.put, "1"))) == image.digest)
        for layer in layers {
            let bytes = try server.file(Self.put, layer.digest.description).contents(limit: 1 << 20)
            #expect(Digest(of: bytes) == layer.digest)
        }
        #expect(server.sessions.isEmpty)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let fault: ZotServer.Fault
        var times = 1
        /// Requests that it may cost more.
        let more: Int
        let when: @Sendable (ZotServer.Asked) -> Bool

        init(
            _ name: String, _ fault: ZotServer.Fault, times: Int = 1, more: Int,
            when: @escaping @Sendable (ZotServer.Asked) -> Bool
        ) {
            (testDescription, self.fault, self.times, self.more, self.when) = (name, fault, times, more, when)
        }
    }

    static let cases = [
        Case("lost answer to a closing PUT", .loseAnswer, more: 2) { $0.kind == .session && $0.method == "PUT" },
        Case("lost answer to a single POST", .loseAnswer, more: 1) {
            $0.kind == .uploads && $0.target.contains("?digest")
        },
        Case("lost answer to a chunk", .loseAnswer, more: 8) { $0.method == "PATCH" },
        Case("cut in a chunk", .cutBody(after: 100_000), more: 8) { $0.method == "PATCH" },
        Case("lost answer to a staging tag", .loseAnswer, more: 1) {
            $0.method == "PUT" && $0.target.contains("staging")
        },
        Case("lost answer to the tag", .loseAnswer, more: 1) {
            $0.method == "PUT" && $0.target.hasSuffix("manifests/1")
        },
        Case(
            "429 with Retry-After", .answer(429, headers: ["Retry-After": "7"], body: "Too Many Requests"), times: 3,
            more: 6
        ) {
            $0.kind == .uploads
        },
        Case("500 to a chunk", .answer(500), times: 2, more: 6) { $0.method == "PATCH" },
        Case("500 to a manifest", .answer(500), times: 2, more: 4) {
            $0.method == "PUT" && $0.kind == .manifest && $0.bodyCount >= 0
        },
        Case("503 to every question for a tag, twice", .answer(503), times: 2, more: 2) {
            $0.method == "HEAD" && $0.kind == .manifest
        },
        Case("locations elsewhere in the registry", .absoluteLocation(query: false), times: 100, more: 0) {
            $0.kind == .uploads || $0.kind == .session
        },
        Case("locations with a query that counts", .absoluteLocation(query: true), times: 100, more: 0) {
            $0.kind == .uploads || $0.kind == .session
        },
        Case("Range: bytes=", .rangePrefix, times: 100, more: 0) { $0.kind == .uploads || $0.kind == .session },
    ]

    @Test(arguments: cases) func `a load gets over`(_ case: Case) throws {
        let (packed, image, layers) = try release()
        let server = try ZotServer()
        let hits = Mutex(0)
        server.inject(`case`.fault, times: `case`.times) { asked in
            let isHit = `case`.when(asked)
            if isHit { hits.withLock { $0 += 1 } }
            return isHit
        }
        let waits = Mutex(Duration.zero)
        let target = try server.target { options in
            Self.chunked(&options)
            options.retry.sleep = { time in waits.withLock { $0 += time } }
        }
        let receipt = try Site(packed).load(target, jobs: 1)
        #expect(receipt.exitCode == 0 && receipt.counts.readBack.isComplete && receipt.counts.readBack.repaired == 0)
        #expect(hits.withLock { $0 } >= 1)
        try check(server, image, layers)
        #expect(try server.asked.count <= Self.made.get().requests + `case`.more)
        if case .answer(429, _, _) = `case`.fault { #expect(waits.withLock { $0 } >= .seconds(21)) }
    }

    @Test func `chunks shrink until each ends before the registry cuts it`() throws {
        let (packed, image, layers) = try release()
        var options = ZotServer.Options()
        options.requestDeadline = .milliseconds(400)
        let server = try ZotServer(options)
        // 160 kB take twice as long as the deadline allows, half of that fits.
        let target = try server.target { options in
            Self.chunked(&options)
            options.limitRate = 250_000
        }
        let receipt = try Site(packed).load(target, jobs: 1)
        #expect(receipt.exitCode == 0 && receipt.counts.readBack.isComplete)
        try check(server, image, layers)
        let patches = server.asked.filter { $0.method == "PATCH" }
        #expect(patches.first?.status == 0)
        let sizes = patches.filter { $0.status == 202 }.map(\.bodyCount)
        #expect(sizes.allSatisfy { $0 <= 80_000 } && sizes.reduce(0, +) >= 300_000)
    }

    // MARK: What is there and shouldn't be so

    @Test func `layers of no bytes arrive, and none is asked for twice`() throws {
        for era in ZotServer.Era.allCases {
            var layout = MadeLayout()
            let empty = layout.blob([])
            _ = layout.image("library/a:1", [empty, try layout.noise(1000), empty])
            let site = try Site(layout.packed())
            var options = ZotServer.Options()
            options.era = era
            let server = try ZotServer(options)
            #expect(try site.load(server.target()).counts.readBack.isComplete)
            #expect(server.hasBlob(Self.put, empty.digest.description))
            let second = try site.load(server.target())
            #expect(second.nothingToDo && second.done.bytes == 0)
        }
    }

    @Test(arguments: [0, 500, 2000])
    func `a blob of another size at the registry is found and sent again`(_ size: Int) throws {
        let (packed, image, layers) = try release()
        let (site, server) = (try Site(packed), try ZotServer())
        _ = try site.load(server.target())
        try write([UInt8](repeating: 7, count: size), to: server.file(Self.put, layers[0].digest.description))
        let receipt = try site.load(server.target())
        #expect(receipt.counts.readBack.repaired == 1 && receipt.counts.readBack.isComplete && !receipt.nothingToDo)
        try check(server, image, layers)
    }

    @Test func `bytes that changed in a blob of the same size are found by a deep read-back`() throws {
        let (packed, _, layers) = try release()
        let (site, server) = (try Site(packed), try RegistryServer())
        let target = try registryTarget(server.url + "/spectro-content")
        _ = try site.load(target)
        let file = FilePath(try #require(try server.stored("/\(layers[0].digest.hex)/data").first))
        let good = try file.contents(limit: 1 << 20)
        try write([good[0] ^ 1] + good.dropFirst(), to: file)
        #expect(try site.load(target).nothingToDo)
        // docker-registry keeps what it has under a digest.
        let name = "library/a@\(layers[0].digest)"
        #expect(try site.failure(of: target, isDeep: true).cause as? LoadError == .staysDamaged([name]))
        try write(good, to: file)
        #expect(try site.load(target, isDeep: true).nothingToDo)
    }

    @Test(arguments: [false, true])
    func `Zot takes a blob again whose bytes are wrong, unless it links what it has`(_ dedupe: Bool) throws {
        let (packed, image, layers) = try release()
        var options = ZotServer.Options()
        options.dedupe = dedupe
        let (site, server) = (try Site(packed), try ZotServer(options))
        server.inject(.storeOtherBytes) { $0.kind == .uploads && $0.target.contains(layers[0].digest.hex) }
        guard !dedupe else {
            let name = "library/a@\(layers[0].digest)"
            let error = try site.failure(of: server.target(), jobs: 1, isDeep: true)
            return #expect(error.cause as? LoadError == .staysDamaged([name]))
        }
        let receipt = try site.load(server.target(), jobs: 1, isDeep: true)
        #expect(receipt.counts.readBack.repaired == 1 && receipt.counts.readBack.isComplete)
        try check(server, image, layers)
    }
}
