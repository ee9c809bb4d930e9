// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import OCI

/// Carries out what `UploadProgress` decides about one blob.
struct Upload {
    private let blob: BlobUpload
    /// Seconds after which registries collect what is left of an upload (docker-registry: a week, Zot: its clean-up delay).
    private static let longestLife: Int64 = 7 * 86_400

    private let connection: RegistryConnection
    private let body: BodyCursor
    private var progress: UploadProgress
    /// The newest location of the session (distribution-spec 1.1, "Pushing a blob in chunks").
    private var session: Target
    private var started = Int64(time(nil))
    private var isKept: Bool
    /// Why it fails, if it does.
    private var failure: any Error = RegistryError.cancelled
    private var retryAfter: Duration?
    private var attempts: Attempts

    private var registry: Registry { connection.registry }
    private var options: RegistryOptions { registry.options }

    /// Throws what the journal throws.
    init(_ blob: BlobUpload, on connection: RegistryConnection, _ body: BodyCursor) throws {
        (self.blob, self.connection, self.body) = (blob, connection, body)
        let options = connection.registry.options
        attempts = Attempts(connection.registry)
        let kept = try options.journal?.find(blob.repository, blob.digest)
        let oldest = started - Upload.longestLife
        let location = kept.flatMap { kept -> Target? in
            guard kept.repository == blob.repository, kept.digest == blob.digest, kept.size == blob.size,
                kept.offset > 0, kept.offset <= blob.size, kept.started > oldest
            else { return nil }
            return Target.uploads(blob.repository).resolving(kept.location, at: connection.endpoint)
        }
        (isKept, session) = (kept != nil, location ?? .uploads(blob.repository))
        if let kept, location != nil { started = kept.started }
        var rules = options.upload
        rules.attempts = options.retry.attempts
        rules.refusals = min(options.retry.attempts, options.retry.fewestAttempts)
        rules.mostPerSecond = options.connectionRate
        progress = UploadProgress(
            size: blob.size, mountFrom: blob.mountFrom, presence: blob.presence, rules: rules,
            keepsSessions: options.journal != nil, kept: location == nil ? nil : kept?.offset)
    }

    mutating func run() throws -> UploadOutcome {
        while true {
            if !progress.isEnding, options.isCancelled() { take(.cancelled, because: RegistryError.cancelled) }
            let action = progress.next(registry.habits)
            switch action {
            case .finish(let outcome): return outcome
            case .fail: throw failure
            default: break
            }
            let (offset, furthest, failures) = (progress.offset, progress.furthest, progress.failures)
            perform(action)
            try keepOrDrop(isFurther: progress.offset > offset)
            if progress.furthest > furthest { attempts = Attempts(registry) }
            if progress.failures > failures { wait() }
        }
    }

    private mutating func take(_ event: UploadProgress.Event, because error: (any Error)? = nil) {
        if let error { failure = error }
        registry.learn { progress.take(event, &$0) }
    }

    /// Waits before the next action, or ends it where that has gone on for long enough.
    private mutating func wait() {
        guard !progress.isEnding, let error = failure as? RegistryError else { return }
        defer { retryAfter = nil }
        do throws(RegistryError) {
            try attempts.wait(after: error, retryAfter)
        } catch {
            take(.cancelled, because: error)
        }
    }

    /// What the journal throws ends the session too.
    private mutating func keepOrDrop(isFurther: Bool) throws {
        guard let journal = options.journal else { return }
        do {
            if isFurther, progress.hasSession {
                isKept = true
                try journal.keep(
                    UploadSession(
                        repository: blob.repository, digest: blob.digest, size: blob.size, location: session.text,
                        offset: progress.offset, started: started))
            } else if isKept && (!progress.hasSession || progress.offset == 0) {
                isKept = false
                try journal.drop(blob.repository, blob.digest)
            }
        } catch {
            if progress.hasSession { connection.cancel(session, scopes) }
            throw error
        }
    }
}

// The requests.
extension Upload {
    private var scopes: [String] { [.push(blob.repository)] }

    private mutating func perform(_ action: UploadProgress.Action) {
        switch action {
        case .ask: exchange(connection.request("HEAD", .blob(blob.repository, blob.digest)))
        case .mount(let source):
            let target = Target.uploads(blob.repository).adding("mount", blob.digest.description)
            exchange(connection.request("POST", target.adding("from", source)), reading: source)
        case .open: exchange(connection.request("POST", .uploads(blob.repository)))
        case .single:
            let target = Target.uploads(blob.repository).adding("digest", blob.digest.description)
            exchange(request("POST", target, 0..<blob.size))
        case .patch(let range):
            var request = request("PATCH", session, range)
            request.headers.append(("Content-Range", "\(range.lowerBound)-\(range.upperBound - 1)"))
            exchange(request)
        case .put(let range):
            exchange(request("PUT", session.adding("digest", blob.digest.description), range))
        case .status: exchange(connection.request("GET", session))
        case .cancel:
            connection.cancel(session, scopes)
            take(.ended)
        case .finish, .fail: break
        }
    }

    private func request(_ method: String, _ target: Target, _ range: Range<Int64>) -> Request {
        let content: Request.Content =
            range.isEmpty
            ? .none
            : .stream(size: range.upperBound - range.lowerBound) { try body.standing(at: range.lowerBound) }
        var request = connection.request(method, target, content)
        request.headers = [("Content-Type", "application/octet-stream")]
        request.digestedBytes = method == "PATCH" ? 0 : blob.size
        request.grace = .seconds(options.graceSeconds)
        return request
    }

