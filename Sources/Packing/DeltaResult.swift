// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// What a delta holds, and what it leaves to the sites.
package struct DeltaResult: Sendable {
    /// A file of a base that a site needs at hand, or the base's media: no repository has these bytes.
    package struct NeededFile: Sendable, Equatable {
        package let name: String
        package let digest: String
        /// Of the delta's chunks that lie in it.
        package let bytes: UInt64
    }

    /// `<product>-<version>` of each base.
    package let bases: [String]
    /// The addresses of the sites that said what they have.
    package let sites: [String]
    package let label: String
    /// Chunks that are left out, and their bytes.
    package let chunksLeftOut: Int
    package let bytesLeftOut: UInt64
    /// Bytes of the volumes.
    package let bytesStored: UInt64
    /// About what the volumes of a full bundle would have: what is stored, and what is left out as it is.
    package var bytesFull: UInt64 { bytesStored + bytesLeftOut }
    /// What the full bundle has more; the places of what is left out count as the delta's. Not above 0 where a delta is of no use.
    package let bytesSaved: Int64
    package let files: [NeededFile]

    init(_ plan: DeltaPlan, _ externals: KnownBytes.Externals, _ tables: IndexTables) {
        bases = plan.bases.map(\.release.name)
        sites = plan.sites.map(\.source.target)
        (label, chunksLeftOut, bytesLeftOut) = (plan.label, externals.chunks, externals.bytes)
        bytesStored = tables.volumes.reduce(0) { $0 + $1.length }
        // in the index a place has 48 bytes, and a part of a chunk that is stored 16
        bytesSaved = Int64(externals.bytes) - Int64(48 * externals.table.count - 16 * externals.chunks)
        let names = plan.fileNames
        files = externals.files.map { digest, bytes in
            NeededFile(name: names[digest] ?? digest.description, digest: digest.description, bytes: bytes)
        }.sorted { ($0.name, $0.digest) < ($1.name, $1.digest) }
    }

    /// What a reader of the result must not miss.
    package var warnings: [String] {
        guard bytesSaved <= 0 else { return [] }
        return ["this delta is not smaller than a full bundle of about \(bytesFull) bytes: send that instead"]
    }
}
