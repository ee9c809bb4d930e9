// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc

/// What the process does on signals.
enum Signals {
    /// Ctrl-C, SIGTERM and a terminal that hangs up ask the work to stop at its next safe point, a second one ends the process at once; a reader
    /// that has gone away shows as a failed write, not as a signal.
    static func install() {
        let stop: @convention(c) (Int32) -> Void = { _ in
            guard !Interruption.isRequested else { _exit(Failure.interrupted.rawValue) }
            Interruption.request()
        }
        signal(SIGINT, stop)
        signal(SIGTERM, stop)
        if !isIgnored(SIGHUP) { signal(SIGHUP, stop) }  // nohup ignores it: so do we then
        signal(SIGPIPE, SIG_IGN)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
    }
}
