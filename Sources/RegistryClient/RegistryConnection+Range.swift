// SPDX-License-Identifier: Apache-2.0

package import OCI

/// What came of asking for a range of a blob.
package enum BlobRange: Sendable, Hashable {
    /// The repository hasn't got the blob.
    case missing
    /// So many bytes were read; the blob has `size` in all.
    case part(count: Int, size: Int64)
    /// The registry doesn't send ranges: nothing was read of the blob's `size` bytes.
    case wholeOnly(size: Int64)
}

extension RegistryConnection {
    /// Reads a range of a blob, from `offset` on, as many bytes as `target` takes or the blob has; `offset` must lie inside it:
    /// Zot answers 500 for a range past the end.
    ///
    /// A broken answer is asked for again. Throws `malformed` for an answer about another range, one with more or fewer
    /// bytes than it says, and one of no known size; `redirected` where it sends us elsewhere. Nothing about the bytes is
    /// checked: the caller hashes them.
    @unsafe package func range(
        _ repository: String, _ digest: Digest, at offset: Int64, into target: UnsafeMutableRawBufferPointer
    ) throws -> BlobRange {
        precondition(offset >= 0 && target.count > 0)
        let reception = unsafe RangeReception(offset: offset, target)
        var attempts = Attempts(registry)
        while true {
            var request = self.request("GET", .blob(repository, digest))
            reception.prepare(&request)
            switch try attempt(request, scopes: [.pull(repository)]) {
            case .answer(let response):
                guard response.status != 404 else { return .missing }
                return try reception.end(response, request)
            case .passing(let error, let retryAfter): try attempts.wait(after: error, retryAfter)
            case .body(let error as WholeAnswer): return .wholeOnly(size: error.size)
            case .body(let error): throw error
            }
        }
    }
}

/// Ends an answer that is the whole blob.
private struct WholeAnswer: Error {
    let size: Int64
}

/// Takes the answer to a request for a range.
@safe
private final class RangeReception {
    private let offset: Int64
    private let target: UnsafeMutableRawBufferPointer
    private var count = 0
    /// What the answer says that it is, once its first byte is here.
    private var part: (count: Int, size: Int64)?

    init(offset: Int64, _ target: UnsafeMutableRawBufferPointer) {
        self.offset = offset
        unsafe self.target = target
    }

    private var last: Int64 { offset + Int64(unsafe target.count) - 1 }

    /// Asks from the range's start, also where an earlier answer broke.
    func prepare(_ request: inout Request) {
        (count, part) = (0, nil)
        request.headers.append(("Range", "bytes=\(offset)-\(last)"))
        request.sink = Request.Sink(size: Int64(unsafe target.count)) { [self, request] response, bytes in
            guard response.status == 200 || response.status == 206 else { return false }
            let part = try part ?? self.part(of: response, request)
            self.part = part
            guard bytes.byteCount <= part.count - count else { throw wrong("\(part.count) bytes", response, request) }
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[count...]).copyMemory(from: source)
            }
            count += bytes.byteCount
            return true
        }
    }

    func end(_ response: Response, _ request: Request) throws -> BlobRange {
        let part = try part ?? self.part(of: response, request)
        guard count == part.count else { throw wrong("\(part.count) bytes", response, request) }
        return .part(count: part.count, size: part.size)
    }

    /// What the answer's head says; throws unless that is the range asked for, or as much of it as the blob has.
    private func part(of response: Response, _ request: Request) throws -> (count: Int, size: Int64) {
        let length = response.header("content-length").flatMap { Int64($0) }
        guard response.status == 206 else {
            guard let length, length >= 0 else { throw wrong("Content-Length", response, request) }
            throw WholeAnswer(size: length)
        }
        guard let range = response.header("content-range")?.wholeMatch(of: /bytes (\d{1,18})-(\d{1,18})\/(\d{1,18})/),
            let first = Int64(range.1), let end = Int64(range.2), let size = Int64(range.3),
            first == offset, end >= first, end < size, end == min(last, size - 1),
            length ?? end - first + 1 == end - first + 1
        else { throw wrong("Content-Range bytes \(offset)-\(last)", response, request) }
        return (Int(end - first + 1), size)
    }

    private func wrong(_ missing: String, _ response: Response, _ request: Request) -> RegistryError {
        .malformed(request.line, status: response.status, missing: missing)
    }
}
