// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI
internal import SystemPackage

/// What a run will fetch: `--dry-run` prints it, and the same value is carried out.
package struct MirrorPlan: Sendable {
    /// One reference.
    package struct Reference: Sendable, Encodable {
        /// In the layout.
        package let name: String
        /// `nil` for a chart that must be fetched before it has one.
        package let digest: Digest?
        /// `new`, `unchanged` or `changed`.
        package let state: String
        /// Where the tag led before, if elsewhere.
        package let former: Digest?
        /// Bytes of all blobs that it needs.
        package let bytes: UInt64
        package let referrers: Int
        /// Platforms of an index that are left out.
        package let leftOut: [String]
        package let wantedBy: [String]
    }

    package struct File: Sendable, Encodable {
        package let name: String
        /// Without query.
        package let url: String
        /// `new` or `unchanged`.
        package let state: String
        /// Where it is known before it is fetched.
        package let size: Int64?
    }

    package let references: [Reference]
    package let files: [File]
    private(set) var blobs: [WantedBlob]
    /// Blobs that are in the folder.
    private(set) var present: [WantedBlob]
    /// Unchanged references whose referrers weren't looked for again.
    package let keptReferrers: Int

    package var blobsToFetch: Int { blobs.count }
    package var bytesToFetch: UInt64 { blobs.reduce(0) { $0 + UInt64($1.size) } }
    package var bytesPresent: UInt64 { present.reduce(0) { $0 + UInt64($1.size) } }

    init(_ content: MirrorContent, files: [File], _ folder: MirrorFolder, rechecks: Bool) throws {
        references = (content.references.map(Reference.init) + content.charts.map(Reference.init))
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        self.files = files
        keptReferrers = content.references.count(where: \.keepsReferrers)
        var wanted: [Digest: WantedBlob] = [:]
        for resolved in content.references {
            for blob in resolved.trees.flatMap(\.blobs) {
                var entry = wanted[blob.digest] ?? WantedBlob(digest: blob.digest, size: blob.size, sources: [])
                if !entry.sources.contains(resolved.target.source) { entry.sources.append(resolved.target.source) }
                wanted[blob.digest] = entry
            }
        }
        (blobs, present) = ([], [])
        for blob in wanted.values.sorted(by: { $0.digest < $1.digest }) {
            if try folder.has(blob.digest, size: blob.size) { present.append(blob) } else { blobs.append(blob) }
        }
    }

    mutating func wantAgain(_ damaged: Set<Digest>) {
        blobs += present.filter { damaged.contains($0.digest) }
        present.removeAll { damaged.contains($0.digest) }
    }
}

extension MirrorPlan.Reference {
    init(_ resolved: Resolved) {
        name = resolved.target.name
        (digest, state, former) = (resolved.root.digest, resolved.state.rawValue, resolved.former)
        bytes = resolved.trees.flatMap(\.blobs).reduce(0) { $0 + UInt64($1.size) }
        referrers = (resolved.referrers?.count ?? 0) + resolved.signatureTags.count
        leftOut = resolved.tree.leftOut.map(\.platform)
        wantedBy = resolved.target.wantedBy
    }

    init(_ chart: MirroredChart) {
        (name, digest, state, former) = (chart.name, chart.root?.digest, chart.state.rawValue, chart.former)
        (bytes, referrers, leftOut, wantedBy) = (UInt64(chart.size ?? 0), 0, [], chart.wantedBy)
    }
}

/// What a run did, or would do.
package struct MirrorResult: Sendable {
    package let plan: MirrorPlan
    package let failures: [MirrorFailure]
    package let warnings: [String]
    /// Requests sent, repetitions among them.
    package let requests: Int
    package let retries: Int
    package let isDryRun: Bool
    /// The files that are there now.
    package internal(set) var files: [LockFile.File] = []
    /// Blobs in the folder that nothing needs any more, with their sizes.
    package internal(set) var unreferenced: [Digest: UInt64] = [:]
    package internal(set) var removedBytes: UInt64 = 0

    /// The exit code of what failed: that of all failures where they have the same, else 1.
    package var failure: Failure? {
        let kinds = Set(failures.map(\.failure))
        return kinds.count == 1 ? kinds.first : kinds.isEmpty ? nil : .failed
    }
}
