// SPDX-License-Identifier: Apache-2.0

/// Which tags a site admin allows to move: `repository:tag` with `*` for any run of characters, slashes too, and `?` for one.
package struct TagPattern: Sendable, Hashable {
    package let text: String

    /// Every text is a pattern; one without `*` and `?` names one tag.
    package init(_ text: String) { self.text = text }

    /// Whether the pattern covers the whole of `name`. Time grows with the product of both lengths at most.
    package func matches(_ name: String) -> Bool {
        let (pattern, name) = (Array(text.utf8), Array(name.utf8))
        var (place, at) = (0, 0)
        var star: (place: Int, at: Int)?
        while at < name.count {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                star = (place, at)
                place += 1
            } else if place < pattern.count, pattern[place] == name[at] || pattern[place] == UInt8(ascii: "?") {
                (place, at) = (place + 1, at + 1)
            } else if let last = star {
                // The last star takes one more character; earlier ones need not change.
                star = (last.place, last.at + 1)
                (place, at) = (last.place + 1, last.at + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
