// SPDX-License-Identifier: Apache-2.0

/// What a registry was found to take. Kept by the caller between runs; `nil` is what is not known yet.
package struct RegistryHabits: Sendable, Hashable, Codable {
    /// Whether a blob can be sent with the first `POST` (201), or that only opens a session (202).
    package var takesSinglePost: Bool?
    /// Whether a blob sent in several `PATCH` requests was stored.
    package var takesChunks: Bool?
    /// Bytes: no request of more is sent, since one was answered 413.
    package var largestRequest: Int64?
    /// Bytes: `OCI-Chunk-Min-Length`, if the registry names one (distribution-spec 1.1, "Pushing a blob in chunks").
    package var smallestChunk: Int64?
    /// What one connection sends, the registry's own work for each request included.
    package var bytesPerSecond: Double?
    /// Whether chunks failed here for a reason that may pass, a session that went. Not kept: the next process tries again.
    var doubtsChunks = false

    private enum CodingKeys: CodingKey {
        case takesSinglePost, takesChunks, largestRequest, smallestChunk, bytesPerSecond
    }

    package init() {}
}

extension RegistryHabits {
    /// Fewer bytes in less than a second tell more of the delay than of the speed.
    private static let smallestMeasure: Int64 = 256 << 10
    /// Seconds of sending that weigh as much as all that was measured before.
    private static let memory = 2.0

    /// Takes what one request measured: the longer it took, the more it says.
    mutating func measure(_ bytes: Int64, seconds: Double) {
        guard bytes > 0, seconds > 0, seconds >= 1 || bytes >= RegistryHabits.smallestMeasure else { return }
        let speed = Double(bytes) / seconds
        let weight = seconds / (seconds + RegistryHabits.memory)
        bytesPerSecond = bytesPerSecond.map { $0 + (speed - $0) * weight } ?? speed
    }

    var mayTakeChunks: Bool { takesChunks != false && !doubtsChunks }

    /// Notes that chunks failed, unless they are known to work.
    mutating func doubtChunks() { doubtsChunks = takesChunks != true }

    /// Notes that the registry said that it takes no chunks, or made another blob of them; not where they are known to
    /// work, unless `even` so.
    mutating func refuseChunks(even known: Bool = false) {
        if known || takesChunks == nil { takesChunks = false }
    }
}
