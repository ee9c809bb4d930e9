// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// A proxy on loopback in front of a registry: passes HTTP/1.1 on, counts what passes, and at one chosen moment lets
/// something go wrong.
package final class FaultProxy: Sendable {
    /// A point in all that passes, over all connections.
    package enum Moment: Sendable, Hashable {
        /// So many bytes of upload bodies have gone to the registry.
        case body(Int)
        /// Before the request of this number, from 0 on, goes to the registry.
        case request(Int)
        /// The registry has answered this request, and the client has not heard of it.
        case answer(Int)
        /// The client has the answer to this request.
        case answered(Int)
    }

    /// A request that came, and how far it got.
    package struct Exchange: Sendable {
        package let method: String
        /// Path and query.
        package let target: String
        let bodyLength: Int
        /// Bytes of the body that went to the registry.
        package fileprivate(set) var bodyBytes = 0
        /// The registry's answer; 0 while there is none, and for none.
        package fileprivate(set) var status = 0
        /// Whether nothing more of it passes.
        fileprivate(set) var isOver = false

        /// The path of the upload session that it is about, without the query; `nil` for everything else.
        package var session: String? {
            let path = target.prefix { $0 != "?" }
            guard path.contains("/blobs/uploads/"), !path.hasSuffix("/blobs/uploads/") else { return nil }
            return String(path)
        }

        /// Whether its body is one of a blob.
        package var isUpload: Bool { target.contains("/blobs/uploads/") }
    }

    package let port: UInt16
    private let line: ProxyLine

    /// Passes everything to this port of 127.0.0.1.
    package init(to registry: UInt16) {
        guard let (listener, port) = Loopback.listen() else { preconditionFailure("no free port on 127.0.0.1") }
        self.port = port
        line = ProxyLine(listener, registry)
        DispatchQueue(label: "proxy").async { [line] in line.accept() }
    }

    deinit { line.stop() }

    package var url: String { "http://127.0.0.1:\(port)" }

    /// What has passed, in the order it began.
    package var exchanges: [Exchange] { line.state.withLock(\.exchanges) }

    /// How many requests with bytes of blobs had come that the registry had not answered when the fault of `arm` came about; `nil`
    /// before.
    package var uploadsCut: Int? { line.state.withLock(\.uploadsCut) }

    /// Calls `fault` once, when the moment has come, on the thread that passes it; with `cutsConnection`, that connection is
    /// reset then.
    package func arm(_ moment: Moment, cutsConnection: Bool, _ fault: @escaping @Sendable () -> Void) {
        line.state.withLock { $0.armed = ProxyLine.Armed(moment: moment, cuts: cutsConnection, fault: fault) }
    }
}

/// What the proxy's threads share: one accepts, one serves each connection.
final class ProxyLine: Sendable {
    let listener: Int32
    let registry: UInt16
    let state = Mutex(State())

    struct State {
        var exchanges: [FaultProxy.Exchange] = []
        var bodyBytes = 0
        var armed: Armed?
        var uploadsCut: Int?
        var open: Set<Int32> = []
    }

    struct Armed {
        let moment: FaultProxy.Moment
        let cuts: Bool
        let fault: @Sendable () -> Void
    }

    init(_ listener: Int32, _ registry: UInt16) { (self.listener, self.registry) = (listener, registry) }

    func accept() {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { break }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            var one: Int32 = 1
            unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            state.withLock { _ = $0.open.insert(socket) }
            DispatchQueue(label: "proxy connection").async { [self] in
                serve(socket)
                state.withLock { _ = $0.open.remove(socket) }
                close(socket)
            }
        }
        close(listener)
    }

    /// Ends all connections and the threads with them.
    func stop() {
        state.withLock { state in
            shutdown(listener, Int32(SHUT_RDWR))
            for socket in state.open { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    private func serve(_ client: Int32) {
        guard let server = Loopback.connect(registry) else { return }
        defer { close(server) }
        let (near, far) = (ProxyEnd(client), ProxyEnd(server))
        while pass(near, far) {}
    }

    /// One request and its answer; whether the connection goes on.
    private func pass(_ client: ProxyEnd, _ server: ProxyEnd) -> Bool {
        guard let head = client.readHead() else { return false }
        let words = head.lines[0].split(separator: " ")
        guard words.count == 3 else { return false }
        let number = begin(String(words[0]), String(words[1]), head.contentLength)
        defer { state.withLock { $0.exchanges[number].isOver = true } }
        guard !comes(.request(number), client, server), server.send(head.bytes) else { return false }
        let isSent = passBody(head.contentLength, of: number, client, server)
        // A registry may answer, and hang up, before it has read the body.
        guard isSent != nil, let answer = server.readHead() else { return false }
        state.withLock { $0.exchanges[number].status = answer.status }
        let hasBody = words[0] != "HEAD" && answer.status != 204 && answer.status != 304
        guard !comes(.answer(number), client, server), client.send(answer.bytes),
            !hasBody || answer.passBody(from: server, to: client)
        else { return false }
        return !comes(.answered(number), client, server) && isSent == true
    }

    private func begin(_ method: String, _ target: String, _ length: Int) -> Int {
        state.withLock { state in
            state.exchanges.append(FaultProxy.Exchange(method: method, target: target, bodyLength: length))
            return state.exchanges.count - 1
        }
    }

    /// `nil` when nothing more may pass, `false` when the registry takes no more.
    private func passBody(_ length: Int, of number: Int, _ client: ProxyEnd, _ server: ProxyEnd) -> Bool? {
        var left = length
        while left > 0 {
            let piece = client.read(atMost: min(left, room(number)))
            guard !piece.isEmpty else { return nil }
            guard server.send(piece) else { return false }
            left -= piece.count
            let total = state.withLock { state in
                state.exchanges[number].bodyBytes += piece.count
                guard state.exchanges[number].isUpload else { return -1 }
                state.bodyBytes += piece.count
                return state.bodyBytes
            }
            if comes(.body(total), client, server) { return nil }
        }
        return true
    }

    /// Bytes that may pass until the moment that is waited for.
    private func room(_ number: Int) -> Int {
        state.withLock { state in
            guard case .body(let end) = state.armed?.moment, state.exchanges[number].isUpload else { return 1 << 16 }
            return min(1 << 16, max(end - state.bodyBytes, 1))
        }
    }

    /// Brings the fault about if this is its moment; whether the connection is cut.
    private func comes(_ moment: FaultProxy.Moment, _ client: ProxyEnd, _ server: ProxyEnd) -> Bool {
        let armed = state.withLock { state -> Armed? in
            guard let armed = state.armed, armed.moment.isReached(by: moment) else { return nil }
            state.armed = nil
            state.uploadsCut = state.exchanges.count {
                $0.isUpload && $0.bodyLength > 0 && $0.status == 0 && !$0.isOver
            }
            return armed
        }
        guard let armed else { return false }
        armed.fault()
        guard armed.cuts else { return false }
        client.reset()
        server.reset()
        return true
    }
}

extension FaultProxy.Moment {
    /// Bytes of several connections may pass the mark together.
    fileprivate func isReached(by other: Self) -> Bool {
        if case .body(let wanted) = self, case .body(let now) = other { return now >= wanted }
        return self == other
    }
}
