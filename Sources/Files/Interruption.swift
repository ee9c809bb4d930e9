// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The user's wish to stop (Ctrl-C, SIGTERM), seen by long work between two steps.
package enum Interruption {
    private static let requested = Atomic<Bool>(false)

    /// Asks all work to stop at its next safe point.
    package static func request() { requested.store(true, ordering: .relaxed) }

    /// Whether someone has asked.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// Throws `Interrupted` once someone has asked.
    package static func check() throws(Interrupted) {
        if isRequested { throw Interrupted() }
    }
}

/// The work stopped because the user asked; what it had finished is kept.
package struct Interrupted: Error, CustomStringConvertible {
    package init() {}
    package var description: String { "interrupted; the same command again goes on from here" }
}
