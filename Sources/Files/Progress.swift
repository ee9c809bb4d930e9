// SPDX-License-Identifier: Apache-2.0

package import Synchronization

/// What a long command has done so far, written by its threads and sampled by whoever shows it.
package final class Progress: Sendable {
    /// Bytes done, skipped ones included.
    package let done = Atomic<UInt64>(0)
    /// Bytes there are to do; 0 while unknown.
    package let total = Atomic<UInt64>(0)
    private let phase = Mutex("")

    package init() {}

    /// What is being done, in a few words, for example a file or volume name.
    package var label: String {
        get { phase.withLock { $0 } }
        set { phase.withLock { $0 = newValue } }
    }

    /// Says how many bytes there are to do.
    package func begin(total bytes: UInt64) { total.store(bytes, ordering: .relaxed) }

    /// Bytes done so far.
    package var bytesDone: UInt64 { done.load(ordering: .relaxed) }

    /// Counts bytes as done.
    package func add(_ bytes: Int) { done.wrappingAdd(UInt64(bytes), ordering: .relaxed) }
}
