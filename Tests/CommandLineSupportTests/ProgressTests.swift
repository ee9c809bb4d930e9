// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import CommandLineSupport

struct ProgressTests {
    @Test(arguments: [
        (ProgressLine(done: 0, total: 0, label: "asking", elapsed: 5), "0 B, asking"),
        (ProgressLine(done: 500, total: 1000, label: "", elapsed: 0.5), "500 B of 1.0 kB"),
        (ProgressLine(done: 500, total: 1000, label: "a", elapsed: 10), "500 B of 1.0 kB, 50 B/s, 10 s left, a"),
        (ProgressLine(done: 1000, total: 1000, label: "v.001", elapsed: 2), "1.0 kB of 1.0 kB, 500 B/s, v.001"),
        (
            ProgressLine(done: 1_000_000, total: 1_000_000_000, label: "", elapsed: 1),
            "1.0 MB of 1.0 GB, 1.0 MB/s, 16 min 39 s left"
        ),
        (ProgressLine(done: 7, total: 0, label: "x", elapsed: 7), "7 B, 1 B/s, x"),
    ]) func `a sample says bytes, rate, time left and what is done`(_ line: ProgressLine, _ text: String) {
        #expect(line.text == text)
    }

    @Test(arguments: [
        (0.2, "1 s"), (59.0, "59 s"), (60.0, "1 min 00 s"), (3599.0, "59 min 59 s"), (3600.0, "1 h 00 min"),
        (1e12, "days"),
    ]) func `a time left is short`(_ seconds: Double, _ text: String) {
        #expect(ProgressLine.duration(seconds) == text)
    }
}
