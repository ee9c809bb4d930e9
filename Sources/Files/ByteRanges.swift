// SPDX-License-Identifier: Apache-2.0

/// Ranges of bytes of one file: sorted, apart from each other, none of them empty.
package struct ByteRanges: Sendable, Equatable {
    package private(set) var ranges: [Range<UInt64>] = []

    package init() {}

    /// Bytes in all of them.
    package var count: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    /// Adds a range; what touches becomes one.
    package mutating func insert(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        let first = firstIndex { $0.upperBound >= range.lowerBound }
        var joined = range
        var end = first
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            let start = min(joined.lowerBound, ranges[end].lowerBound)
            joined = start..<max(joined.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(first..<end, with: [joined])
    }

    /// Takes away everything from `end` on.
    package mutating func cut(at end: UInt64) {
        ranges = ranges.prefix { $0.lowerBound < end }.map { $0.lowerBound..<min($0.upperBound, end) }
    }

    /// The same ranges but for these bytes.
    package func without(_ range: Range<UInt64>) -> ByteRanges {
        var rest = ByteRanges()
        for old in ranges {
            rest.insert(old.lowerBound..<min(old.upperBound, max(range.lowerBound, old.lowerBound)))
            rest.insert(max(old.lowerBound, min(range.upperBound, old.upperBound))..<old.upperBound)
        }
        return rest
    }

    /// The first part of `range` that none of them has; `nil` where they have it all.
    package func gap(in range: Range<UInt64>) -> Range<UInt64>? {
        guard !range.isEmpty else { return nil }
        var number = firstIndex { $0.upperBound > range.lowerBound }
        var start = range.lowerBound
        if number < ranges.count, ranges[number].lowerBound <= start {
            start = ranges[number].upperBound
            number += 1
        }
        guard start < range.upperBound else { return nil }
        return start..<(number < ranges.count ? min(range.upperBound, ranges[number].lowerBound) : range.upperBound)
    }

    /// The first range of which `isThere` holds, which must hold of all later ones: by halves.
    private func firstIndex(where isThere: (Range<UInt64>) -> Bool) -> Int {
        var range = 0..<ranges.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isThere(ranges[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
