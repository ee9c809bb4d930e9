// SPDX-License-Identifier: Apache-2.0

internal import Files
package import PaletteSources
package import SystemPackage

/// What a mirror run is asked for.
package struct MirrorOptions: Sendable {
    package var document: MirrorDocument
    /// Where the document's relative paths begin.
    package var base: FilePath
    /// The folder that is filled.
    package let to: FilePath
    package let lock: FilePath
    package var network = MirrorNetwork()
    /// A file with an address a line, signed ones among them.
    package var urls: FilePath?
    /// Whether the lock file alone says what is right.
    package var isLocked = false
    package var isDryRun = false
    /// Whether blobs that are there are hashed again.
    package var rechecks = false
    /// Whether referrers of unchanged content are looked for again.
    package var refreshes = false
    /// Whether blobs that nothing refers to any more are removed.
    package var prunes = false

    package init(_ document: MirrorDocument, base: FilePath, to: FilePath, lock: FilePath) {
        (self.document, self.base, self.to, self.lock) = (document, base, to, lock)
    }
}

/// Reads the mirror manifest at a path. Throws `PaletteSources.ManifestError`, `FileError`.
package func mirrorDocument(reading path: FilePath) throws -> MirrorDocument {
    // One byte more than is taken: the reader then says that it is too large.
    try MirrorDocument(parsing: path.contents(limit: ManifestDocument.maximumSize + 1), file: path.string)
}
