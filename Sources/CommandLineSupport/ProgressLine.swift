// SPDX-License-Identifier: Apache-2.0

internal import Files

/// One sample of a long command, as text.
package struct ProgressLine: Equatable, Sendable {
    package var done: UInt64
    /// 0 while unknown.
    package var total: UInt64
    package var label: String
    /// Seconds since the first byte.
    package var elapsed: Double

    package init(done: UInt64, total: UInt64, label: String, elapsed: Double) {
        (self.done, self.total, self.label, self.elapsed) = (done, total, label, elapsed)
    }

    /// Bytes of bytes, rate, time left and what is being done.
    package var text: String {
        var parts = [total > 0 ? "\(ByteSize(bytes: done)) of \(ByteSize(bytes: total))" : "\(ByteSize(bytes: done))"]
        if elapsed >= 1, done > 0 {
            let rate = Double(done) / elapsed
            parts.append("\(ByteSize(bytes: UInt64(rate)))/s")
            if total > done { parts.append("\(ProgressLine.duration(Double(total - done) / rate)) left") }
        }
        if !label.isEmpty { parts.append(label) }
        return parts.joined(separator: ", ")
    }

    /// `42 s`, `3 min 05 s`, `2 h 10 min`.
    static func duration(_ seconds: Double) -> String {
        guard seconds < 360_000 else { return "days" }
        let whole = Int(seconds.rounded(.up))
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(padded(whole % 60)) s" }
        return "\(whole / 3600) h \(padded(whole / 60 % 60)) min"
    }
}
