// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// One run of the stand-in: one thread accepts, one serves each connection.
final class ZotListener: Sendable {
    let port: UInt16
    let store: ZotStore
    private let options: ZotServer.Options
    private let access: ZotAccess
    private let ledger: ZotLedger
    private let listener: Int32
    private let threads = DispatchGroup()
    private let state = Mutex(State())

    private struct State {
        var open: Set<Int32> = []
        var isStopping = false
        /// Sessions that insist on the query they were given.
        var stateful: Set<String> = []
    }

    init(_ options: ZotServer.Options, _ folder: String, _ port: UInt16, _ ledger: ZotLedger) throws {
        guard ZotDisk.makeFolder(folder), let (listener, port) = Loopback.listen(port: port) else {
            throw CommandError.notStarted("the stand-in of Zot on port \(port) with \(folder)", errno: errno)
        }
        (self.listener, self.port, self.options, self.ledger) = (listener, port, options, ledger)
        store = ZotStore(folder, options)
        access = ZotAccess(options, url: "http://127.0.0.1:\(port)")
        DispatchQueue(label: "zot").async(group: threads) { self.accept() }
        if let delay = options.gcDelay { collect(every: max(delay / 4, .milliseconds(20)), olderThan: delay) }
    }

    /// Ends all connections, and returns when all threads have ended.
    func stop() {
        state.withLock { state in
            state.isStopping = true
            shutdown(listener, Int32(SHUT_RDWR))
            for socket in state.open { shutdown(socket, Int32(SHUT_RDWR)) }
        }
        threads.wait()
    }

    private var isStopping: Bool { state.withLock(\.isStopping) }

    private func collect(every pause: Duration, olderThan delay: Duration) {
        let parts = pause.components
        let time = DispatchTimeInterval.nanoseconds(
            Int(parts.seconds) * 1_000_000_000 + Int(parts.attoseconds / 1_000_000_000))
        DispatchQueue.global().asyncAfter(deadline: .now() + time) { [weak self] in
            guard let self, !isStopping else { return }
            store.collect(olderThan: delay)
            collect(every: pause, olderThan: delay)
        }
    }

    private func accept() {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else {
                if !isStopping, [EINTR, ECONNABORTED, EMFILE, ENFILE].contains(errno) { continue }
                break
            }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            var one: Int32 = 1
            unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
            let isOpen = state.withLock { state in
                !state.isStopping && state.open.insert(socket).inserted
            }
            guard isOpen else {
                close(socket)
                break
            }
            DispatchQueue(label: "zot connection").async(group: threads) {
                self.serve(HTTPConnection(socket))
                self.state.withLock { _ = $0.open.remove(socket) }
                close(socket)
            }
        }
        close(listener)
    }

    private func serve(_ connection: HTTPConnection) {
        while let request = connection.readRequest() {
            let route = ZotRoute(path: request.path)
            let (place, fault) = ledger.note(request, route.kind)
            if let deadline = options.deadline { connection.deadline = .now + deadline }
            let answer = answer(request, route, connection, fault)
            ledger.complete(place, bodyCount: connection.bodyCount, status: answer?.status ?? 0)
            guard let answer, connection.send(answer, to: request) else { return }
        }
    }

    private func answer(
        _ request: HTTPRequest, _ route: ZotRoute, _ connection: HTTPConnection, _ fault: ZotServer.Fault?
    ) -> HTTPAnswer? {
        switch fault {
        case .cutBody(let count): connection.cutAfter = count
        case .answer(let status, let headers, let body):
            return HTTPAnswer(status, headers.map { ($0.key, $0.value) }, body: body)
        case .collectBefore: store.collect(olderThan: .zero)
        case .delay(let time): pause(time)
        case .silence:
            connection.waitForHangUp()
            return nil
        default: break
        }
        if case .session(_, let id) = route, state.withLock({ $0.stateful.contains(id) }),
            request.query("_state").isEmpty
        {
            return .error(404, .blobUploadInvalid, ["session_id": id])
        }
        let handler = ZotHandler(
            request: request, route: route, connection: connection, store: store, access: access, fault: fault,
            isStopping: { self.isStopping })
        if let answer = handler.answer() { return bent(answer, fault) }
        if case .cutBody = fault { connection.reset() }
        return nil
    }

    /// What a fault makes of the answer.
    private func bent(_ plain: HTTPAnswer, _ fault: ZotServer.Fault?) -> HTTPAnswer? {
        var answer = plain
        switch fault {
        case .loseAnswer: return nil
        case .rangePrefix: answer["Range"] = plain["Range"].map { "bytes=" + $0 }
        case .foreignLocation(let address): answer["Location"] = plain["Location"].map { address + $0 }
        case .claimDigest(let digest): answer["Docker-Content-Digest"] = digest
        case .absoluteLocation(let hasQuery):
            guard let location = plain["Location"] else { break }
            let isSession = hasQuery && location.contains("/blobs/uploads/")
            answer["Location"] = "http://127.0.0.1:\(port)\(location)\(isSession ? "?_state=a%2Fb%3D" : "")"
            if isSession, let id = location.split(separator: "/").last {
                state.withLock { _ = $0.stateful.insert(String(id)) }
            }
        default: break
        }
        return answer
    }

    private func pause(_ time: Duration) {
        let limit = ContinuousClock.now + time
        while ContinuousClock.now < limit, !isStopping { usleep(2000) }
    }
}
