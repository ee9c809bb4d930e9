// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// One request as it goes out.
struct Request {
    enum Content {
        case none
        case bytes([UInt8])
        /// Exactly this many bytes of a body that is made anew each time the request is sent.
        case stream(size: Int64, () throws -> any BlobBody)
    }

    /// Takes a body while it comes, in place of `Response.body`.
    struct Sink {
        /// Bytes that are expected, for the time that they may take.
        let size: Int64
        /// Takes a piece of the answer whose head is given; `false` leaves it to `Response.body`, as for errors.
        let take: (Response, RawSpan) throws -> Bool
    }

    let method: String
    let url: String
    var headers: [(name: String, value: String)] = []
    var content = Content.none
    /// The most bytes that the answer's body may have.
    var answerLimit = 64 << 10
    var sink: Sink?
    /// Whether it goes to the registry itself, which may see our client certificate.
    var isOurs = true
    /// Whether it is sent even after cancellation.
    var isCleanUp = false

    var line: RequestLine { RequestLine(method, url) }
}

/// What came back.
struct Response {
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// What `Retry-After` asks for, as seconds or as a date.
    var retryAfter: Duration?

    /// The first value under a name given in lower case.
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// Every value under a name given in lower case.
    func all(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }
}

/// Why no answer came.
enum TransferFailure: Error {
    case transport(CURLcode, reason: String)
    case body(any Error)
    case bodyTooShort(missing: Int64)
    case tooLarge
    case cancelled
}

/// What libcurl's callbacks work on during one request: collects the answer, hands out the body.
@safe
final class Transfer {
    private(set) var response = Response()
    private(set) var failure: TransferFailure?
    private var headerBytes = 0
    private let answerLimit: Int
    private let sink: Request.Sink?
    private let isCancelled: () -> Bool
    private var stream: (any BlobBody)?
    private var remaining: Int64

    /// More than a registry has to say; libcurl itself would take 300 KB.
    private static let headerLimit = 64 << 10

    init(
        answerLimit: Int, sink: Request.Sink? = nil, stream: (any BlobBody)?, size: Int64,
        isCancelled: @escaping () -> Bool
    ) {
        self.answerLimit = answerLimit
        self.sink = sink
        self.stream = stream
        self.remaining = size
        self.isCancelled = isCancelled
    }

    /// Fills libcurl's buffer; `nil` aborts the transfer.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int? {
        guard failure == nil else { return nil }
        guard remaining > 0 else { return 0 }
        let wanted = Int(min(Int64(buffer.count), remaining))
        do {
            let count = try unsafe stream?.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])) ?? 0
            guard count > 0 else {
                failure = .bodyTooShort(missing: remaining)
                return nil
            }
            precondition(count <= wanted, "a body wrote past its buffer")
            remaining -= Int64(count)
            return count
        } catch {
            failure = .body(error)
            return nil
        }
    }

    /// Takes a header line; `false` aborts.
    func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Transfer.headerLimit else {
            failure = .tooLarge
            return false
        }
        let text = unsafe String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {  // what an interim answer said doesn't count
            response.headers = []
            response.status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        guard let colon = text.firstIndex(of: ":") else { return true }
        let value = text[text.index(after: colon)...]
        response.headers.append((text[..<colon].lowercased(), value.trimmingBlanks))
        return true
    }

    /// Takes a piece of the body; `false` aborts.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        do {
            if let sink, try unsafe sink.take(response, RawSpan(_unsafeBytes: bytes)) { return true }
        } catch {
            failure = .body(error)
            return false
        }
        guard response.body.count + bytes.count <= answerLimit else {
            failure = .tooLarge
            return false
        }
        unsafe response.body.append(contentsOf: bytes)
        return true
    }

    /// Asked about once a second and with each piece; `false` aborts.
    func goesOn() -> Bool {
        guard isCancelled() else { return true }
        failure = failure ?? .cancelled
        return false
    }

    func finish(status: Int, retryAfter: Duration?) -> Response {
        response.status = status
        response.retryAfter = retryAfter
        return response
    }
}

extension Substring {
    fileprivate var trimmingBlanks: String {
        let blanks: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0.isNewline }
        let start = drop(while: blanks)
        guard let last = start.lastIndex(where: { !blanks($0) }) else { return "" }
        return String(start[...last])
    }
}