    private mutating func exchange(_ request: Request, reading source: String? = nil) {
        let begin = ContinuousClock.now
        do throws(RegistryError) {
            let outcome = try connection.attempt(request, scopes: scopes + (source.map { [.pull($0)] } ?? []))
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            switch outcome {
            case .answer(let response):
                if response.status < 300 { registry.learn { $0.measure(connection.lastBodyBytes, seconds: seconds) } }
                try take(response, request)
            case .passing(let error, let delay):
                // One that took too long was perhaps cut for that; of one cut earlier, most may still wait in buffers.
                if seconds >= options.upload.requestSeconds {
                    registry.learn { $0.measure(connection.lastBodyBytes, seconds: seconds) }
                }
                retryAfter = delay
                take(event(for: error), because: error)
            case .body(let error): take(.failed(.usable), because: error)
            }
        } catch {
            take(event(for: error), because: error)
        }
    }
}

// What answers mean.
extension Upload {
    private mutating func take(_ response: Response, _ request: Request) throws(RegistryError) {
        switch (progress.stage, response.status) {
        case (.ask, _), (.verify, _):
            take(try connection.size(in: response, request) == blob.size ? .present : .absent)
        case (_, 404): take(.refused(.gone), because: connection.missing(response, request))
        case (.mount, 201), (.single, 200...201), (.put, 200...201), (.put, 204):
            try takeStored(response, request)
        case (.mount, 202), (.open, 202), (.single, 202):
            session = try location(response, request)
            started = Int64(time(nil))
            take(.accepted(smallestChunk: response.header("oci-chunk-min-length").flatMap { Int64($0) }))
        case (.patch, _):
            if response.header("location") != nil { session = try location(response, request) }
            take(.accepted())
        case (.recall, _), (.status, _):
            if response.header("location") != nil { session = try location(response, request) }
            take(.stands(at: response.sessionSize))
        case (.mount, _): take(.refused(.other), because: unexpected(response, request))
        default: throw unexpected(response, request)
        }
    }

    private mutating func takeStored(_ response: Response, _ request: Request) throws(RegistryError) {
        do throws(RegistryError) {
            try connection.check(response, request, blob.digest)
            take(.stored)
        } catch {
            take(.failed(.gone), because: error)
        }
    }

    private func unexpected(_ response: Response, _ request: Request) -> RegistryError {
        connection.unexpected(response, request, "an answer 201 or 202")
    }

    private func location(_ response: Response, _ request: Request) throws(RegistryError) -> Target {
        guard let text = response.header("location") else {
            throw connection.unexpected(response, request, "Location")
        }
        let origin = Target(String(request.url.dropFirst(connection.endpoint.origin.count)))
        guard let location = origin.resolving(text, at: connection.endpoint) else {
            throw .foreignLocation(request.line)
        }
        return location
    }

    private func event(for error: RegistryError) -> UploadProgress.Event {
        switch (progress.stage, error) {
        case (_, .cancelled): .cancelled
        case (.mount, .denied), (.mount, .redirected), (.mount, .loginRequired), (.mount, .loginRefused):
            .refused(.other)
        case (.ask, .refused), (.verify, .refused): .failed(.useless)
        case (_, .refused(_, let status, let faults)): .refused(.init(status, faults))
        // docker-registry, for a blob whose link it couldn't write on a full disk, until it is sent again
        case (.ask, .unavailable(_, 500, _)), (.verify, .unavailable(_, 500, _)): .absent
        case (.patch, .unavailable(_, 501, _)), (.single, .unavailable(_, 501, _)), (.mount, .unavailable(_, 501, _)):
            .refused(.unsupported)
        case (_, .unavailable): .busy
        case (_, .unreachable): .lost
        case (_, .askedToWait): .failed(.usable)
        default: .failed([.access, .policy].contains(error.kind) ? .usable : .useless)
        }
    }
}

extension UploadProgress.Refusal {
    fileprivate init(_ status: Int, _ faults: [Fault]) {
        self =
            switch status {
            case 413: .tooLarge
            case 405, 501: .unsupported
            case 404: .gone
            case _ where faults.contains { $0.code == "DIGEST_INVALID" }: .otherBytes
            case 400, 416: .broken
            default: .other
            }
    }
}

extension Response {
    /// How many bytes a session has, by its `Range`: `0-99`, with `bytes=` before it, or `0--1` for none.
    var sessionSize: Int64? {
        guard let range = header("range")?.wholeMatch(of: /(?:bytes[= ])?0-(-1|[0-9]{1,18})/) else { return nil }
        return Int64(range.1).map { $0 + 1 }
    }
}

extension RegistryConnection {
    /// Ends a session, so that its bytes go at once and not with the registry's next clean-up. Best effort.
    fileprivate func cancel(_ session: Target, _ scopes: [String]) {
        var request = self.request("DELETE", session)
        request.isCleanUp = true
        do {
            if let authorization = try currentAuthorization(for: scopes) {
                request.headers = [("Authorization", authorization)]
            }
            _ = transfer(request)
        } catch {
            return  // without a login the registry's own clean-up has to do
        }
    }
}
