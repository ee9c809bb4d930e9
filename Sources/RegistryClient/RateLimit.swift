// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Spaces out what all connections send together: each piece takes its share of time, counted from when the pieces before
/// it have taken theirs.
package final class RateLimit: Sendable {
    /// Bytes that one piece may have: a tenth of a second, so that several connections take turns.
    let pieceSize: Int
    private let bytesPerSecond: Int64
    private let free = Mutex(ContinuousClock.now)

    /// Bytes a second, at least 1.
    package init(bytesPerSecond: Int64) {
        self.bytesPerSecond = max(bytesPerSecond, 1)
        pieceSize = Int(clamping: max(bytesPerSecond / 10, 1))
    }

    /// Books `count` bytes and says how long to wait before they are sent.
    func wait(for count: Int, now: ContinuousClock.Instant = .now) -> Duration {
        let time = Duration.seconds(Double(count) / Double(bytesPerSecond))
        return free.withLock { free in
            let start = max(free, now)
            free = start + time
            return start - now
        }
    }
}
