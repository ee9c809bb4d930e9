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

/// What `pack --dry-run` says of a delta: bytes before compression.
struct DeltaEstimateData: Encodable {
    let chunksLeftOut: Int
    let bytesLeftOut: UInt64
    let bytesStored: UInt64
    let bytesFull: UInt64

    init(_ delta: DeltaEstimate) {
        (chunksLeftOut, bytesLeftOut) = (delta.chunksLeftOut, delta.bytesLeftOut)
        (bytesStored, bytesFull) = (delta.bytesStored, delta.bytesFull)
    }
}

extension DeltaEstimate {
    /// Lines below those of the plan.
    var text: String {
        let percent = bytesFull == 0 ? 0 : bytesLeftOut * 100 / bytesFull
        return """
            delta:  \(ByteSize(bytes: bytesStored)) before compression; a full bundle has \(ByteSize(bytes: bytesFull))
            saves:  \(ByteSize(bytes: bytesLeftOut)) (\(percent) %) in \(chunksLeftOut) chunks, which the sites have
            """
    }

    var allWarnings: [String] {
        guard bytesLeftOut <= UInt64(96 * chunksLeftOut) else { return warnings }
        return warnings + [
            "a delta would not be smaller than a full bundle of about \(bytesFull) bytes: pack that instead"
        ]
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
