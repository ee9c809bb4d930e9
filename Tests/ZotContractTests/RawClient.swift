// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Asks a server one request for each connection, with exactly the headers that are given: what a registry client would
/// put right must reach the server as it is.
struct RawClient {
    enum Body {
        case none
        case whole([UInt8])
        /// `Transfer-Encoding: chunked`
        case chunks([[UInt8]])
        /// The first bytes of a body; then the client goes.
        case cut([UInt8])
        /// The first bytes of a body; then the client says nothing more and listens.
        case stalled([UInt8])
    }

    struct Answer {
        var status = 0
        /// Names in lower case.
        var headers: [String: String] = [:]
        var body: [UInt8] = []
    }

    let host: String
    let port: String

    /// Takes `http://host:port`.
    init?(url: String) {
        guard url.hasPrefix("http://") else { return nil }
        let parts = url.dropFirst(7).prefix { $0 != "/" }.split(separator: ":")
        guard let host = parts.first, parts.count <= 2 else { return nil }
        self.host = String(host)
        port = parts.count == 2 ? String(parts[1]) : "80"
    }

    /// Status 0 when no answer came.
    func ask(_ method: String, _ target: String, _ headers: [String: String] = [:], _ body: Body = .none) -> Answer {
        guard let socket = connect() else { return Answer() }
        defer { close(socket) }
        var lines = ["\(method) \(target) HTTP/1.1", "Host: \(host):\(port)", "Accept-Encoding: identity"]
        lines += headers.map { "\($0.key): \($0.value)" }
        var bytes: [UInt8] = []
        switch body {
        case .none:
            if ["POST", "PUT", "PATCH"].contains(method), headers["Content-Length"] == nil {
                lines.append("Content-Length: 0")
            }
        case .whole(let content):
            lines.append("Content-Length: \(content.count)")
            bytes = content
        case .chunks(let chunks):
            lines.append("Transfer-Encoding: chunked")
            for chunk in chunks { bytes += "\(String(chunk.count, radix: 16))\r\n".utf8 + chunk + "\r\n".utf8 }
            bytes += "0\r\n\r\n".utf8
        case .cut(let content), .stalled(let content): bytes = content
        }
        send(socket, Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
        send(socket, bytes)
        if case .cut = body { return Answer() }
        var reader = AnswerReader(socket)
        return reader.read(hasBody: method != "HEAD")
    }

    private func connect() -> Int32? {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, port, &hints, &found) == 0, let first = unsafe found else { return nil }
        defer { unsafe freeaddrinfo(found) }
        let address = unsafe first.pointee
        let socket = unsafe Glibc.socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard unsafe Glibc.connect(socket, address.ai_addr, address.ai_addrlen) == 0 else {
            close(socket)
            return nil
        }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    /// A server may hang up before it has read everything; its answer is what counts then.
    private func send(_ socket: Int32, _ bytes: [UInt8]) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { memory in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: memory[done...])
                return unsafe Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            done += count
        }
    }
}

/// Reads one answer.
private struct AnswerReader {
    private let socket: Int32
    private var buffer: [UInt8] = []

    init(_ socket: Int32) { self.socket = socket }

    mutating func read(hasBody: Bool) -> RawClient.Answer {
        var answer = RawClient.Answer()
        guard let first = line(), let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            return answer
        }
        while let line = line(), !line.isEmpty {
            let name = line.prefix { $0 != ":" }
            answer.headers[name.lowercased()] = String(line.dropFirst(name.count + 1).drop { $0 == " " })
        }
        answer.status = status
        guard hasBody, status != 204 else { return answer }
        let length = answer.headers["content-length"].flatMap { Int($0) }
        let isChunked = answer.headers["transfer-encoding"] == "chunked"
        while !isChunked, buffer.count < length ?? .max, receive() {}
        answer.body = isChunked ? chunks() : Array(buffer.prefix(length ?? .max))
        return answer
    }

    private mutating func chunks() -> [UInt8] {
        var body: [UInt8] = []
        while let line = line(), let size = Int(line, radix: 16), size > 0 {
            while buffer.count < size + 2, receive() {}
            body += buffer.prefix(size)
            buffer.removeFirst(min(size + 2, buffer.count))
        }
        return body
    }

    private mutating func line() -> String? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeFirst(end + 1)
                return line.hasSuffix("\r") ? String(line.dropLast()) : line
            }
            guard receive() else { return nil }
        }
    }

    private mutating func receive() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe chunk.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }
}
