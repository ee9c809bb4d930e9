// SPDX-License-Identifier: Apache-2.0

import Files
import Packing

/// What `pack` says of a delta.
struct DeltaData: Encodable {
    struct NeededFile: Encodable {
        let name: String
        let digest: String
        let bytes: UInt64
    }

    let label: String
    let bases: [String]
    let sites: [String]
    let chunksLeftOut: Int
    let bytesLeftOut: UInt64
    let bytesStored: UInt64
    let bytesFull: UInt64
    let bytesSaved: Int64
    /// Bytes that no repository has: the site needs these files at hand, or the base's media.
    let files: [NeededFile]

    init(_ delta: DeltaResult) {
        (label, bases, sites) = (delta.label, delta.bases, delta.sites)
        (chunksLeftOut, bytesLeftOut) = (delta.chunksLeftOut, delta.bytesLeftOut)
        (bytesStored, bytesFull, bytesSaved) = (delta.bytesStored, delta.bytesFull, delta.bytesSaved)
        files = delta.files.map { NeededFile(name: $0.name, digest: $0.digest, bytes: $0.bytes) }
    }
}

extension DeltaResult {
    /// Lines below those of every bundle.
    var text: String {
        let percent = bytesFull == 0 || bytesSaved < 0 ? 0 : UInt64(bytesSaved) * 100 / bytesFull
        var lines = [
            "delta of:    \((bases + sites).joined(separator: ", "))",
            "left out:    \(ByteSize(bytes: bytesLeftOut)) in \(chunksLeftOut) chunks, which the sites have",
            "full bundle: about \(ByteSize(bytes: bytesFull)); the delta saves \(percent) %",
        ]
        lines += files.map {
            "needs:       \($0.name), or its medium, for \(ByteSize(bytes: $0.bytes)): extract --seed FILE"
        }
        return lines.joined(separator: "\n")
    }
}
