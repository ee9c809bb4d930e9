// SPDX-License-Identifier: Apache-2.0

/// A pack's version in the order that `minVersion` and `maxVersion` mean: parts between dots, dashes, underscores and plus
/// signs, numbers as numbers. `1.33` is before `1.33.1`, `3.30.2` before `3.30.2-rev2`, `9` before `10`.
struct PackVersion: Comparable {
    private enum Part: Comparable {
        case text(String)
        case number(digits: String)

        static func < (left: Part, right: Part) -> Bool {
            switch (left, right) {
            case (.number(let left), .number(let right)): (left.count, left) < (right.count, right)
            case (.text(let left), .text(let right)): left < right
            case (.text, .number): true
            case (.number, .text): false
            }
        }
    }

    private let parts: [Part]

    init(_ text: String) {
        let text = text.hasPrefix("v") ? text.dropFirst() : text[...]
        parts = text.split { ".-_+".contains($0) }.map { part in
            guard part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                return .text(String(part))
            }
            return .number(digits: String(part.drop { $0 == "0" }))
        }
    }

    static func < (left: PackVersion, right: PackVersion) -> Bool { left.parts.lexicographicallyPrecedes(right.parts) }

    /// Whether it lies within bounds that a pack gives: each is open where it is absent or empty. The upper one takes in
    /// the versions that begin with it: `1.33` takes `1.33.4`.
    func isWithin(_ minimum: String?, _ maximum: String?) -> Bool {
        if let minimum, !minimum.isEmpty, self < PackVersion(minimum) { return false }
        guard let maximum, !maximum.isEmpty else { return true }
        let bound = PackVersion(maximum)
        return self < bound || parts.starts(with: bound.parts)
    }
}
