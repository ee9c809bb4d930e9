// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
package import OCI
internal import SystemPackage

// A folder has nobody else who frees what nothing leads to any more.
extension LayoutTarget {
    package func repositories() throws -> [String]? { try index().repositories }

    /// Throws `LayoutError.unreadableManifest` where an entry can't be read: nobody knows what it needs.
    package func sweep(_ digests: Set<Digest>) throws -> UInt64? {
        try change { $0.removeUnnamed(digests) }
        let reached = try reachable()
        var freed: UInt64 = 0
        for digest in digests.subtracting(reached).sorted() {
            try Interruption.check()
            let file = blobFolder.appending(digest.hex)
            guard let status = try file.statusIfPresent(), status.isRegular else { continue }
            try file.removeFile()
            freed += status.size
        }
        try blobFolder.syncDirectory()
        return freed
    }

    /// Everything that the index leads to. A manifest that isn't there leads nowhere: a layout may lack some.
    private func reachable() throws -> Set<Digest> {
        let index = try index()
        var found: Set<Digest> = []
        var pending = index.digests.map { ($0, index.mediaType(of: $0) ?? "") }
        while let (digest, type) = pending.popLast() {
            guard found.insert(digest).inserted, MediaType.isManifest(type),
                let status = try blobFolder.appending(digest.hex).statusIfPresent(), status.isRegular
            else { continue }
            guard status.size <= UInt64(Manifest.maximumSize),
                let manifest = try? Manifest(
                    parsing: Data(blobFolder.appending(digest.hex).contents(limit: Manifest.maximumSize)),
                    mediaType: type)
            else { throw LayoutError.unreadableManifest(digest) }
            found.formUnion(manifest.blobs.map(\.digest))
            pending += manifest.manifests.map { ($0.digest, $0.mediaType) }
        }
        return found
    }
}
