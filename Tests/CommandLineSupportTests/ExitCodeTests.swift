// SPDX-License-Identifier: Apache-2.0

import CommandLineSupport
import Files
import Testing

struct ExitCodeTests {
    @Test func `the codes are those that the README promises`() {
        let codes = Failure.allCases.map(\.rawValue).sorted()
        #expect(codes == [1, 3, 10, 11, 12, 13, 14, 15, 16, 64, 130])
    }

    @Test func `a help's codes are sorted and hold what can always happen`() {
        let lines = exitCodeHelp([.refused, .notTrusted, .refused]).split(separator: "\n").dropFirst()
        #expect(lines.map { $0.split(separator: " ")[0] } == ["0", "1", "10", "14", "64", "130"])
    }
}
