// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc

/// What the process does on signals.
enum Signals {
    /// Ctrl-C, SIGTERM and a terminal that hangs up ask the work to stop at its next safe point, a second one ends the
    /// process at once; both say so. A reader that has gone away shows as a failed write, not as a signal.
    static func install() {
        let stop: @convention(c) (Int32) -> Void = { _ in
            guard !Interruption.isRequested else {
                Signals.say("stopped at once; the same command again goes on\n")
                _exit(Failure.interrupted.rawValue)
            }
            Interruption.request()
            Signals.say("finishing what is under way; Ctrl-C again stops at once\n")
        }
        signal(SIGINT, stop)
        signal(SIGTERM, stop)
        if !isIgnored(SIGHUP) { signal(SIGHUP, stop) }  // nohup ignores it: so do we then
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)  // past `ulimit -f`: the write says EFBIG
    }

    // A handler may write, and neither allocate nor lock.
    private static func say(_ text: StaticString) {
        let fault = errno  // of the call that the signal came into
        if isatty(STDERR_FILENO) == 1 { write("\r\u{1B}[K") }  // the progress
        write(text)
        errno = fault
    }

    private static func write(_ text: StaticString) {
        _ = unsafe Glibc.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
    }
}
