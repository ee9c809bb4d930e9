// SPDX-License-Identifier: Apache-2.0

package import OCI

/// How a blob came to be in a repository.
package enum UploadOutcome: Sendable, Hashable {
    /// The registry took it from another repository; no byte was sent.
    case mounted
    case uploaded
    /// The repository had it.
    case present
}

/// A blob to put into a repository.
package struct BlobUpload: Sendable, Hashable {
    /// What is known before the registry is asked.
    package enum Presence: Sendable, Hashable {
        case unknown
        /// Its repository is new, or was just asked for it: sent without asking.
        case unlikely
    }

    /// The full name, base included.
    package var repository: String
    package var digest: Digest
    /// Bytes.
    package var size: Int64
    /// A repository that has the blob, to mount it from.
    package var mountFrom: String?
    package var presence: Presence

    package init(
        repository: String, digest: Digest, size: Int64, mountFrom: String? = nil, presence: Presence = .unknown
    ) {
        (self.repository, self.digest, self.size) = (repository, digest, size)
        (self.mountFrom, self.presence) = (mountFrom, presence)
    }
}

extension RegistryConnection {
    /// The size of a blob, or `nil` when the repository hasn't got it.
    ///
    /// Ask only for repositories that will be written: Zot creates them. Zot before 2.1.19 says `nil` for a blob of no
    /// bytes that it has.
    package func blobSize(_ repository: String, _ digest: Digest) throws(RegistryError) -> Int64? {
        let request = self.request("HEAD", .blob(repository, digest))
        return try size(in: send(request, scopes: [.push(repository)]), request)
    }

    /// What an answer to `HEAD` of a blob says.
    func size(in response: Response, _ request: Request) throws(RegistryError) -> Int64? {
        guard response.status != 404 else { return nil }
        guard response.status == 200, let size = response.header("content-length").flatMap({ Int64($0) }), size >= 0
        else { throw unexpected(response, request, "Content-Length") }
        return size
    }

    /// Puts a blob into a repository with as few requests as the registry allows (`UploadProgress` decides which), and
    /// goes on with a session that `RegistryOptions.journal` kept.
    ///
    /// `body` makes the bytes from an offset on, for each time that they can't be sent on from where they are. What it or
    /// its body throws ends the upload and comes out unchanged, as does what the journal throws, and the registry has not
    /// got the blob; everything else is a `RegistryError`.
    package func upload(
        _ blob: BlobUpload, body: (_ offset: Int64) throws -> any BlobBody
    ) throws -> UploadOutcome {
        try withoutActuallyEscaping(body) { body in
            var upload = try Upload(blob, on: self, BodyCursor(body))
            return try upload.run()
        }
    }
}

extension Target {
    static func uploads(_ repository: String) -> Target { Target("/v2/\(Target.escaped(repository))/blobs/uploads/") }

    static func blob(_ repository: String, _ digest: Digest) -> Target {
        Target("/v2/\(Target.escaped(repository))/blobs/\(digest)")
    }
}
