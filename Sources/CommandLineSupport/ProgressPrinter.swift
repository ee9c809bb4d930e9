// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Files
internal import Synchronization
internal import Glibc

/// Shows a `Progress` on standard error while a command runs: one line that is rewritten on a terminal, else a plain line
/// every ten seconds.
final class ProgressPrinter: Sendable {
    private let progress: Progress
    private let isTerminal: Bool
    /// When the first byte moved: what was asked and checked before has no rate.
    private let start = Mutex<ContinuousClock.Instant?>(nil)
    /// Whether there is a line to take away.
    private let isShown = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)
    private let thread = DispatchQueue(label: "dray.progress")

    init(_ progress: Progress, isTerminal: Bool) {
        (self.progress, self.isTerminal) = (progress, isTerminal)
        let interval: DispatchTimeInterval = isTerminal ? .milliseconds(250) : .seconds(10)
        thread.async { [self] in
            while ended.wait(timeout: .now() + interval) == .timedOut { show() }
        }
    }

    /// Takes the line away; nothing is printed after it returns.
    func stop() {
        ended.signal()
        thread.sync { if isTerminal, isShown.load(ordering: .relaxed) { StandardError.write("\r\u{1B}[K") } }
    }

    private func show() {
        // What is given up then no longer counts as done: the numbers would go back.
        guard !Interruption.isRequested else { return }
        let done = progress.done.load(ordering: .relaxed)
        let first = start.withLock { start in
            if start == nil, done > 0 { start = .now }
            return start ?? .now
        }
        let line = ProgressLine(
            done: done, total: progress.total.load(ordering: .relaxed),
            label: progress.label, elapsed: (ContinuousClock.now - first) / .seconds(1))
        guard line.done > 0 || !line.label.isEmpty else { return }
        isShown.store(true, ordering: .relaxed)
        StandardError.write(isTerminal ? "\r\u{1B}[K" + line.text.fitting(Terminal.width - 1) : line.text + "\n")
    }
}

extension String {
    /// Cut to a number of columns, the end replaced by an ellipsis.
    fileprivate func fitting(_ columns: Int) -> String { count <= columns ? self : prefix(columns - 1) + "…" }
}

/// What the terminal is.
package enum Terminal {
    /// Columns of the terminal of standard error; 80 where nobody knows.
    static var width: Int {
        var size = winsize()
        guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }

    static var isStandardErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
