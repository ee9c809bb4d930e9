// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One side of a proxied connection: bytes as they come, and the heads among them.
final class ProxyEnd {
    private let socket: Int32
    private var buffer: [UInt8] = []

    /// The head of a request or an answer, with the bytes it came as.
    struct Head {
        let bytes: [UInt8]
        let lines: [Substring]

        private func header(_ name: String) -> Substring? {
            lines.dropFirst().first { $0.lowercased().hasPrefix("\(name):") }?.drop { $0 != ":" }.dropFirst()
                .drop { $0 == " " }
        }

        var contentLength: Int { header("content-length").flatMap { Int($0) } ?? 0 }
        /// Of an answer.
        var status: Int { lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }

        /// Passes the answer's body on; whether all of it went.
        func passBody(from server: ProxyEnd, to client: ProxyEnd) -> Bool {
            guard header("transfer-encoding")?.lowercased() == "chunked" else {
                return server.pass(contentLength, to: client)
            }
            while let line = server.readLine(), client.send(line),
                let size = Int(String(decoding: line.prefix { $0 != 13 }, as: UTF8.self), radix: 16)
            {
                guard server.pass(size + 2, to: client) else { return false }  // the chunk's own end too
                if size == 0 { return true }
            }
            return false
        }
    }

    init(_ socket: Int32) { self.socket = socket }

    /// The next head; `nil` at the end.
    func readHead() -> Head? {
        while true {
            if let end = buffer.firstRange(of: Array("\r\n\r\n".utf8)) {
                let bytes = Array(buffer[..<end.upperBound])
                buffer.removeSubrange(..<end.upperBound)
                let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
                return lines.isEmpty ? nil : Head(bytes: bytes, lines: lines)
            }
            guard buffer.count < 1 << 17, receive() else { return nil }
        }
    }

    /// The next bytes of a body, at most `limit`; none at the end.
    func read(atMost limit: Int) -> [UInt8] {
        if buffer.isEmpty { guard receive() else { return [] } }
        let piece = Array(buffer.prefix(limit))
        buffer.removeFirst(piece.count)
        return piece
    }

    /// With its end.
    private func readLine() -> [UInt8]? {
        while true {
            if let feed = buffer.firstIndex(of: 10) {
                let line = Array(buffer[...feed])
                buffer.removeSubrange(...feed)
                return line
            }
            guard buffer.count < 1 << 12, receive() else { return nil }
        }
    }

    private func pass(_ count: Int, to other: ProxyEnd) -> Bool {
        var left = count
        while left > 0 {
            let piece = read(atMost: left)
            guard !piece.isEmpty, other.send(piece) else { return false }
            left -= piece.count
        }
        return true
    }

    func send(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes[done...].withUnsafeBytes { memory in
                unsafe Glibc.send(socket, memory.baseAddress, memory.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            done += count
        }
        return true
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
