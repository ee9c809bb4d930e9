// SPDX-License-Identifier: Apache-2.0

import Cryptography
import FoundationEssentials
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

/// Against Debian's docker-registry.
struct RealRegistryTests {
    private let server: RegistryServer
    private let connection: RegistryConnection

    init() throws {
        server = try RegistryServer()
        connection = try connect(server.url)
    }

    private func push(_ repository: String, _ content: Content) throws -> UploadOutcome {
        try connection.upload(repository, content.digest, size: content.size) { content.body }
    }

    @Test func `a registry answers a ping`() throws {
        try connection.ping()
    }

    @Test(arguments: [1, 1000, 3 << 20 | 7]) func `an uploaded blob is there with its size`(_ count: Int) throws {
        let blob = try Content(count: count)
        #expect(try connection.blobSize("dray/a", blob.digest) == nil)
        #expect(try push("dray/a", blob) == .uploaded)
        #expect(try connection.blobSize("dray/a", blob.digest) == blob.size)
        let stored = try #require(try server.stored(blob.digest.hex + "/data").first)
        #expect(try contents(of: FilePath(stored)) == blob.bytes)
    }

    @Test func `a blob of no bytes is taken`() throws {
        let empty = try Content(count: 0)
        #expect(try push("dray/a", empty) == .uploaded)
        #expect(try connection.blobSize("dray/a", empty.digest) == 0)
    }

    @Test func `a blob is mounted from another repository and no byte is read`() throws {
        let blob = try Content(count: 5000)
        _ = try push("dray/a", blob)
        let outcome = try connection.upload("dray/b", blob.digest, size: blob.size, mountFrom: "dray/a") {
            throw MediumGone(volume: 1)
        }
        #expect(outcome == .mounted)
        #expect(try connection.blobSize("dray/b", blob.digest) == blob.size)
    }

    @Test func `a mount that the registry can't do becomes an upload in the same session`() throws {
        let blob = try Content(count: 5000)
        let outcome = try connection.upload("dray/b", blob.digest, size: blob.size, mountFrom: "dray/none") {
            blob.body
        }
        #expect(outcome == .uploaded)
        #expect(try connection.blobSize("dray/b", blob.digest) == blob.size)
        #expect(try server.stored("_uploads").isEmpty)
    }

