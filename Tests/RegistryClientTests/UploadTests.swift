// SPDX-License-Identifier: Apache-2.0

import OCI
import RegistryClient
import Support
import Testing

/// Uploads to a server that follows a script: what is sent, in which order, and what is learned.
struct UploadTests {
    private let blob: Content
    private let opened = Counter()

    init() throws { blob = try Content(count: 2500) }

    private static let post = "POST /v2/a/blobs/uploads/"
    private var digest: String { "digest=sha256%3A\(blob.digest.hex)" }
    private var head: String { "HEAD /v2/a/blobs/\(blob.digest)" }

    private func session(_ number: Int) -> String { "/v2/a/blobs/uploads/s?_state=\(number)" }

    private func step(_ status: Int, _ number: Int, _ headers: [String: String] = [:]) -> ScriptedServer.Step {
        .answer(status, headers.merging(["Location": session(number)]) { first, _ in first })
    }

    private func options(chunks: Int64? = 1000, _ waits: Waits = Waits()) -> RegistryOptions {
        var options = RegistryOptions.waiting(waits)
        if let chunks { options.upload = .chunks(of: chunks) }
        return options
    }

    private func upload(
        _ connection: RegistryConnection, _ presence: BlobUpload.Presence = .unlikely,
        _ body: (Int64) throws -> any BlobBody
    ) throws -> UploadOutcome {
        let upload = BlobUpload(repository: "a", digest: blob.digest, size: blob.size, presence: presence)
        return try connection.upload(upload) { offset in
            opened.add()
            return try body(offset)
        }
    }

    private func upload(
        _ connection: RegistryConnection, _ presence: BlobUpload.Presence = .unlikely
    ) throws -> UploadOutcome {
        try upload(connection, presence) { blob.body(from: $0) }
    }

