// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization

/// A fixed number of equal buffers. `take` waits until one is free, which is what bounds memory and holds a fast
/// stage back until a slow one has caught up.
package final class BufferPool: Sendable {
    private let free: Mutex<[Buffer]>
    private let available: DispatchSemaphore

    /// Makes `count` buffers of `capacity` bytes; their memory is touched only when used.
    package init(count: Int, capacity: Int) {
        free = Mutex((0..<count).map { _ in Buffer(capacity: capacity) })
        available = DispatchSemaphore(value: count)
    }

    // A semaphore may not be freed below the value it began with; buffers still out at the end (an error cut the
    // pipeline short) are made up for here.
    private let shortfall = Mutex(0)
    deinit { for _ in 0..<shortfall.withLock({ $0 }) { available.signal() } }

    /// A buffer with `count` 0; blocks while all are in use.
    package func take() -> Buffer {
        available.wait()
        shortfall.withLock { $0 += 1 }
        let buffer = free.withLock { $0.removeLast() }
        buffer.count = 0
        return buffer
    }

    /// Returns a buffer that no stage uses any more.
    package func put(_ buffer: Buffer) {
        free.withLock { $0.append(buffer) }
        shortfall.withLock { $0 -= 1 }
        available.signal()
    }
}