    @Test func `content with another digest is refused`() throws {
        let (blob, other) = (try Content(count: 5000), try Content("other"))
        let error = #expect(throws: RegistryError.self) {
            try connection.upload("dray/a", other.digest, size: blob.size) { blob.body }
        }
        guard case .refused(_, 400, let faults) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(faults.map(\.code) == ["DIGEST_INVALID"])
        #expect(error?.kind == .refusal)
        #expect(try connection.blobSize("dray/a", other.digest) == nil)
    }

    @Test func `a manifest comes back byte for byte by tag and by digest`() throws {
        let config = try Content("{}")
        _ = try push("dray/a", config)
        let manifest = try Content.manifest(config: config)
        let bytes = Data(manifest.bytes)
        for reference in ["v1", manifest.digest.description] {
            #expect(
                try connection.manifestState("dray/a", reference)
                    == (reference == "v1" ? .missing : .present(manifest.digest)))
            try connection.putManifest(
                "dray/a", reference, bytes, mediaType: MediaType.manifest, digest: manifest.digest)
            let fetched = try #require(try connection.manifest("dray/a", reference))
            #expect(fetched.bytes == bytes)
            #expect(fetched.mediaType == MediaType.manifest)
            #expect(fetched.claimedDigest == manifest.digest)
            #expect(try connection.manifestState("dray/a", reference) == .present(manifest.digest))
        }
    }

    @Test func `what is not there is nil, not an error`() throws {
        let none = try Content("none")
        #expect(try connection.manifest("dray/none", "v1") == nil)
        #expect(try connection.manifestState("dray/none", none.digest.description) == .missing)
        #expect(try connection.blobSize("dray/none", none.digest) == nil)
        #expect(try connection.deleteManifest("dray/none", none.digest.description) == false)
    }

    @Test func `a deleted manifest is gone`() throws {
        let config = try Content("{}")
        _ = try push("dray/a", config)
        let manifest = try Content.manifest(config: config)
        let name = manifest.digest.description
        try connection.putManifest(
            "dray/a", name, Data(manifest.bytes), mediaType: MediaType.manifest, digest: manifest.digest)
        #expect(try connection.deleteManifest("dray/a", name))
        #expect(try connection.manifestState("dray/a", name) == .missing)
    }

    @Test func `a manifest without its blobs is refused and says so`() throws {
        let manifest = try Content.manifest(config: Content("not pushed"))
        let error = #expect(throws: RegistryError.self) {
            try connection.putManifest(
                "dray/a", "v1", Data(manifest.bytes), mediaType: MediaType.manifest, digest: manifest.digest)
        }
        #expect(error?.mayLackReferences == true)
        #expect(try connection.manifestState("dray/a", "v1") == .missing)
    }

    @Test func `a body's own error ends the upload and comes out unchanged`() throws {
        let blob = try Content(count: 5 << 20)
        for position in [0, 1 << 20, (5 << 20) - 1] {
            var body = blob.body
            body.failure = (position, MediumGone(volume: 7))
            #expect(throws: MediumGone(volume: 7)) {
                try connection.upload("dray/a", blob.digest, size: blob.size) { body }
            }
        }
        #expect(try connection.blobSize("dray/a", blob.digest) == nil)
        #expect(try server.stored(blob.digest.hex).isEmpty)
    }

    @Test func `a body that can't be opened ends the upload`() throws {
        let blob = try Content("x")
        #expect(throws: MediumGone(volume: 2)) {
            try connection.upload("dray/a", blob.digest, size: 1) { throw MediumGone(volume: 2) }
        }
        #expect(try server.stored("_uploads").filter { $0.hasSuffix("/startedat") } == [])
    }

    @Test func `a body that is too short stores nothing`() throws {
        let blob = try Content(count: 1000)
        let error = #expect(throws: RegistryError.self) {
            try connection.upload("dray/a", blob.digest, size: 1001) { blob.body }
        }
        guard case .bodyTooShort(_, 1) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try connection.blobSize("dray/a", blob.digest) == nil)
    }

    @Test func `a registry that dies during an upload and comes back gets the blob`() throws {
        let blob = try Content(count: 8 << 20)
        let opened = Counter()
        let outcome = try connection.upload("dray/a", blob.digest, size: blob.size) {
            opened.add()
            var body = blob.body
            if opened.count == 1 {
                body.onRead = { position in
                    if position >= 4 << 20 { try server.restart() }
                }
            }
            return body
        }
        #expect(outcome == .uploaded)
        #expect(opened.count == 2)
        #expect(try connection.blobSize("dray/a", blob.digest) == blob.size)
    }

    @Test func `a registry that stays down is unreachable`() throws {
        try connection.ping()
        server.kill()
        let error = #expect(throws: RegistryError.self) { try connection.ping() }
        #expect(error?.kind == .transient)
    }

    @Test func `four threads push different blobs at once`() async throws {
        let blobs = try (0..<12).map { try Content(count: 200_000, seed: UInt64($0)) }
        let registry = connection.registry
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<4 {
                group.addTask {
                    let connection = registry.connection()
                    for blob in blobs[(lane * 3)..<(lane * 3 + 3)] {
                        _ = try connection.upload("dray/lane\(lane)", blob.digest, size: blob.size) { blob.body }
                    }
                }
            }
            try await group.waitForAll()
        }
        for (index, blob) in blobs.enumerated() {
            #expect(try connection.blobSize("dray/lane\(index / 3)", blob.digest) == blob.size)
        }
    }

    @Test(arguments: [0, 60])
    func `a cancelled upload stops and stores nothing, unless it can end in its time of grace`(_ grace: Int) throws {
        let stop = Counter()
        var options = RegistryOptions.waiting()
        options.isCancelled = { stop.count > 0 }
        options.graceSeconds = grace
        let blob = try Content(count: 16 << 20)
        let connection = try connect(server.url, options)
        let upload = {
            try connection.upload("dray/a", blob.digest, size: blob.size) {
                var body = blob.body
                body.onRead = { position in
                    if position >= 2 << 20 { stop.add() }
                }
                return body
            }
        }
        if grace == 0 {
            #expect(throws: RegistryError.cancelled) { try upload() }
        } else {
            #expect(try upload() == .uploaded)
        }
        #expect(try self.connection.blobSize("dray/a", blob.digest) == (grace == 0 ? nil : blob.size))
    }
}
