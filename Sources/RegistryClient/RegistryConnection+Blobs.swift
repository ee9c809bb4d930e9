// SPDX-License-Identifier: Apache-2.0

package import OCI

/// How a blob came to be in a repository.
package enum UploadOutcome: Sendable, Hashable {
    /// The registry took it from another repository; no byte was sent.
    case mounted
    case uploaded
    /// It was there; no byte was sent.
    case present
}

extension RegistryConnection {
    /// The size of a blob, or `nil` when the repository hasn't got it.
    ///
    /// Ask only for repositories that will be written: Zot creates them. Zot before 2.1.19 says `nil` for a blob of no
    /// bytes that it has.
    package func blobSize(_ repository: String, _ digest: Digest) throws(RegistryError) -> Int64? {
        let request = self.request("HEAD", Target("/v2/\(Target.escaped(repository))/blobs/\(digest)"))
        let response = try send(request, scopes: [.push(repository)])
        guard response.status != 404 else { return nil }
        guard response.status == 200, let size = response.header("content-length").flatMap({ Int64($0) }), size >= 0
        else { throw unexpected(response, request, "Content-Length") }
        return size
    }

    /// Puts a blob into a repository: mounted from `mountFrom` where the registry does that, or else sent in one piece.
    ///
    /// `body` makes the `size` bytes anew for each time they are sent. What it or its body throws ends the upload and
    /// comes out unchanged, and the registry has not got the blob; everything else is a `RegistryError`. A lost answer
    /// is found out by asking before the blob is sent again.
    package func upload(
        _ repository: String, _ digest: Digest, size: Int64, mountFrom: String? = nil,
        body: () throws -> any BlobBody
    ) throws -> UploadOutcome {
        try withoutActuallyEscaping(body) { body in
            try upload(Blob(repository: repository, digest: digest, size: size, body: body), mountFrom)
        }
    }

    private struct Blob {
        let repository: String
        let digest: Digest
        let size: Int64
        let body: () throws -> any BlobBody

        var scopes: [String] { [.push(repository)] }
    }

    private func upload(_ blob: Blob, _ mountFrom: String?) throws -> UploadOutcome {
        var attempts = Attempts(registry.options)
        var start = try mountFrom.flatMap { source throws in try mount(blob, from: source) }
        while true {
            let session: Target
            switch try start ?? begin(blob) {
            case .mounted: return .mounted
            case .session(let location): session = location
            }
            start = nil
            switch try send(blob, to: session) {
            case .answer(let response):
                if try isStored(response, blob, session, &attempts) { return .uploaded }
            case .passing(let error, let retryAfter):
                try attempts.wait(after: error, retryAfter)
                if try blobSize(blob.repository, blob.digest) == blob.size { return .uploaded }
            case .body(let error): throw error
            }
        }
    }

    /// Whether the registry has the blob now; `false` when its session was gone, which is worth another one: Zot drops
    /// those that it finds broken or idle.
    private func isStored(
        _ response: Response, _ blob: Blob, _ session: Target, _ attempts: inout Attempts
    ) throws(RegistryError) -> Bool {
        let request = self.request("PUT", session)
        guard response.status != 404 else {
            try attempts.wait(after: missing(response, request), nil)
            return false
        }
        guard [200, 201, 204].contains(response.status) else { throw unexpected(response, request, "an answer 201") }
        try check(response, request, blob.digest)
        return true
    }

    /// Sends the whole blob; when that can't succeed, the session goes.
    private func send(_ blob: Blob, to session: Target) throws(RegistryError) -> Outcome {
        let target = session.adding("digest", blob.digest.description)
        var request = self.request("PUT", target, .stream(size: blob.size, blob.body))
        request.headers = [("Content-Type", "application/octet-stream")]
        do throws(RegistryError) {
            let outcome = try attempt(request, scopes: blob.scopes)
            if case .body = outcome { cancel(session, blob.scopes) }
            return outcome
        } catch {
            cancel(session, blob.scopes)
            throw error
        }
    }

    /// How an upload begins.
    private enum Start {
        case mounted
        case session(Target)
    }

    private func begin(_ blob: Blob) throws(RegistryError) -> Start {
        let request = self.request("POST", .uploads(blob.repository))
        let response = try send(request, scopes: blob.scopes)
        guard response.status != 404 else { throw missing(response, request) }
        guard response.status == 202 else { throw unexpected(response, request, "an answer 202") }
        return .session(try location(response, request, .uploads(blob.repository)))
    }

    /// Asks the registry to take the blob from another repository; it may open a session instead. Any refusal is `nil`:
    /// Harbor and others refuse what they can't do.
    private func mount(_ blob: Blob, from source: String) throws(RegistryError) -> Start? {
        let target = Target.uploads(blob.repository).adding("mount", blob.digest.description).adding("from", source)
        let request = self.request("POST", target)
        let response: Response
        do throws(RegistryError) {
            response = try send(request, scopes: blob.scopes + [.pull(source)])
        } catch {
            guard error.isAboutThisRequest else { throw error }
            return nil
        }
        switch response.status {
        case 201:
            try check(response, request, blob.digest)
            return .mounted
        case 202: return .session(try location(response, request, target))
        default: return nil
        }
    }

    private func location(_ response: Response, _ request: Request, _ target: Target) throws(RegistryError) -> Target {
        guard let text = response.header("location") else { throw unexpected(response, request, "Location") }
        guard let location = target.resolving(text, at: endpoint) else { throw .foreignLocation(request.line) }
        return location
    }

    /// Ends a session, so that its bytes go at once and not with the registry's next clean-up. Best effort.
    private func cancel(_ session: Target, _ scopes: [String]) {
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

extension RegistryError {
    // Whether another request may fare better than this one.
    fileprivate var isAboutThisRequest: Bool {
        switch self {
        case .refused, .denied, .redirected, .loginRequired, .loginRefused: true
        default: false
        }
    }
}

extension Target {
    static func uploads(_ repository: String) -> Target { Target("/v2/\(Target.escaped(repository))/blobs/uploads/") }
}
