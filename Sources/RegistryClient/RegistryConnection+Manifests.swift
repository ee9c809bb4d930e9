// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import OCI

/// A manifest as the registry gave it; nothing about it is checked.
package struct FetchedManifest: Sendable {
    package let bytes: Data
    /// Without parameters; "" where the registry gave none.
    package let mediaType: String
    /// What the registry says the digest is, where it says so; the caller computes it from `bytes`.
    package let claimedDigest: Digest?
}

/// What a registry answers when it is asked for a manifest.
package enum ManifestAnswer: Sendable {
    case manifest(FetchedManifest)
    case unknownManifest
    /// The registry says that it has no such repository; not all of them tell.
    case unknownRepository
}

/// What a registry said about a manifest that it took.
package struct ManifestReceipt: Sendable, Hashable {
    /// Whether the registry lists the manifest among its subject's referrers (`OCI-Subject`). Without a subject, or where
    /// the answer was lost, `false`.
    package let subjectKept: Bool
}

/// What a registry has under a reference.
package enum ManifestState: Sendable, Hashable {
    case missing
    case present(Digest)
    /// It is there, but the answer doesn't name its digest: fetch it and compute.
    case presentUnnamed
}

extension RegistryConnection {
    /// Fetches the manifest under a tag or digest; `nil` when there is none. At most 4 MiB.
    ///
    /// `repository` is the full name, base included, here and in every call.
    package func manifest(_ repository: String, _ reference: String) throws(RegistryError) -> FetchedManifest? {
        guard case .manifest(let manifest) = try manifestAnswer(repository, reference) else { return nil }
        return manifest
    }

    /// As `manifest`, and tells an unknown repository (404 NAME_UNKNOWN) from an unknown manifest.
    package func manifestAnswer(_ repository: String, _ reference: String) throws(RegistryError) -> ManifestAnswer {
        var request = self.request("GET", .manifest(repository, reference))
        request.headers = [RegistryConnection.acceptManifests]
        request.answerLimit = Manifest.maximumSize
        let response = try send(request, scopes: [.pull(repository)])
        guard response.status != 404 else {
            let isRepository = faults(of: response).contains { $0.code == "NAME_UNKNOWN" }
            return isRepository ? .unknownRepository : .unknownManifest
        }
        guard response.status == 200 else { throw unexpected(response, request, "a manifest") }
        let type = response.header("content-type") ?? ""
        return .manifest(
            FetchedManifest(
                bytes: Data(response.body), mediaType: String(type.prefix { $0 != ";" && $0 != " " }),
                claimedDigest: response.contentDigest))
    }

    /// Asks which manifest a tag or digest names, without fetching it.
    package func manifestState(_ repository: String, _ reference: String) throws(RegistryError) -> ManifestState {
        var request = self.request("HEAD", .manifest(repository, reference))
        request.headers = [RegistryConnection.acceptManifests]
        let response = try send(request, scopes: [.pull(repository)])
        guard response.status != 404 else { return .missing }
        guard response.status == 200 else { throw unexpected(response, request, "an answer 200 or 404") }
        return response.contentDigest.map(ManifestState.present) ?? .presentUnnamed
    }

    /// Stores a manifest, whose digest is `digest`, under a tag or that digest.
    ///
    /// What it references must be there; `RegistryError.mayLackReferences` tells when it wasn't. A lost answer is found
    /// out by asking before the manifest is sent again.
    @discardableResult
    package func putManifest(
        _ repository: String, _ reference: String, _ bytes: Data, mediaType: String, digest: Digest
    ) throws(RegistryError) -> ManifestReceipt {
        var request = self.request("PUT", .manifest(repository, reference), .bytes([UInt8](bytes)))
        request.headers = [("Content-Type", mediaType)]
        request.grace = .seconds(registry.options.graceSeconds)
        var attempts = Attempts(registry)
        while true {
            switch try attempt(request, scopes: [.push(repository)]) {
            case .answer(let response):
                guard response.status == 201 || response.status == 200 else {
                    throw response.status == 404
                        ? missing(response, request) : unexpected(response, request, "an answer 201")
                }
                try check(response, request, digest)
                return ManifestReceipt(subjectKept: response.header("oci-subject") != nil)
            case .passing(let error, let retryAfter):
                try attempts.wait(after: error, retryAfter)
                if try manifestState(repository, reference) == .present(digest) {
                    return ManifestReceipt(subjectKept: false)
                }
            case .body: preconditionFailure("a request without a stream can't fail to read it")
            }
        }
    }

    /// Removes a tag or, by digest, a manifest; `false` when there was none. Registries may refuse (405, 400).
    @discardableResult
    package func deleteManifest(_ repository: String, _ reference: String) throws(RegistryError) -> Bool {
        let request = self.request("DELETE", .manifest(repository, reference))
        let response = try send(request, scopes: [.delete(repository)])
        return response.status != 404
    }

    // Without the full list Docker's registry answers 404 for the types that are not named.
    private static let acceptManifests = (name: "Accept", value: MediaType.manifests.joined(separator: ", "))

    /// Compares the digest that the registry names for what it stored, where it names one.
    func check(_ response: Response, _ request: Request, _ digest: Digest) throws(RegistryError) {
        guard let answered = response.header("docker-content-digest"), answered.hasPrefix("sha256:") else { return }
        guard answered != digest.description else { return }
        throw .otherDigest(request.line, expected: digest, answered: Fault.printable(answered))
    }

    /// A 404 where the thing must have been there.
    func missing(_ response: Response, _ request: Request) -> RegistryError {
        .refused(request.line, status: response.status, faults: faults(of: response))
    }
}

extension Target {
    static func manifest(_ repository: String, _ reference: String) -> Target {
        // Of what a tag or digest may hold, only the colon would be escaped; nothing else gets through.
        let name = Target.escaped(reference).replacing("%3A", with: ":").replacing("/", with: "%2F")
        return Target("/v2/\(Target.escaped(repository))/manifests/\(name)")
    }
}

extension String {
    /// Token scopes (distribution, "Token Scope Documentation").
    static func pull(_ repository: String) -> String { "repository:\(repository):pull" }
    static func push(_ repository: String) -> String { "repository:\(repository):pull,push" }
    static func delete(_ repository: String) -> String { "repository:\(repository):pull,push,delete" }

    var asksForDeletion: Bool { hasSuffix(":pull,push,delete") }
    /// The scope with every action in place of those that it names for deletion.
    var askingForAll: String { asksForDeletion ? dropLast("pull,push,delete".count) + "*" : self }
}

extension Response {
    /// The digest that the registry names, if it names a SHA-256.
    var contentDigest: Digest? {
        guard let text = header("docker-content-digest"), text.hasPrefix("sha256:") else { return nil }
        return Digest(hex: text.dropFirst(7))
    }
}
