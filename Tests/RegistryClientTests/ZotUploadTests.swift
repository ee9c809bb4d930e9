// SPDX-License-Identifier: Apache-2.0

import Glibc
import OCI
import RegistryClient
import Support
import Testing

/// Uploads to what answers as Zot does.
struct ZotUploadTests {
    private let blob: Content
    private let memory = MemoryJournal()

    init() throws { blob = try Content(count: 5 << 15) }  // two and a half chunks

    private func server(_ era: ZotServer.Era = .v2_1_2, deadline: Duration? = nil) throws -> ZotServer {
        var options = ZotServer.Options()
        (options.era, options.requestDeadline) = (era, deadline)
        return try ZotServer(options)
    }

    private func options() -> RegistryOptions {
        var options = RegistryOptions.waiting()
        options.upload = .chunks(of: 1 << 16)
        options.journal = memory.journal
        return options
    }

    private func upload(
        _ connection: RegistryConnection, _ blob: Content, _ presence: BlobUpload.Presence = .unlikely,
        from: String? = nil, _ onRead: @escaping (_ position: Int) throws -> Void = { _ in }
    ) throws -> UploadOutcome {
        let upload = BlobUpload(
            repository: "spectro/a", digest: blob.digest, size: blob.size, mountFrom: from, presence: presence)
        return try connection.upload(upload) { offset in
            var body = blob.body(from: offset)
            body.onRead = onRead
            return body
        }
    }

    @Test(arguments: ZotServer.Era.allCases) func `a blob in chunks is stored as it is`(_ era: ZotServer.Era) throws {
        let server = try server(era)
        let connection = try connect(server.url, options())
        #expect(try upload(connection, blob) == .uploaded)
        #expect(connection.registry.traffic.methods == ["POST": 1, "PATCH": 3, "PUT": 1])
        #expect(try connection.blobSize("spectro/a", blob.digest) == blob.size)
        #expect(memory.kept.isEmpty && memory.history == [1 << 16, 2 << 16, 5 << 15])
    }

    @Test(arguments: ZotServer.Era.allCases)
    func `another process goes on where a Zot that was killed between chunks stood`(_ era: ZotServer.Era) throws {
        let (server, stop) = (try server(era), Counter())
        var options = options()
        options.isCancelled = { stop.count > 0 }
        let first = try connect(server.url, options)
        #expect(throws: RegistryError.cancelled) {
            try upload(first, blob) { if $0 >= 1 << 16 { stop.add() } }
        }
        #expect(memory.kept.map(\.offset) == [2 << 16])
        try server.restart()
        let second = try connect(server.url, self.options())
        #expect(try upload(second, blob) == .uploaded)
        #expect(second.registry.traffic.methods == ["GET": 1, "PATCH": 1, "PUT": 1])
        #expect(second.registry.traffic.bodyBytes == 1 << 15)
        #expect(try second.blobSize("spectro/a", blob.digest) == blob.size)
    }

    @Test func `a Zot killed in the middle of a chunk gets the blob from its start`() throws {
        let (server, killed) = (try server(), Counter())
        let connection = try connect(server.url, options())
        let outcome = try upload(connection, blob) { position in
            guard position >= 1 << 16, killed.count == 0 else { return }
            killed.add()
            try server.restart()
        }
        #expect(outcome == .uploaded && killed.count == 1)
        #expect(try connection.blobSize("spectro/a", blob.digest) == blob.size)
        #expect(memory.kept.isEmpty)
    }

    @Test func `small blobs go with one request each, once Zot has taken one`() throws {
        let server = try server()
        let connection = try connect(server.url)
        for number in 0..<5 {
            #expect(try upload(connection, Content("config \(number)"), .unknown) == .uploaded)
        }
        #expect(connection.registry.habits.takesSinglePost == true)
        #expect(connection.registry.traffic.methods == ["HEAD": 1, "POST": 5])
        #expect(try upload(connection, Content(count: 100_000), .unknown) == .uploaded)
        #expect(connection.registry.traffic.methods == ["HEAD": 2, "POST": 6])
    }

    @Test func `a blob that another repository has is mounted with one request`() throws {
        let server = try server()
        let connection = try connect(server.url)
        _ = try connection.upload("spectro/b", blob.digest, size: blob.size) { blob.body }
        let before = connection.registry.traffic.requests
        #expect(try upload(connection, blob, .unknown, from: "spectro/b") == .mounted)
        #expect(connection.registry.traffic.requests == before + 1)
    }

    @Test func `an empty blob is believed to be there`() throws {
        let server = try server()
        let connection = try connect(server.url)
        #expect(try upload(connection, Content(""), .unknown) == .uploaded)
        #expect(connection.registry.traffic.methods == ["POST": 1, "PUT": 1])
    }

    @Test func `a Zot that cuts long requests gets chunks that end in time`() throws {
        let server = try server(.v2_1_20, deadline: .milliseconds(500))
        let blob = try Content(count: 2_000_000)
        var options = RegistryOptions.waiting()
        options.upload.requestSeconds = 0.15
        options.upload.smallestChunk = 50_000
        let connection = try connect(server.url, options)
        let upload = BlobUpload(
            repository: "spectro/a", digest: blob.digest, size: blob.size, presence: .unlikely)
        let outcome = try connection.upload(upload) { offset in
            var body = blob.body(from: offset)
            body.pieceSize = 100_000
            body.onRead = { _ in usleep(50_000) }  // as a slow medium or network
            return body
        }
        #expect(outcome == .uploaded)
        #expect(try connection.blobSize("spectro/a", blob.digest) == blob.size)
        let methods = connection.registry.traffic.methods
        #expect(methods["PATCH"] ?? 0 >= 2)
        #expect(methods["PUT"] ?? 0 >= 2)
        #expect(connection.registry.habits.takesChunks == true)
    }
}
