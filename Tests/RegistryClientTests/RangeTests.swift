// SPDX-License-Identifier: Apache-2.0

import OCI
import RegistryClient
import Support
import Testing

/// Ranges of blobs, as docker-registry and the stand-in of Zot send them.
struct RangeTests {
    private let blob: Content

    init() throws { blob = try Content(count: 5000) }

    private func range(
        _ url: String, _ digest: Digest? = nil, at offset: Int64, _ count: Int
    ) throws -> (answer: BlobRange, bytes: [UInt8]) {
        var memory = [UInt8](repeating: 0, count: count)
        let connection = try connect(url, .waiting())
        let answer = try unsafe memory.withUnsafeMutableBytes {
            try unsafe connection.range("a", digest ?? blob.digest, at: offset, into: $0)
        }
        return (answer, memory)
    }

    private func check(_ url: String) throws {
        _ = try connect(url).upload("a", blob.digest, size: blob.size) { blob.body }
        for (offset, count) in [(0, 1), (0, 5000), (4999, 1), (1000, 1000), (4000, 2000), (0, 9000)] {
            let wanted = Array(blob.bytes[offset..<min(offset + count, 5000)])
            let found = try range(url, at: Int64(offset), count)
            #expect(found.answer == .part(count: wanted.count, size: 5000), "\(offset) \(count)")
            #expect(Array(found.bytes.prefix(wanted.count)) == wanted, "\(offset) \(count)")
        }
        #expect(try range(url, Content("other").digest, at: 0, 1).answer == .missing)
    }

    @Test func `docker-registry sends what was asked for, as far as the blob goes`() throws {
        let server = try RegistryServer()
        try check(server.url)
    }

    @Test func `so does Zot`() throws {
        let server = try ZotServer()
        try check(server.url)
    }

    private static func answer(_ range: String, _ body: String, length: Int? = nil) -> ScriptedServer.Step {
        .raw(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: \(range)\r\nContent-Length: \(length ?? body.utf8.count)\r\n\r\n"
                + body)
    }

    @Test func `a broken answer is asked for again, from the range's start`() throws {
        let server = ScriptedServer([
            RangeTests.answer("bytes 2-5/10", "23", length: 4), RangeTests.answer("bytes 2-5/10", "2345"),
        ])
        let found = try range(server.url, at: 2, 4)
        #expect(found.answer == .part(count: 4, size: 10) && found.bytes == Array("2345".utf8))
        #expect(server.asked.map { $0.headers["range"] } == ["bytes=2-5", "bytes=2-5"])
    }

    @Test func `a whole blob in place of a range is not read`() throws {
        let server = ScriptedServer([.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789")])
        let found = try range(server.url, at: 2, 4)
        #expect(found.answer == .wholeOnly(size: 10) && found.bytes == [0, 0, 0, 0])
    }

    @Test(arguments: [
        answer("bytes 3-6/10", "3456"), answer("bytes 2-6/10", "23456"), answer("bytes 2-4/10", "234"),
        answer("bytes 2-5/*", "2345"), answer("bytes 2-5/5", "2345"), answer("2-5/10", "2345"),
        answer("bytes 2-5/10", "234"), answer("bytes 2-5/10", "23456"), answer("bytes 5-2/10", "2345"),
        answer("bytes 2-5/99999999999999999999", "2345"),
        .raw("HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\n2345"),
        .raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789"),
    ])
    func `an answer about anything else is refused`(_ answer: ScriptedServer.Step) throws {
        let server = ScriptedServer([answer])
        let error = #expect(throws: RegistryError.self) { try range(server.url, at: 2, 4) }
        guard case .malformed? = error else { return #expect(Bool(false), "\(error as Any)") }
    }

    @Test func `a redirect is not followed`() throws {
        let server = ScriptedServer([
            .raw("HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n")
        ])
        let error = #expect(throws: RegistryError.self) { try range(server.url, at: 2, 4) }
        guard case .redirected? = error else { return #expect(Bool(false), "\(error as Any)") }
    }
}
