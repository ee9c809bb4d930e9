// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Runs `last` once it has been ended as often as it was made for: how a buffer knows that all its users are done.
package final class Countdown: Sendable {
    private let left: Atomic<Int>
    private let last: @Sendable () -> Void

    package init(_ count: Int, last: @escaping @Sendable () -> Void) {
        left = Atomic(count)
        self.last = last
    }

    /// Ends one use, from any thread.
    package func end() {
        if left.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 { last() }
    }
}
