// SPDX-License-Identifier: Apache-2.0

import Cryptography
import FoundationEssentials
import OCI
import RegistryClient
import Support
import Synchronization
import Testing

/// Bytes to push, with their digest.
struct Content {
    let bytes: [UInt8]
    let digest: Digest

    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        digest = try #require(Digest(bytes: Hasher.hash(bytes)))
    }

    init(_ text: String) throws { try self.init(Array(text.utf8)) }

    /// `count` bytes that look random and are the same each time.
    init(count: Int, seed: UInt64 = 1) throws {
        var state = seed
        var bytes = [UInt8](repeating: 0, count: count)
        for index in bytes.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[index] = UInt8(truncatingIfNeeded: state >> 56)
        }
        try self.init(bytes)
    }

    var size: Int64 { Int64(bytes.count) }
    var body: BytesBody { BytesBody(bytes: bytes) }

    /// An image manifest of one configuration and no layers.
    static func manifest(config: Content, note: String = "") throws -> Content {
        try Content(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.manifest)","config":{"mediaType":"\(MediaType.unknownConfig)",\
            "digest":"\(config.digest)","size":\(config.size)},"layers":[],"annotations":{"note":"\(note)"}}
            """)
    }
}

/// A body that ends in an error after some bytes, or calls `onRead` before each piece.
struct BytesBody: BlobBody {
    let bytes: [UInt8]
    var position = 0
    /// The most bytes that it gives at once.
    var pieceSize = Int.max
    var failure: (at: Int, error: any Error)?
    var onRead: (Int) throws -> Void = { _ in }

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try onRead(position)
        if let failure, position >= failure.at { throw failure.error }
        let end = min(bytes.count, failure?.at ?? .max, position + min(buffer.count, pieceSize))
        unsafe buffer.copyBytes(from: bytes[position..<end])
        defer { position = end }
        return end - position
    }
}

/// An error of a body's own.
struct MediumGone: Error, Equatable { let volume: Int }

/// Counts, from any thread.
final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
}

/// Collects waits in place of waiting.
final class Waits: Sendable {
    private let total = Mutex(Duration.zero)
    var sum: Duration { total.withLock { $0 } }
    func add(_ duration: Duration) { total.withLock { $0 += duration } }
}

extension RegistryOptions {
    /// Options whose waits take no time and are collected.
    static func waiting(_ waits: Waits = Waits()) -> RegistryOptions {
        var options = RegistryOptions()
        options.retry.sleep = { waits.add($0) }
        return options
    }
}

/// A connection to a registry at a URL.
func connect(_ url: String, _ options: RegistryOptions = .waiting()) throws -> RegistryConnection {
    try Registry(Endpoint(parsing: url), options).connection()
}

extension RegistryConnection {
    /// Sends a blob without asking for it first; `body` makes it from its start, as do all that send it in one piece.
    func upload(
        _ repository: String, _ digest: Digest, size: Int64, mountFrom: String? = nil, body: () throws -> any BlobBody
    ) throws -> UploadOutcome {
        let blob = BlobUpload(
            repository: repository, digest: digest, size: size, mountFrom: mountFrom, presence: .unlikely)
        return try upload(blob) { offset in
            #expect(offset == 0)
            return try body()
        }
    }
}

/// A journal in memory.
final class MemoryJournal: Sendable {
    private let sessions = Mutex<[String: UploadSession]>([:])
    private let offsets = Mutex<[Int64]>([])

    /// The sessions that are kept now.
    var kept: [UploadSession] { sessions.withLock { Array($0.values) } }
    /// Every offset that was kept, in order.
    var history: [Int64] { offsets.withLock { $0 } }

    func keep(_ session: UploadSession) {
        offsets.withLock { $0.append(session.offset) }
        sessions.withLock { $0["\(session.repository)@\(session.digest)"] = session }
    }

    var journal: UploadJournal {
        UploadJournal(
            find: { repository, digest in self.sessions.withLock { $0["\(repository)@\(digest)"] } },
            keep: { self.keep($0) },
            drop: { repository, digest in self.sessions.withLock { $0["\(repository)@\(digest)"] = nil } })
    }
}

extension UploadRules {
    /// Chunks of this many bytes, whatever the speed.
    static func chunks(of size: Int64) -> UploadRules {
        var rules = UploadRules()
        (rules.smallestChunk, rules.firstChunk, rules.largestChunk) = (size, size, size)
        (rules.requestSeconds, rules.singleLimit, rules.unaskedLimit) = (0, 0, 0)
        return rules
    }
}

extension Content {
    /// The bytes from an offset on.
    func body(from offset: Int64) -> BytesBody {
        var body = self.body
        body.position = Int(offset)
        return body
    }
}
