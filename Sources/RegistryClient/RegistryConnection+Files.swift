// SPDX-License-Identifier: Apache-2.0

/// What a server says of a file before its bytes come.
package struct FileHead: Sendable, Equatable {
    /// Where in the file the next byte stands: 0 where the server begins anew, whatever was asked for.
    package let start: Int64
    /// Bytes of the whole file, where the server says so.
    package let size: Int64?
    /// A strong entity tag (RFC 9110, section 8.8.3), where there is one.
    package let entityTag: String?
}

/// What came of asking for a file.
package enum FileAnswer: Sendable, Equatable {
    /// All bytes to the end were handed on.
    case whole
    /// It still has the entity tag that the caller knows.
    case unchanged
    /// 404 or 410.
    case missing
}

/// A file to read over HTTP(S).
package struct FileRequest: Sendable {
    package let address: WebAddress
    /// Bytes that the caller has.
    package var offset: Int64 = 0
    /// The entity tag of the file that those bytes are of; they are asked for anew where it has changed.
    package var entityTag: String?
    /// The entity tag of a whole file that the caller has: then only another one is wanted.
    package var knownTag: String?
    /// The most bytes that the file may have.
    package let limit: Int64

    package init(_ address: WebAddress, limit: Int64) { (self.address, self.limit) = (address, limit) }
}

extension RegistryConnection {
    /// Reads a file of the connection's own host piece by piece, and goes on where an answer broke off.
    ///
    /// `begin` is told where the next bytes stand, before the first byte and whenever an answer begins. What it or `take`
    /// throws ends the request and comes out unchanged. Throws `answerTooLarge` as soon as more than the limit is
    /// announced or comes, `malformed` for ranges that weren't asked for; errors hold nothing of what the server wrote.
    package func file(
        _ request: FileRequest, begin: (FileHead) throws -> Void, into take: (RawSpan) throws -> Void
    ) throws -> FileAnswer {
        precondition(request.address.endpoint.origin == endpoint.origin, "another host's file")
        return try withoutActuallyEscaping(begin) { begin in
            try withoutActuallyEscaping(take) { take in
                let reception = FileReception(request, begin, take)
                var attempts = Attempts(registry)
                while true {
                    let sent = reception.request()
                    switch try attempt(sent, scopes: []) {
                    case .answer(let response):
                        if let answer = try reception.end(response, sent) { return answer }
                    case .passing(let error, let retryAfter):
                        if reception.hasAdvanced() { attempts = Attempts(registry) }
                        try attempts.wait(after: error, retryAfter)
                    case .body(let error): throw error
                    }
                }
            }
        }
    }
}

/// Hands on the bytes of a file, however often it is asked for.
private final class FileReception {
    private let wanted: FileRequest
    private let begin: (FileHead) throws -> Void
    private let take: (RawSpan) throws -> Void
    private var position: Int64
    private var entityTag: String?
    private var size: Int64?
    private var hasBegun = false
    private var seen: Int64

    init(
        _ wanted: FileRequest, _ begin: @escaping (FileHead) throws -> Void,
        _ take: @escaping (RawSpan) throws -> Void
    ) {
        (self.wanted, self.begin, self.take) = (wanted, begin, take)
        (position, seen, entityTag) = (wanted.offset, wanted.offset, wanted.entityTag)
    }

    func hasAdvanced() -> Bool {
        defer { seen = position }
        return position > seen
    }

    func request() -> Request {
        hasBegun = false
        var request = Request(method: "GET", url: wanted.address.url)
        (request.hidesAnswer, request.answers) = (true, [304, 404, 410, 416])
        if position > 0 {
            request.headers.append(("Range", "bytes=\(position)-"))
            if let entityTag { request.headers.append(("If-Range", entityTag)) }
        } else if let known = wanted.knownTag {
            request.headers.append(("If-None-Match", known))
        }
        request.sink = Request.Sink(size: size ?? wanted.limit) { [self, request] response, bytes in
            guard response.status == 200 || response.status == 206 else { return false }
            if !hasBegun { try start(response, request) }
            guard Int64(bytes.byteCount) <= (size ?? wanted.limit) - position else {
                throw tooLarge(request)
            }
            try take(bytes)
            position += Int64(bytes.byteCount)
            return true
        }
        return request
    }

    private func start(_ response: Response, _ request: Request) throws {
        let length = response.header("content-length").flatMap { Int64($0) }
        if response.status == 206 {
            size = try total(in: response, request)
        } else {
            (position, seen, size) = (0, 0, length)
        }
        if let size, size > wanted.limit { throw tooLarge(request) }
        let tag = response.header("etag")
        entityTag = tag.flatMap { $0.hasPrefix("\"") && $0.utf8.count <= 200 ? $0 : nil }
        hasBegun = true
        try begin(FileHead(start: position, size: size, entityTag: entityTag))
    }

    // `bytes 5-9/10`, and it must be the rest that was asked for.
    private func total(in response: Response, _ request: Request) throws(RegistryError) -> Int64 {
        let range = response.header("content-range") ?? ""
        guard let match = range.wholeMatch(of: /bytes ([0-9]{1,18})-([0-9]{1,18})\/([0-9]{1,18})/),
            Int64(match.1) == position, let last = Int64(match.2), let total = Int64(match.3), last == total - 1,
            position < total
        else { throw .malformed(request.line, status: 206, missing: "Content-Range from \(position) to the end") }
        return total
    }

    /// What it came to; `nil` where the server wants it asked for from the beginning.
    func end(_ response: Response, _ request: Request) throws -> FileAnswer? {
        switch response.status {
        case 404, 410: return .missing
        case 304 where wanted.knownTag != nil && position == 0: return .unchanged
        case 416 where position > 0:
            if response.header("content-range") == "bytes */\(position)" { return .whole }
            (position, seen, entityTag) = (0, 0, nil)
            return nil
        case 200, 206: break
        default: throw RegistryError.malformed(request.line, status: response.status, missing: "a file")
        }
        if !hasBegun { try start(response, request) }  // a file of no bytes
        guard size == nil || position == size else {
            throw RegistryError.malformed(request.line, status: response.status, missing: "all bytes")
        }
        return .whole
    }

    private func tooLarge(_ request: Request) -> RegistryError {
        .answerTooLarge(request.line, limit: Int(clamping: wanted.limit))
    }
}
