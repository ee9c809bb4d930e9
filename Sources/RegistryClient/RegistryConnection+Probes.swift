// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import OCI

/// Whether the registry would allow something, as far as it can be found out without doing it.
package enum Permission: String, Sendable {
    case allowed, denied
    /// The answer allows no conclusion, for example where the repository must be made first.
    case unknown
    /// The registry took the question for content. What came of it was removed; ask it no more such questions.
    case stored
}

// Questions that change nothing.
extension RegistryConnection {
    /// Which program the registry is. Zot is asked first: it sends the header of the distribution family too
    /// (zot, pkg/api/routes.go `CheckVersionSupport`), and only its body, none, tells a minimal build from that family.
    package func kind() throws(RegistryError) -> RegistryKind {
        if let document = try document("/v2/_zot/ext/mgmt") {
            guard let answer = try? JSONDecoder().decode(ManagementDocument.self, from: Data(document)),
                answer.distSpecVersion != nil
            else { return try kindByPing() }
            let version = Fault.printable(answer.releaseTag ?? "").prefix(100)
            return RegistryKind(family: .zot, version: version.isEmpty ? nil : String(version))
        }
        if let document = try document("/v2/_oci/ext/discover"),
            let answer = try? JSONDecoder().decode(ExtensionsDocument.self, from: Data(document)),
            answer.extensions.contains(where: { $0.name == "_zot" })
        {
            return RegistryKind(family: .zot)
        }
        return try kindByPing()
    }

    private func kindByPing() throws(RegistryError) -> RegistryKind {
        let request = self.request("GET", Target("/v2/"))
        let response = try send(request, scopes: [])
        guard response.status == 200 else { throw unexpected(response, request, "an answer 200 to /v2/") }
        let isDistribution =
            response.header("docker-distribution-api-version") != nil && response.body == Array("{}".utf8)
        return RegistryKind(family: isDistribution ? .distribution : .other)
    }

    private struct ManagementDocument: Decodable {
        var distSpecVersion: String?
        var releaseTag: String?
    }

    private struct ExtensionsDocument: Decodable {
        struct Extension: Decodable { var name: String }
        var extensions: [Extension]
    }

    // `nil` where the registry has no such thing or keeps it from us.
    private func document(_ path: String) throws(RegistryError) -> [UInt8]? {
        let request = self.request("GET", Target(path))
        let response: Response
        do throws(RegistryError) {
            // A gateway answers 502 for paths that it doesn't know: what the ping says counts.
            response = try persistently(atMost: 3) { () throws(RegistryError) in try attempt(request, scopes: []) }
        } catch {
            switch error {
            case .refused, .denied, .loginRequired, .loginRefused, .redirected, .answerTooLarge, .unavailable:
                return nil
            default: throw error
            }
        }
        return response.status == 200 ? response.body : nil
    }

    /// Whether this login may write new tags and blobs in a repository. Asks with a manifest of a type and a size that no
    /// registry takes; the login is checked before that. Only of a registry whose kind `permitsQuestions`, and not for a
    /// repository that must not be named yet.
    package func mayCreate(_ repository: String) throws(RegistryError) -> Permission {
        let request = emptyManifest(repository, RegistryConnection.probeTag)
        let permission = try permission(request, repository)
        if permission == .stored { try removeProbe(repository) }
        return permission
    }

    /// Whether this login may write over `tag`, which exists: Zot tells that apart. Only where `mayCreate` was answered
    /// `allowed` in the same folder: then the registry has shown that it refuses such a manifest.
    package func mayUpdate(_ repository: String, _ tag: String) throws(RegistryError) -> Permission {
        try permission(emptyManifest(repository, tag), repository)
    }

    /// Whether this login may delete in a repository: asks to delete a digest that nobody has. `denied` too where the
    /// registry has deletion switched off.
    package func mayDelete(_ repository: String) throws(RegistryError) -> Permission {
        let nobodys = Digest(bigEndianWords: .zero).description
        let request = self.request("DELETE", .manifest(repository, nobodys))
        return switch try status(of: request, [.delete(repository)]) {
        case 401, 403, 405: .denied
        case 400, 404, 202: .allowed
        default: .unknown
        }
    }

    /// Whether Zot lacks Docker's manifest types (without `http.compat: ["docker2s2"]`). Asks with an empty manifest in a
    /// repository whose name no file system takes.
    package func refusesDockerManifests() throws(RegistryError) -> Bool {
        let repository = endpoint.repository(String(repeating: "d", count: 300))
        let request = emptyManifest(repository, RegistryConnection.probeTag, mediaType: MediaType.dockerManifest)
        let status = try status(of: request, [.push(repository)])
        if let status, 200..<300 ~= status { try removeProbe(repository) }
        return status == 415
    }

    private static let probeTag = "dray-probe"

    private func permission(_ request: Request, _ repository: String) throws(RegistryError) -> Permission {
        switch try status(of: request, [.push(repository)]) {
        case 401, 403, 405: .denied
        case 400, 413, 415, 422: .allowed
        case .some(200..<300): .stored
        default: .unknown
        }
    }

    private func removeProbe(_ repository: String) throws(RegistryError) {
        let request = self.request("DELETE", .manifest(repository, RegistryConnection.probeTag))
        _ = try status(of: request, [.delete(repository)])  // whoever may not remove it can do no more
    }

    private func emptyManifest(
        _ repository: String, _ tag: String, mediaType: String = "application/vnd.dray.probe"
    ) -> Request {
        var request = self.request("PUT", .manifest(repository, tag), .bytes([]))
        request.headers = [("Content-Type", mediaType)]
        return request
    }

    /// The answer's status, refusals and 500 included; waits only for what passes. `nil` where the token service, not the
    /// registry, refused.
    private func status(of request: Request, _ scopes: [String]) throws(RegistryError) -> Int? {
        var attempts = Attempts(registry)
        do throws(RegistryError) {
            while true {
                switch try attempt(request, scopes: scopes) {
                case .answer(let response): return response.status
                case .passing(.unavailable(_, status: 500, _), _): return 500
                case .passing(let error, let retryAfter): try attempts.wait(after: error, retryAfter)
                case .body: preconditionFailure("a request without a stream can't fail to read it")
                }
            }
        } catch {
            switch error {
            case .refused(let line, let status, _), .redirected(let line, let status):
                return line == request.line ? status : nil
            case .denied: return 403
            case .loginRequired, .loginRefused: return 401
            default: throw error
            }
        }
    }
}