    @Test func `chunks go in order to the newest location, from one body`() throws {
        let server = ScriptedServer([step(202, 0), step(202, 1), step(202, 2), .answer(202), .answer(201)])
        let connection = try connect(server.url, options())
        #expect(try upload(connection) == .uploaded)
        #expect(
            server.lines == [
                Self.post, "PATCH \(session(0))", "PATCH \(session(1))", "PATCH \(session(2))",
                "PUT \(session(2))&\(digest)",
            ])
        let chunks = server.asked[1...3]
        #expect(chunks.map { $0.headers["content-range"] } == ["0-999", "1000-1999", "2000-2499"])
        #expect(chunks.map { $0.headers["content-length"] } == ["1000", "1000", "500"])
        #expect(chunks.flatMap(\.body) == blob.bytes)
        #expect(server.asked[4].headers["content-length"] == "0" && server.asked[4].headers["content-range"] == nil)
        for asked in server.asked[1...] {
            #expect(asked.headers["content-type"] == "application/octet-stream")
            #expect(asked.headers["transfer-encoding"] == nil && asked.headers["expect"] == nil)
        }
        #expect(opened.count == 1)
        #expect(connection.registry.habits.takesChunks == true)
    }

    @Test func `what a registry does with a single request is learned once`() throws {
        let takes = ScriptedServer([.answer(404), .answer(201), .answer(201)])
        let connection = try connect(takes.url, options(chunks: nil))
        #expect(try upload(connection, .unknown) == .uploaded)
        #expect(try upload(connection, .unknown) == .uploaded)
        #expect(takes.lines == [head, "\(Self.post)?\(digest)", "\(Self.post)?\(digest)"])
        #expect(takes.asked[2].body == blob.bytes)
        #expect(takes.asked[2].headers["content-type"] == "application/octet-stream")
        for first in [step(202, 0), .answer(405), .answer(400), .answer(501)] {
            var script = [first]
            if case .answer(202, _, _) = first {} else { script.append(step(202, 0)) }
            let opens = ScriptedServer(script + [.answer(201), step(202, 1), .answer(201)])
            let connection = try connect(opens.url, options(chunks: nil))
            #expect(try upload(connection) == .uploaded)
            #expect(try upload(connection) == .uploaded)
            #expect(connection.registry.habits.takesSinglePost == false)
            #expect(
                opens.lines.suffix(3) == ["PUT \(session(0))&\(digest)", Self.post, "PUT \(session(1))&\(digest)"])
            #expect(opens.lines.count == script.count + 3)
        }
    }

    @Test func `a blob that is there is not sent`() throws {
        let server = ScriptedServer([.answer(200, ["Content-Length": "2500"])])
        #expect(try upload(connect(server.url, options()), .unknown) == .present)
        #expect(server.lines == [head] && opened.count == 0)
    }

    @Test func `a blob that docker-registry can't find the link of is sent again`() throws {
        let server = ScriptedServer([.answer(500), step(202, 0), .answer(201)])
        #expect(try upload(connect(server.url, options(chunks: 9000)), .unknown) == .uploaded)
        #expect(server.lines == [head, Self.post, "PUT \(session(0))&\(digest)"])
    }

    @Test(arguments: [405, 501, 400, 404]) func `a registry without chunks gets whole blobs`(_ status: Int) throws {
        let server = ScriptedServer([step(202, 0), .answer(status)]) { asked in
            switch asked.method {
            case "POST": step(202, 7)
            case "PUT": .answer(201)
            default: .answer(204)
            }
        }
        let connection = try connect(server.url, options())
        #expect(try upload(connection) == .uploaded)
        let delete = status == 404 ? [] : ["DELETE \(session(0))"]
        let whole = [Self.post, "PUT \(session(7))&\(digest)"]
        #expect(server.lines == [Self.post, "PATCH \(session(0))"] + delete + whole)
        #expect(server.asked.last?.body == blob.bytes)
        // what says that it takes none is believed for ever; a session that went, or a 400, only in this process
        #expect(connection.registry.habits.takesChunks == ([405, 501].contains(status) ? false : nil))
        #expect(try upload(connection) == .uploaded)
        #expect(server.lines.suffix(2) == whole[...])
    }

    @Test func `a proxy's limit is found and kept to`() throws {
        let server = ScriptedServer { asked in
            let size = asked.headers["content-length"].flatMap { Int($0) } ?? 0
            if size > 700 { return .answerEarly(413) }
            return switch asked.method {
            case "PUT": .answer(201)
            case "DELETE": .answer(204)
            default: step(202, 0)
            }
        }
        var options = options(chunks: 100)
        (options.upload.firstChunk, options.upload.largestChunk, options.upload.requestSeconds) = (5000, 5000, 15)
        let connection = try connect(server.url, options)
        #expect(try upload(connection) == .uploaded)
        #expect(connection.registry.habits.largestRequest == 625)
        let ranges = server.asked.compactMap { $0.headers["content-range"] }
        #expect(ranges == ["0-1249", "0-624", "625-1249", "1250-1874", "1875-2499"])
        let before = server.asked.count
        #expect(try upload(connection) == .uploaded)
        #expect(server.asked.count - before == 6)
    }

    @Test func `a registry's smallest chunk is kept to`() throws {
        let server = ScriptedServer([
            step(202, 0, ["OCI-Chunk-Min-Length": "2000"]), step(202, 1), step(202, 2), .answer(201),
        ])
        let connection = try connect(server.url, options())
        #expect(try upload(connection) == .uploaded)
        #expect(server.asked.compactMap { $0.headers["content-range"] } == ["0-1999", "2000-2499"])
        #expect(connection.registry.habits.smallestChunk == 2000)
    }

    @Test func `a lost chunk is sent again where the session says that it isn't there`() throws {
        let server = ScriptedServer([
            step(202, 0), step(202, 1), .cut(afterBody: 10), step(204, 5, ["Range": "0-999"]), step(202, 6),
            step(202, 7), .answer(201),
        ])
        #expect(try upload(connect(server.url, options())) == .uploaded)
        #expect(
            server.lines == [
                Self.post, "PATCH \(session(0))", "PATCH \(session(1))", "GET \(session(1))", "PATCH \(session(5))",
                "PATCH \(session(6))", "PUT \(session(7))&\(digest)",
            ])
        #expect(server.asked[4].headers["content-range"] == "1000-1999")
        #expect(server.asked[4].body == Array(blob.bytes[1000..<2000]))
        #expect(opened.count == 2)
    }

    @Test func `a chunk whose answer alone was lost is not sent again`() throws {
        let server = ScriptedServer([
            step(202, 0), .hangUp, step(204, 1, ["Range": "bytes=0-999"]), step(202, 2), step(202, 3), .answer(201),
        ])
        #expect(try upload(connect(server.url, options())) == .uploaded)
        #expect(server.asked.compactMap { $0.headers["content-range"] } == ["0-999", "1000-1999", "2000-2499"])
        #expect(opened.count == 1)
    }

    @Test func `a session that is somewhere else is ended and the blob begun again`() throws {
        let server = ScriptedServer([
            step(202, 0), step(202, 1), .cut(afterBody: 10), step(204, 1, ["Range": "0-1004"]), .answer(204),
            step(202, 2), step(202, 3), step(202, 4), step(202, 5), .answer(201),
        ])
        #expect(try upload(connect(server.url, options())) == .uploaded)
        #expect(server.lines[3...5] == ["GET \(session(1))", "DELETE \(session(1))", Self.post])
        #expect(server.asked[6...8].flatMap(\.body) == blob.bytes)
    }

    // libcurl itself sends a request without a body again where a kept connection turns out to be dead.
    @Test func `a lost answer to the closing request is found out by asking`() throws {
        let chunks = [step(202, 0), step(202, 1), step(202, 2), step(202, 3)]
        let put = "PUT \(session(3))&\(digest)"
        let there = ScriptedServer.Step.answer(200, ["Content-Length": "2500"])
        let rows: [([ScriptedServer.Step], [String])] = [
            ([.hangUp, .hangUp, there], [put, put, head]), ([.hangUp, .answer(404), there], [put, put, head]),
            ([.hangUp, .hangUp, .answer(404), .answer(201)], [put, put, head, put]),
        ]
        for (answers, lines) in rows {
            let server = ScriptedServer(chunks + answers)
            #expect(try upload(connect(server.url, options())) == .uploaded)
            #expect(server.lines.dropFirst(4) == lines[...])
        }
    }

    @Test func `progress is what resets the count of attempts`() throws {
        let waits = Waits()
        var script = [step(202, 0)]
        for offset in [0, 1000, 2000] {
            for _ in 0..<3 {
                script += [.answer(503, ["Retry-After": "9"]), step(204, 0, ["Range": "0-\(offset - 1)"])]
            }
            script.append(step(202, 0))
        }
        let busy = ScriptedServer(script + [.answer(201)])
        let connection = try connect(busy.url, options(chunks: 1000, waits))
        #expect(try upload(connection) == .uploaded)
        #expect(waits.sum == .seconds(81))
        #expect(connection.registry.traffic.retries == 9)
        let never = ScriptedServer { asked in asked.method == "POST" ? step(202, 0) : .answer(503) }
        let error = #expect(throws: RegistryError.self) { try upload(connect(never.url, options())) }
        #expect(error?.kind == .transient)
        #expect(never.asked.count > 15)
    }

    @Test func `sessions that are lost again and again end it after five times`() throws {
        let server = ScriptedServer { asked in asked.method == "POST" ? step(202, 0) : .answer(404) }
        let waits = Waits()
        let error = #expect(throws: RegistryError.self) {
            try upload(connect(server.url, options(chunks: 9000, waits)))
        }
        #expect(error?.kind == .refusal)
        #expect(server.lines.count { $0.hasPrefix("PUT") } == 5 && waits.sum <= .seconds(3))
    }

    @Test func `with a limited rate no part takes longer than its share of it`() throws {
        let server = ScriptedServer { asked in asked.method == "PUT" ? .answer(201) : step(202, 0) }
        var options = options(chunks: nil)
        (options.limitRate, options.connections) = (40_000, 4)
        (options.upload.requestSeconds, options.upload.unaskedLimit) = (0.02, 0)
        let large = try Content(count: 70_000)
        let connection = try connect(server.url, options)
        #expect(try connection.upload("a", large.digest, size: large.size) { large.body } == .uploaded)
        #expect(server.asked.compactMap { $0.headers["content-range"] } == ["0-65535", "65536-69999"])
    }

    @Test func `a location on another host gets no chunk`() throws {
        let other = ScriptedServer { _ in .answer(202) }
        let server = ScriptedServer([step(202, 0), .answer(202, ["Location": other.url + "/v2/a"])]) { _ in
            .answer(204)
        }
        let error = #expect(throws: RegistryError.self) { try upload(connect(server.url, options())) }
        guard case .foreignLocation = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(other.asked.isEmpty)
        #expect(server.lines.last == "DELETE \(session(0))")
    }

    @Test func `a login that runs out between chunks is renewed and the chunk sent again`() throws {
        let server = ScriptedServer([
            step(202, 0), step(202, 1), .answer(401, ["WWW-Authenticate": "Basic realm=x"]), step(202, 2),
            step(202, 3), .answer(201),
        ])
        var options = options()
        options.credentials = Credentials(username: "u", password: "p")
        #expect(try upload(connect(server.url, options)) == .uploaded)
        #expect(server.asked[3].body == Array(blob.bytes[1000..<2000]))
        #expect(server.asked[3].headers["authorization"] != nil)
        #expect(opened.count == 2)
    }

    @Test func `what was sent is counted`() throws {
        let server = ScriptedServer([step(202, 0), step(202, 1), step(202, 2), .answer(202), .answer(201)])
        let connection = try connect(server.url, options())
        #expect(try upload(connection) == .uploaded)
        var traffic = Traffic()
        (traffic.requests, traffic.bodyBytes) = (5, 2500)
        traffic.methods = ["POST": 1, "PATCH": 3, "PUT": 1]
        #expect(connection.registry.traffic == traffic)
    }

    @Test func `a limited rate is kept to, and cancellation doesn't wait for it`() throws {
        let server = ScriptedServer { asked in asked.method == "POST" ? step(202, 0) : .answer(201) }
        var options = options(chunks: 9000)
        options.limitRate = 5000
        let begin = ContinuousClock.now
        #expect(try upload(connect(server.url, options)) == .uploaded)
        #expect(ContinuousClock.now - begin >= .milliseconds(400))
        #expect(server.asked.last?.body == blob.bytes)
        let stop = Counter()
        options.limitRate = 1
        options.isCancelled = { stop.count > 0 }
        #expect(throws: RegistryError.cancelled) {
            try upload(connect(server.url, options)) { offset in
                var body = blob.body(from: offset)
                body.onRead = { _ in stop.add() }
                return body
            }
        }
        #expect(server.lines.last == "DELETE \(session(0))")
    }
}
