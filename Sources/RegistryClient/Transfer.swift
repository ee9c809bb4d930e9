// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// One request as it goes out.
struct Request {
    enum Content {
        case none
        case bytes([UInt8])
        /// Exactly this many bytes of a body, which is asked for each time the request is sent.
        case stream(size: Int64, () throws -> BodyCursor)
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
    /// Statuses of 300 and above that are an answer, not a failure.
    var answers: [Int] = []
    /// Whether a redirect led it to another host.
    var isRedirected = false
    /// Whether nothing that an error's body says may be shown: it may repeat a signed URL.
    var hidesAnswer = false
    /// How long it may go on after cancellation, if it looks as if it could end in that time.
    var grace = Duration.zero
    /// Bytes that the registry may read again before it answers.
    var digestedBytes: Int64 = 0

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
    /// Bytes of the body that were handed out.
    private(set) var bodyBytes: Int64 = 0
    /// Bytes of the whole body, where it is a stream.
    let size: Int64
    private let request: Request
    private let stream: BodyCursor?
    private let registry: Registry
    private let started = ContinuousClock.now
    private var deadline: ContinuousClock.Instant?
    private var headerBytes = 0

    /// More than a registry has to say; libcurl itself would take 300 KB.
    private static let headerLimit = 64 << 10

    /// Opens the request's body.
    init(_ request: Request, _ registry: Registry) throws(TransferFailure) {
        (self.request, self.registry) = (request, registry)
        switch request.content {
        case .none, .bytes: (size, stream) = (0, nil)
        case .stream(let size, let make):
            self.size = size
            do {
                stream = try make()
            } catch {
                throw .body(error)
            }
        }
    }

    /// Fills libcurl's buffer; `nil` aborts the transfer.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int? {
        guard failure == nil else { return nil }
        guard let stream, bodyBytes < size else { return 0 }
        let wanted = min(buffer.count, Int(clamping: size - bodyBytes), registry.rateLimit?.pieceSize ?? .max)
        guard mayTake(wanted) else { return nil }
        do {
            let count = try unsafe stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard count > 0 else {
                failure = .bodyTooShort(missing: size - bodyBytes)
                return nil
            }
            precondition(count <= wanted, "a body wrote past its buffer")
            bodyBytes += Int64(count)
            return count
        } catch {
            failure = .body(error)
            return nil
        }
    }

    /// Waits for this piece's turn where there is a limit; `false` when cancelled.
    private func mayTake(_ count: Int) -> Bool {
        guard let delay = registry.rateLimit?.wait(for: count) else { return true }
        return RetryPolicy.waitForReal(delay) { goesOn() }
    }

    /// Waits until a piece of a download may count as received where there is a limit; `false` when cancelled.
    private func mayKeep(_ count: Int) -> Bool {
        guard request.sink != nil, let delay = registry.options.downloadLimit?.wait(for: count) else { return true }
        return RetryPolicy.waitForReal(delay) { goesOn() }
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
        guard mayKeep(bytes.count) else { return false }
        do {
            if let sink = request.sink, try unsafe sink.take(response, RawSpan(_unsafeBytes: bytes)) { return true }
        } catch {
            failure = .body(error)
            return false
        }
        guard response.body.count + bytes.count <= request.answerLimit else {
            failure = .tooLarge
            return false
        }
        unsafe response.body.append(contentsOf: bytes)
        return true
    }

    /// Asked about once a second and with each piece; `false` aborts.
    func goesOn() -> Bool {
        guard isCancelled, !mayEndInTime() else { return true }
        failure = failure ?? .cancelled
        return false
    }

    /// Whether to stop as soon as possible.
    var isCancelled: Bool { !request.isCleanUp && registry.options.isCancelled() }

    private func mayEndInTime() -> Bool {
        let now = ContinuousClock.now
        let deadline = self.deadline ?? now + request.grace
        self.deadline = deadline
        let left = size - bodyBytes
        guard now < deadline, left > 0 else { return now < deadline }
        // Where what is left takes longer than there is time, every second of it is lost.
        return Double(left) * ((now - started) / (deadline - now)) <= Double(bodyBytes)
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
