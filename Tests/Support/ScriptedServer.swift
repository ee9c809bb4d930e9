// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// An HTTP server on loopback that answers as a script says and records what it was asked: for answers that real
/// registries seldom give.
package final class ScriptedServer: Sendable {
    /// A request as it came.
    package struct Asked: Sendable {
        package let method: String
        /// Path and query.
        package let target: String
        /// Names in lower case.
        package let headers: [String: String]
        package fileprivate(set) var body: [UInt8]

        /// `GET /v2/`
        package var line: String { "\(method) \(target)" }
    }

    /// What the server does with the next request.
    package enum Step: Sendable {
        /// Reads the request, answers, keeps the connection.
        case answer(Int, [String: String] = [:], String = "")
        /// Reads the whole request and hangs up without an answer.
        case hangUp
        /// Reads this many bytes of the body at most and hangs up with a reset.
        case cut(afterBody: Int)
        /// Answers without reading the body, then hangs up.
        case answerEarly(Int, String = "")
        /// Reads the request and says nothing until the other side hangs up.
        case silence
        /// Sends these bytes as they are and hangs up.
        case raw(String)
        /// Sends these bytes and then one more each tenth of a second, for a minute or until the other side hangs up.
        case drip(String)
    }

    package let port: UInt16
    private let core: Core

    /// Answers the first request with the first step and so on; what then follows as `step` says; where that is `nil`, 418.
    package init(_ script: [Step] = [], _ step: @escaping @Sendable (Asked) -> Step? = { _ in nil }) {
        guard let (listener, port) = Loopback.listen() else { preconditionFailure("no free port on 127.0.0.1") }
        self.port = port
        core = Core(listener, script, step)
        DispatchQueue(label: "scripted server").async { [core] in core.accept() }
    }

    deinit { core.stop() }

    package var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far, in order.
    package var asked: [Asked] { core.asked }

    /// Their methods and targets.
    package var lines: [String] { asked.map(\.line) }

    /// How many connections were made, whatever was said on them.
    package var connections: Int { core.connections }
}

/// What the server's threads share: one thread accepts, one serves each connection.
private final class Core: Sendable {
    private let listener: Int32
    private let step: @Sendable (ScriptedServer.Asked) -> ScriptedServer.Step?
    private let state: Mutex<State>

    private struct State {
        var script: [ScriptedServer.Step]
        var asked: [ScriptedServer.Asked] = []
        var open: Set<Int32> = []
        var connections = 0
    }

    init(
        _ listener: Int32, _ script: [ScriptedServer.Step],
        _ step: @escaping @Sendable (ScriptedServer.Asked) -> ScriptedServer.Step?
    ) {
        (self.listener, self.step) = (listener, step)
        state = Mutex(State(script: script.reversed()))
    }

    var asked: [ScriptedServer.Asked] { state.withLock { $0.asked } }
    var connections: Int { state.withLock { $0.connections } }

    /// Ends all connections and the threads with them.
    func stop() {
        state.withLock { state in
            shutdown(listener, Int32(SHUT_RDWR))
            for socket in state.open { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    func accept() {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { break }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            state.withLock { state in
                state.open.insert(socket)
                state.connections += 1
            }
            DispatchQueue(label: "scripted connection").async { [self] in
                serve(Connection(socket))
                state.withLock { _ = $0.open.remove(socket) }
                close(socket)
            }
        }
        close(listener)
    }

    private func serve(_ connection: Connection) {
        while let head = connection.readHead() {
            var asked = head
            let step = next(asked)
            asked.body = connection.readBody(asked, limit: step.bodyLimit)
            let seen = asked
            state.withLock { $0.asked.append(seen) }
            switch step {
            case .answer(let status, let headers, let body):
                connection.answer(status, headers, asked.method == "HEAD" ? "" : body)
            case .answerEarly(let status, let body):
                return connection.answer(status, ["Connection": "close"], body)
            case .raw(let text): return connection.send(text)
            case .drip(let text): return connection.drip(text)
            case .hangUp: return
            case .silence: return connection.waitForEnd()
            case .cut: return connection.reset()
            }
        }
    }

    private func next(_ asked: ScriptedServer.Asked) -> ScriptedServer.Step {
        state.withLock { $0.script.popLast() } ?? step(asked) ?? .answer(418)
    }
}

extension ScriptedServer.Step {
    fileprivate var bodyLimit: Int {
        switch self {
        case .cut(let count): count
        case .answerEarly: 0
        case .answer, .hangUp, .silence, .raw, .drip: .max
        }
    }
}

/// One connection's bytes.
private final class Connection {
    private let socket: Int32
    private var buffer: [UInt8] = []

    init(_ socket: Int32) { self.socket = socket }

    /// The next request without its body; `nil` at the end.
    func readHead() -> ScriptedServer.Asked? {
        while true {
            if let end = buffer.firstRange(of: Array("\r\n\r\n".utf8)) {
                let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
                buffer.removeSubrange(..<end.upperBound)
                return request(lines)
            }
            guard receive() else { return nil }
        }
    }

    private func request(_ lines: [Substring]) -> ScriptedServer.Asked? {
        let words = lines[0].split(separator: " ")
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let name = line.prefix { $0 != ":" }
            headers[name.lowercased()] = String(line.dropFirst(name.count + 1).drop { $0 == " " })
        }
        return ScriptedServer.Asked(method: String(words[0]), target: String(words[1]), headers: headers, body: [])
    }

    func readBody(_ asked: ScriptedServer.Asked, limit: Int) -> [UInt8] {
        let length = min(asked.headers["content-length"].flatMap { Int($0) } ?? 0, limit)
        while buffer.count < length, receive() {}
        let body = Array(buffer.prefix(length))
        buffer.removeFirst(body.count)
        return body
    }

    func answer(_ status: Int, _ headers: [String: String], _ body: String) {
        var text = "HTTP/1.1 \(status) Scripted\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if headers["Content-Length"] == nil { text += "Content-Length: \(body.utf8.count)\r\n" }
        send(text + "\r\n" + body)
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes[done...].withUnsafeBytes { memory in
                unsafe Glibc.send(socket, memory.baseAddress, memory.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            done += count
        }
    }

    func drip(_ text: String) {
        send(text)
        for _ in 0..<600 {
            usleep(100_000)
            var byte = UInt8(ascii: "x")
            guard unsafe Glibc.send(socket, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return }
        }
    }

    func waitForEnd() {
        while receive() {}
    }

    /// Makes the coming close a reset.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    private func receive() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }
}
