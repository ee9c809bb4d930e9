// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc

/// What the process does on signals.
enum Signals {
    /// Ctrl-C and SIGTERM ask the work to stop at its next safe point, a second one ends the process at once; a reader
    /// that has gone away shows as a failed write, not as a signal.
    static func install() {
        let stop: @convention(c) (Int32) -> Void = { _ in
            guard !Interruption.isRequested else { _exit(Failure.interrupted.rawValue) }
            Interruption.request()
        }
        signal(SIGINT, stop)
        signal(SIGTERM, stop)
        signal(SIGPIPE, SIG_IGN)
    }
}
