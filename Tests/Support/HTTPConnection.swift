// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Glibc

/// The server's end of one HTTP/1.1 connection. Bodies pass through one buffer, whatever their size.
final class HTTPConnection {
    /// Go's server reads this much of a body that nobody wanted, and hangs up on more.
    static let unreadLimit = 256 << 10

    private let socket: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    /// What of the buffer has come and not been used.
    private var start = 0, end = 0

    private var isChunked = false
    /// Bytes of the body, or of the chunk, that are still to come.
    private var left = 0
    private var owesContinue = false
    /// Whether the socket has a time limit set.
    private var isTimed = false

    /// Body bytes read of the request under way.
    private(set) var bodyCount = 0
    /// Whether the whole body has been read.
    private(set) var isBodyComplete = true
    /// The body ends for us after so many bytes, as if the client had gone.
    var cutAfter = Int.max
    /// When reading the request under way fails.
    var deadline: ContinuousClock.Instant?

    init(_ socket: Int32) { self.socket = socket }

    /// The next request's head; `nil` at the end, and for what is no HTTP.
    func readRequest() -> HTTPRequest? {
        (deadline, cutAfter, bodyCount) = (nil, .max, 0)
        guard let first = readLine() else { return nil }
        let words = first.split(separator: " ")
        guard words.count == 3 else { return nil }
        var headers: [String: String] = [:]
        var size = first.utf8.count
        while true {
            guard let line = readLine(), size < 1 << 16 else { return nil }
            if line.isEmpty { break }
            size += line.utf8.count
            let name = line.prefix { $0 != ":" }
            let value = line.dropFirst(name.count + 1).drop { $0 == " " }
            headers[name.lowercased()] = String(value)
        }
        isChunked = headers["transfer-encoding"]?.lowercased() == "chunked"
        left = isChunked ? 0 : headers["content-length"].flatMap { Int($0) } ?? 0
        isBodyComplete = !isChunked && left == 0
        owesContinue = headers["expect"]?.lowercased() == "100-continue" && !isBodyComplete
        return HTTPRequest(method: String(words[0]), target: String(words[1]), headers: headers)
    }

    /// Gives the body piece by piece to `use`; whether all of it came.
    func readBody(_ use: (UnsafeRawBufferPointer) -> Bool) -> Bool {
        while let piece = nextPiece() {
            guard unsafe buffer.withUnsafeBytes({ unsafe use(UnsafeRawBufferPointer(rebasing: $0[piece])) }) else {
                return false
            }
        }
        return isBodyComplete
    }

    /// The whole body; `nil` when it was cut or is longer than `limit`.
    func readWholeBody(limit: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        let isWhole = unsafe readBody { piece in
            unsafe bytes += piece
            return bytes.count <= limit
        }
        return isWhole ? bytes : nil
    }

    /// The next bytes of the body, as a range of the buffer that holds until the next call.
    private func nextPiece() -> Range<Int>? {
        if owesContinue {
            owesContinue = false
            guard send("HTTP/1.1 100 Continue\r\n\r\n") else { return nil }
        }
        guard bodyCount < cutAfter, !isBodyComplete else { return nil }
        if isChunked, left == 0 {
            guard readChunkSize(), !isBodyComplete else { return nil }
        }
        if start == end { guard receive() else { return nil } }
        let count = min(end - start, left, cutAfter - bodyCount)
        (start, left, bodyCount) = (start + count, left - count, bodyCount + count)
        let piece = start - count..<start
        if left == 0 { isBodyComplete = !isChunked }
        return piece
    }

    private func readChunkSize() -> Bool {
        if bodyCount > 0 { guard readLine() == "" else { return false } }
        guard let line = readLine(), let size = Int(line.prefix { $0 != ";" }, radix: 16), size >= 0 else {
            return false
        }
        left = size
        guard size == 0 else { return true }
        while let trailer = readLine() {
            guard trailer.isEmpty else { continue }
            isBodyComplete = true
            return true
        }
        return false
    }

    /// Sends an answer; whether the connection can go on. What is left of the body is read first, if it is not much.
    func send(_ answer: HTTPAnswer, to request: HTTPRequest) -> Bool {
        let unread = bodyCount
        if owesContinue {
            owesContinue = false  // the client has not begun, and need not
        } else {
            while bodyCount - unread < HTTPConnection.unreadLimit, nextPiece() != nil {}
        }
        let closes = !isBodyComplete || request.headers["connection"]?.lowercased() == "close"
        let isSent = send(answer.head(closes: closes)) && (request.method == "HEAD" || sendBody(answer))
        if closes, isSent { waitForEnd() }
        return isSent && !closes
    }

    private func sendBody(_ answer: HTTPAnswer) -> Bool {
        guard let (path, offset, count) = answer.file else { return send(answer.body) }
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var (chunk, done) = ([UInt8](repeating: 0, count: 1 << 18), 0)
        while done < count {
            let wanted = min(chunk.count, count - done)
            let got = unsafe chunk.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, wanted, offset + done) }
            guard got > 0, send(got == chunk.count ? chunk : Array(chunk[..<got])) else { return false }
            done += got
        }
        return true
    }

    private func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    private func send(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { memory in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: memory[done...])
                return unsafe Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Says that nothing more comes and waits half a second for the other side to hear it, as Go's server does.
    private func waitForEnd() {
        shutdown(socket, Int32(SHUT_WR))
        let limit = ContinuousClock.now + .milliseconds(500)
        deadline = limit
        repeat { (start, end) = (0, 0) } while receive() && ContinuousClock.now < limit
    }

    /// Reads until the other side hangs up.
    func waitForHangUp() {
        repeat { (start, end) = (0, 0) } while receive()
    }

    /// Makes the coming close a reset.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    /// A line without its end; `nil` at the end and for one beyond 16 KiB.
    private func readLine() -> String? {
        var looked = 0
        while true {
            if let feed = buffer[start + looked..<end].firstIndex(of: 10) {
                let line = buffer[start..<feed]
                start = feed + 1
                return String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
            }
            looked = end - start
            guard looked < 1 << 14, receive() else { return nil }
        }
    }

    /// Reads more into the buffer; false at the end, on errors and after the deadline.
    private func receive() -> Bool {
        if start == end {
            (start, end) = (0, 0)
        } else if end == buffer.count {
            buffer.replaceSubrange(0..<end - start, with: buffer[start..<end])
            (start, end) = (0, end - start)
        }
        guard setTimeout() else { return false }
        let count = unsafe buffer.withUnsafeMutableBytes { memory in
            unsafe recv(socket, memory.baseAddress.map { unsafe $0 + end }, memory.count - end, 0)
        }
        guard count > 0 else { return false }
        end += count
        return true
    }

    private func setTimeout() -> Bool {
        guard deadline != nil || isTimed else { return true }
        var time = timeval()  // zero: no limit
        if let deadline {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            time.tv_sec = Int(left.components.seconds)
            time.tv_usec = Int(left.components.attoseconds / 1_000_000_000_000) + 1
        }
        isTimed = deadline != nil
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        return true
    }
}
