// SPDX-License-Identifier: Apache-2.0

package import OCI

extension RegistryConnection {
    /// Reads a blob of `size` bytes from byte `offset` on, piece by piece, in order; `false` when the repository hasn't got
    /// it. What `take` throws ends it and comes out unchanged.
    ///
    /// A broken answer is gone on with where it ended. Throws `malformed` when the registry says another size, and
    /// `redirected` where it sends us elsewhere (but see `RegistryOptions.isOpenNetwork`). Nothing about the bytes is checked: the caller hashes them.
    package func blob(
        _ repository: String, _ digest: Digest, from offset: Int64 = 0, size: Int64, into take: (RawSpan) throws -> Void
    ) throws -> Bool {
        precondition((0...size).contains(offset))
        return try withoutActuallyEscaping(take) { take in
            let reception = BlobReception(position: offset, size: size, take)
            let target = Target("/v2/\(Target.escaped(repository))/blobs/\(digest)")
            var attempts = Attempts(registry)
            while true {
                let request = reception.request(self.request("GET", target))
                switch try attempt(request, scopes: [.pull(repository)]) {
                case .answer(let response):
                    guard response.status != 404 else { return false }
                    try reception.end(response, request)
                    return true
                case .passing(let error, let retryAfter):
                    if reception.hasAdvanced() { attempts = Attempts(registry) }
                    try attempts.wait(after: error, retryAfter)
                case .body(let error): throw error
                }
            }
        }
    }
}

/// Hands on the bytes of a blob, each once, however often it is asked for.
private final class BlobReception {
    private var position: Int64
    private let size: Int64
    private let take: (RawSpan) throws -> Void
    /// Bytes of this answer that were handed on before; `nil` before the answer's first byte.
    private var known: Int64?
    private var seen: Int64

    init(position: Int64, size: Int64, _ take: @escaping (RawSpan) throws -> Void) {
        (self.position, self.size, self.take, seen) = (position, size, take, position)
    }

    /// Whether bytes came since this was asked last: what makes progress may go on for as long as it takes.
    func hasAdvanced() -> Bool {
        defer { seen = position }
        return position > seen
    }

    /// The request for what is missing.
    func request(_ whole: Request) -> Request {
        known = nil
        var request = whole
        if position > 0, position < size { request.headers.append(("Range", "bytes=\(position)-")) }
        request.sink = Request.Sink(size: size - position) { [self, request] response, bytes in
            guard response.status == 200 || response.status == 206 else { return false }
            try receive(bytes, of: response, request)
            return true
        }
        return request
    }

    private func receive(_ bytes: RawSpan, of response: Response, _ request: Request) throws {
        let skipped: Int64
        if let known { skipped = known } else { skipped = try begin(response, request) }
        let old = min(skipped, Int64(bytes.byteCount))
        known = skipped - old
        let fresh = bytes.extracting(droppingFirst: Int(old))
        guard Int64(fresh.byteCount) <= size - position else { throw wrong("\(size) bytes", response, request) }
        guard !fresh.isEmpty else { return }
        try take(fresh)
        position += Int64(fresh.byteCount)
    }

    /// How many bytes of the answer are known already; throws unless it is about what was asked for.
    private func begin(_ response: Response, _ request: Request) throws(RegistryError) -> Int64 {
        let length = response.header("content-length").flatMap { Int64($0) }
        guard response.status == 206 else {
            guard length == size else { throw wrong("Content-Length \(size)", response, request) }
            return position
        }
        guard length == size - position,
            response.header("content-range") == "bytes \(position)-\(size - 1)/\(size)"
        else { throw wrong("Content-Range bytes \(position)-\(size - 1)/\(size)", response, request) }
        return 0
    }

    func end(_ response: Response, _ request: Request) throws(RegistryError) {
        if known == nil { _ = try begin(response, request) }
        guard position == size else { throw wrong("\(size) bytes", response, request) }
    }

    private func wrong(_ missing: String, _ response: Response, _ request: Request) -> RegistryError {
        .malformed(request.line, status: response.status, missing: missing)
    }
}
