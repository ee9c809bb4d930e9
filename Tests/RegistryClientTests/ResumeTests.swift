// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

/// Chunks, interruptions and kept sessions against Debian's docker-registry.
struct ResumeTests {
    private static let chunk: Int64 = 1 << 16
    private let server: RegistryServer
    private let blob: Content
    private let memory = MemoryJournal()
    private let opened = Counter()

    init() throws {
        server = try RegistryServer()
        blob = try Content(count: 5 << 15)  // two and a half chunks
    }

    private func connection(
        journal: Bool = true, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> RegistryConnection {
        var options = RegistryOptions.waiting()
        options.upload = .chunks(of: ResumeTests.chunk)
        options.journal = journal ? memory.journal : nil
        options.isCancelled = isCancelled
        return try connect(server.url, options)
    }

    private func upload(
        _ connection: RegistryConnection, _ onRead: @escaping (_ position: Int) throws -> Void = { _ in }
    ) throws -> UploadOutcome {
        let upload = BlobUpload(repository: "dray/a", digest: blob.digest, size: blob.size, presence: .unlikely)
        return try connection.upload(upload) { offset in
            opened.add()
            var body = blob.body(from: offset)
            body.onRead = onRead
            return body
        }
    }

    /// The open sessions' bytes; docker-registry leaves an empty note of each that was cancelled.
    private func sessions() throws -> [String] { try server.stored("_uploads").filter { $0.hasSuffix("/data") } }

    private func expectStored() throws {
        let stored = try #require(try server.stored(blob.digest.hex + "/data").first)
        #expect(try contents(of: FilePath(stored)) == blob.bytes)
        #expect(try sessions().isEmpty)
        #expect(memory.kept.isEmpty)
    }

    @Test func `a blob in chunks is stored as it is`() throws {
        let connection = try connection()
        #expect(try upload(connection) == .uploaded)
        try expectStored()
        #expect(memory.history == [1 << 16, 2 << 16, 5 << 15])
        #expect(opened.count == 1)
        #expect(connection.registry.traffic.methods == ["POST": 1, "PATCH": 3, "PUT": 1])
        #expect(connection.registry.habits.takesChunks == true)
    }

    /// Uploads one chunk and stops there, as a process does that is told to end.
    private func interrupt() throws {
        let stop = Counter()
        let connection = try connection { stop.count > 0 }
        #expect(throws: RegistryError.cancelled) {
            try upload(connection) { _ in stop.add() }
        }
        #expect(connection.registry.traffic.methods["DELETE"] == nil)
    }

    @Test func `another process goes on where a registry that was killed between chunks stood`() throws {
        try interrupt()
        #expect(memory.kept.map(\.offset) == [1 << 16])
        try server.restart()
        let second = try connection()
        #expect(try upload(second) == .uploaded)
        #expect(second.registry.traffic.methods == ["GET": 1, "PATCH": 2, "PUT": 1])
        #expect(second.registry.traffic.bodyBytes == 3 << 15)
        try expectStored()
    }

    @Test func `a registry killed in the middle of a chunk gets the blob from its start`() throws {
        let killed = Counter()
        let connection = try connection()
        let outcome = try upload(connection) { position in
            guard position >= 1 << 16, killed.count == 0 else { return }
            killed.add()
            try server.restart()
        }
        #expect(outcome == .uploaded)
        #expect(killed.count == 1)
        #expect(try server.stored(blob.digest.hex + "/data").count == 1)
        #expect(memory.kept.isEmpty)
    }

    @Test func `a session that has other bytes than we think is not gone on with`() throws {
        try interrupt()
        var session = try #require(memory.kept.first)
        session.offset = 2 << 16
        memory.keep(session)
        let second = try connection()
        #expect(try upload(second) == .uploaded)
        #expect(second.registry.traffic.bodyBytes == blob.size)
        #expect(second.registry.traffic.methods["DELETE"] == 1)
        try expectStored()
    }

    private var now: Int64 { Int64(time(nil)) }

    @Test func `a session that is older than registries keep them is given up`() throws {
        try interrupt()
        var session = try #require(memory.kept.first)
        #expect(abs(session.started - now) < 60)
        session.started = now - 7 * 86_400 - 1
        memory.keep(session)
        let second = try connection()
        #expect(try upload(second) == .uploaded)
        #expect(second.registry.traffic.methods["GET"] == nil && second.registry.traffic.bodyBytes == blob.size)
        #expect(memory.kept.isEmpty)
    }

    @Test(arguments: ["https://evil.example/v2/x", "/v2/../x", "", "/v2/dray/a/blobs/uploads/none?_state=x"])
    func `a kept location that is none of the registry's is given up`(_ location: String) throws {
        memory.keep(
            UploadSession(
                repository: "dray/a", digest: blob.digest, size: blob.size, location: location, offset: 1 << 16,
                started: now))
        #expect(try upload(connection()) == .uploaded)
        try expectStored()
    }

    @Test(arguments: [0, -1, 1 << 40]) func `a kept offset outside the blob is given up`(_ offset: Int64) throws {
        memory.keep(
            UploadSession(
                repository: "dray/a", digest: blob.digest, size: blob.size, location: "/v2/x", offset: offset,
                started: now))
        let connection = try connection()
        #expect(try upload(connection) == .uploaded)
        #expect(connection.registry.traffic.methods["GET"] == nil)
        try expectStored()
    }

    @Test func `an interrupted upload without a journal leaves no session`() throws {
        let stop = Counter()
        let connection = try connection(journal: false) { stop.count > 0 }
        #expect(throws: RegistryError.cancelled) { try upload(connection) { _ in stop.add() } }
        #expect(connection.registry.traffic.methods == ["POST": 1, "PATCH": 1, "DELETE": 1])
        #expect(try sessions().isEmpty)
    }

    @Test func `a session is kept where a medium fails, and goes on when it is back`() throws {
        #expect(throws: MediumGone(volume: 3)) {
            try upload(connection()) { if $0 >= 1 << 16 { throw MediumGone(volume: 3) } }
        }
        #expect(memory.kept.map(\.offset) == [1 << 16])
        #expect(try connection().blobSize("dray/a", blob.digest) == nil)
        #expect(try upload(connection()) == .uploaded)
        #expect(try server.stored(blob.digest.hex + "/data").count == 1)
        #expect(memory.kept.isEmpty)
    }

    @Test func `what the journal throws ends the upload and its session`() throws {
        var options = RegistryOptions.waiting()
        options.upload = .chunks(of: ResumeTests.chunk)
        options.journal = UploadJournal(
            find: { _, _ in nil }, keep: { _ in throw MediumGone(volume: 9) }, drop: { _, _ in })
        let connection = try connect(server.url, options)
        #expect(throws: MediumGone(volume: 9)) { try upload(connection) }
        #expect(try sessions().isEmpty)
    }

    @Test func `chunks that are wrong are never stored`() throws {
        let other = try Content("other")
        let upload = BlobUpload(repository: "dray/a", digest: other.digest, size: blob.size, presence: .unlikely)
        let error = #expect(throws: RegistryError.self) {
            try connection().upload(upload) { blob.body(from: $0) }
        }
        #expect(error?.kind == .refusal)
        #expect(try connection().blobSize("dray/a", other.digest) == nil)
    }
}
