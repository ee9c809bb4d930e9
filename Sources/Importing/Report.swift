// SPDX-License-Identifier: Apache-2.0

package import Files
package import Trust

/// What a workflow has to say: text for people, the same as JSON, and what to do next.
package struct Report: Sendable {
    package var text: String
    package var json: JSONValue
    /// What should be known beside.
    package var warnings: [String] = []
    /// What to do next, a line each: commands that run as they are, and text for people, which begins with `# `. Capitals
    /// such as TARGET that a command holds are explained in the line above it.
    package var next: [String] = []
    /// Set when the work was done and what it found is a failure.
    package var failure: Failure?

    package init(
        text: String, json: JSONValue, warnings: [String] = [], next: [String] = [], failure: Failure? = nil
    ) {
        (self.text, self.json, self.warnings, self.next) = (text, json, warnings, next)
        self.failure = failure
    }
}

extension [(String, String)] {
    /// A column of names and one of values.
    var aligned: String {
        let width = map(\.0.count).max() ?? 0
        return map { name, value in name + ":" + String(repeating: " ", count: width - name.count + 1) + value }
            .joined(separator: "\n")
    }
}

extension UInt64 {
    /// For people.
    var asSize: String { ByteSize(bytes: self).description }
}

extension Int {
    /// With a noun, whose plural only adds an s.
    func of(_ noun: String, _ plural: String? = nil) -> String { "\(self) \(self == 1 ? noun : plural ?? noun + "s")" }
}

extension Double {
    /// Seconds for people: `45 s`, `12 min`, `3 h 5 min`.
    var asDuration: String {
        let seconds = Int(min(max(self, 0), 1e9).rounded(.up))
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7200: return "\((seconds + 59) / 60) min"
        default: return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }
}
