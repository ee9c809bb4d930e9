// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import OCI
import Support
import Testing

@testable import RegistryClient

/// How long a registry that fails is tried again, and what isn't waited for.
struct PatienceTests {
    @Test(arguments: [502, 503, 504]) func `two minutes of refusals for load are enough`(_ status: Int) throws {
        let waits = Waits()
        let server = ScriptedServer { _ in .answer(status, [:], "try later?token=abc") }
        let connection = try connect(server.url, .waiting(waits))
        let error = #expect(throws: RegistryError.self) { try connection.ping() }
        guard case .unavailable(_, status, let faults) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(faults == [Fault(code: "", message: "try later?…")])
        #expect(error?.kind == .transient)
        #expect(server.asked.count >= 15)
        #expect(waits.sum >= .seconds(120) && waits.sum <= .seconds(131))
    }

    @Test func `a registry that answers 500 each time is asked five times`() throws {
        let waits = Waits()
        let server = ScriptedServer { _ in .answer(500) }
        #expect(throws: RegistryError.self) { try connect(server.url, .waiting(waits)).ping() }
        #expect(server.asked.count == 5 && waits.sum <= .seconds(3))
    }

    @Test func `where nothing ever answered, three attempts are enough`() throws {
        let waits = Waits()
        let connection = try connect("http://127.0.0.1:\(Loopback.freePort())", .waiting(waits))
        let error = #expect(throws: RegistryError.self) { try connection.ping() }
        #expect(error?.kind == .transient && waits.sum <= .milliseconds(600))
        #expect(connection.registry.traffic.retries == 2)
    }

    @Test func `a registry that went down is waited for until it is back`() throws {
        let server = ScriptedServer([.answer(200)] + Array(repeating: .hangUp, count: 12) + [.answer(200)])
        let connection = try connect(server.url)
        try connection.ping()
        try connection.ping()
        // libcurl itself asks again where a kept connection is dead
        #expect((12...14).contains(server.asked.count))
    }

    @Test func `what one connection is told of a limit, the others keep to`() throws {
        let waits = Waits()
        let server = ScriptedServer([.answer(429, ["Retry-After": "7"])]) { _ in .answer(200) }
        let registry = try Registry(Endpoint(parsing: server.url), .waiting(waits))
        registry.pause(for: .seconds(40))
        try registry.connection().ping()
        #expect(waits.sum > .seconds(46) && waits.sum <= .seconds(47))
        try registry.connection().ping()
        #expect(waits.sum <= .seconds(47) && server.asked.count == 3)
    }

    @Test func `a registry that asks for more than anybody waits for is taken at its word`() throws {
        let waits = Waits()
        let server = ScriptedServer { _ in .answer(429, ["Retry-After": "3600"]) }
        let error = #expect(throws: RegistryError.self) { try connect(server.url, .waiting(waits)).ping() }
        guard case .askedToWait(_, status: 429, seconds: 3600) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.kind == .transient && error?.description.contains("3600 s") == true)
        #expect(server.asked.count == 1 && waits.sum == .zero)
    }

    @Test func `a quota of requests is no full disk`() throws {
        let server = ScriptedServer([.answer(429, [:], "quota exceeded"), .answer(408, [:], "disk quota")]) { _ in
            .answer(200)
        }
        try connect(server.url).ping()
        #expect(server.asked.count == 3)
    }

    @Test func `a manifest under way may end after the interruption, in its grace`() throws {
        let manifest = try Content("{}")
        for (grace, count) in [(10, 0), (0, 1)] {
            let stop = Counter()
            var options = RegistryOptions.waiting()
            options.graceSeconds = grace
            options.isCancelled = { stop.count > 0 }
            let server = ScriptedServer { _ in
                stop.add()
                usleep(1_300_000)  // libcurl asks once a second whether to go on
                return .answer(201)
            }
            var cancelled = 0
            do {
                try connect(server.url, options).putManifest(
                    "a", "v1", Data(manifest.bytes), mediaType: MediaType.index, digest: manifest.digest)
            } catch {
                #expect(error as? RegistryError == .cancelled)
                cancelled += 1
            }
            #expect(cancelled == count)
        }
    }

    @Test func `a transfer of a few bytes a second is given up`() throws {
        let server = ScriptedServer([.answer(202, ["Location": "/v2/a/blobs/uploads/1"])]) { _ in .answer(204) }
        let blob = try Content(count: 1 << 16)
        var options = RegistryOptions.waiting()
        (options.stallSeconds, options.retry.attempts) = (1, 1)
        let begin = ContinuousClock.now
        let error = #expect(throws: RegistryError.self) {
            try connect(server.url, options).upload("base/a", blob.digest, size: 4 << 20) {
                var body = BytesBody(bytes: blob.bytes)
                body.onRead = { _ in usleep(100_000) }
                body.pieceSize = 10
                return body
            }
        }
        #expect(error?.kind == .transient)
        #expect(ContinuousClock.now - begin < .seconds(20))
    }
}
