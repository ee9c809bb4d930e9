// SPDX-License-Identifier: Apache-2.0

package import OCI

/// An upload session that another process can go on with.
package struct UploadSession: Sendable, Equatable {
    package var repository: String
    package var digest: Digest
    /// Bytes of the whole blob.
    package var size: Int64
    /// Path and query at the registry. Its own secrets may be in the query; it is checked when it is read back, as any
    /// upload location is.
    package var location: String
    /// Bytes that the registry has acknowledged, more than none.
    package var offset: Int64
    /// When the session was opened, in seconds since 1970.
    package var started: Int64

    package init(
        repository: String, digest: Digest, size: Int64, location: String, offset: Int64, started: Int64
    ) {
        (self.repository, self.digest, self.size) = (repository, digest, size)
        (self.location, self.offset, self.started) = (location, offset, started)
    }
}

/// Where sessions are kept between processes, at most one for each blob of a repository. Called from the threads that
/// send; what a closure throws ends the upload and comes out unchanged.
package struct UploadJournal: Sendable {
    package var find: @Sendable (_ repository: String, _ digest: Digest) throws -> UploadSession?
    /// Called after each completed chunk.
    package var keep: @Sendable (UploadSession) throws -> Void
    /// Called when a kept session has ended.
    package var drop: @Sendable (_ repository: String, _ digest: Digest) throws -> Void

    package init(
        find: @escaping @Sendable (String, Digest) throws -> UploadSession?,
        keep: @escaping @Sendable (UploadSession) throws -> Void,
        drop: @escaping @Sendable (String, Digest) throws -> Void
    ) {
        (self.find, self.keep, self.drop) = (find, keep, drop)
    }
}
