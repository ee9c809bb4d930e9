// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization

/// One thread's worth of blocking work, done in the order it was given. The first error stops the lane: later work is
/// dropped and `wait` throws that error.
package final class Lane: Sendable {
    private let queue: DispatchQueue
    private let failure = Mutex<(any Error)?>(nil)

    /// `label` shows in debuggers.
    package init(_ label: String) { queue = DispatchQueue(label: "dray.\(label)") }

    /// Adds work. What bounds the queue is the buffers that the work holds, not the lane.
    package func add(_ work: @escaping @Sendable () throws -> Void) {
        queue.async { [self] in
            guard failure.withLock({ $0 == nil }) else { return }
            do {
                try work()
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
    }

    /// Adds work that runs even after an error, for giving back what earlier work holds.
    package func addAlways(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }

    /// Throws the first error so far, without waiting.
    package func check() throws {
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Waits until all work given so far is done or dropped; `check` tells whether any failed.
    package func drain() { queue.sync {} }

    /// Waits until all work given so far is done; throws the first error of any.
    package func wait() throws {
        drain()
        try check()
    }
}

/// Runs `body` for 0..<count on up to `width` threads and waits for all; the first error thrown is rethrown after the
/// others have ended what they had begun.
package func concurrently(
    width: Int, count: Int, _ body: @escaping @Sendable (Int) throws -> Void
) throws {
    let next = Atomic<Int>(0)
    let failure = Mutex<(any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: max(1, min(width, count))) { _ in
        while failure.withLock({ $0 == nil }) {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            do {
                try body(index)
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
    }
    if let error = failure.withLock({ $0 }) { throw error }
}
