// SPDX-License-Identifier: Apache-2.0

/// A version as tags and charts have it: `1.2.3`, `v1.2.3-rc.1`, `1.2.3_build` for `1.2.3+build` (semver.org 2.0.0; tags
/// can't hold a plus sign). One or two numbers count as if zeros followed.
package struct SemanticVersion: Sendable, Hashable {
    /// Major, minor, patch.
    package let numbers: [Int]
    /// How many of the numbers were written.
    let written: Int
    /// The identifiers after the dash.
    package let preRelease: [String]

    /// `nil` for a text that is no version.
    package init?(parsing text: some StringProtocol) {
        let text = String(text)
        guard text.utf8.count <= 128,
            let match = text.wholeMatch(
                of:
                    /[vV]?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?(?:-([0-9A-Za-z.-]+))?(?:[+_][0-9A-Za-z.+_-]*)?/
            )
        else { return nil }
        let parts = [match.1, match.2, match.3].compactMap { $0.flatMap { Int($0) } }
        (written, numbers) = (parts.count, parts + Array(repeating: 0, count: 3 - parts.count))
        preRelease = (match.4 ?? "").split(separator: ".").map(String.init)
    }

    init(_ numbers: [Int]) { (self.numbers, written, preRelease) = (numbers, 3, []) }
}

extension SemanticVersion: Comparable {
    /// The order of semver.org, item 11; build metadata doesn't count.
    package static func < (left: SemanticVersion, right: SemanticVersion) -> Bool {
        if left.numbers != right.numbers { return left.numbers.lexicographicallyPrecedes(right.numbers) }
        guard !left.preRelease.isEmpty, !right.preRelease.isEmpty else {
            return !left.preRelease.isEmpty && right.preRelease.isEmpty
        }
        for (first, second) in zip(left.preRelease, right.preRelease) where first != second {
            switch (Int(first), Int(second)) {
            case (let first?, let second?): return first < second
            case (nil, nil): return first.utf8.lexicographicallyPrecedes(second.utf8)
            case (let number, _): return number != nil  // numbers come before words
            }
        }
        return left.preRelease.count < right.preRelease.count
    }

    package static func == (left: SemanticVersion, right: SemanticVersion) -> Bool {
        left.numbers == right.numbers && left.preRelease == right.preRelease
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(numbers)
        hasher.combine(preRelease)
    }
}

/// Which versions are wanted: comparisons that must all hold, alternatives parted by `||`.
///
///     >=1.2 <2     1.2.3     ~1.2  (>=1.2.0 <1.3.0)     ^1.2  (>=1.2.0 <2.0.0)     1.2.x     *     1.1.x || 1.3.x
package struct VersionRange: Sendable, Equatable {
    /// As written.
    package let text: String
    fileprivate let alternatives: [[Comparison]]

    fileprivate struct Comparison: Sendable, Equatable {
        enum Sign: Sendable { case less, lessOrEqual, greater, greaterOrEqual, equal, notEqual }
        let sign: Sign
        let version: SemanticVersion

        func holds(_ other: SemanticVersion) -> Bool {
            switch sign {
            case .less: other < version
            case .lessOrEqual: other <= version
            case .greater: other > version
            case .greaterOrEqual: other >= version
            case .equal: other == version
            case .notEqual: other != version
            }
        }
    }

    /// `nil` for a text that is no range.
    package init?(parsing text: String) {
        guard text.utf8.count <= 500 else { return nil }
        var alternatives: [[Comparison]] = []
        for part in text.split(separator: "||", omittingEmptySubsequences: false) {
            // `>= 1.2` is one comparison.
            let joined = part.replacing(/([<>=!~^])\s+/) { $0.1 }
            let words = joined.split { $0 == " " || $0 == "," || $0 == "\t" }
            guard !words.isEmpty else { return nil }
            var all: [Comparison] = []
            for word in words {
                guard let comparisons = VersionRange.comparisons(word) else { return nil }
                all += comparisons
            }
            alternatives.append(all)
        }
        (self.text, self.alternatives) = (text, alternatives)
    }

    /// Whether a version is in the range. A pre-release is only where `preReleases` says so, or a comparison of the same
    /// numbers names one.
    package func contains(_ version: SemanticVersion, preReleases: Bool = false) -> Bool {
        alternatives.contains { comparisons in
            guard comparisons.allSatisfy({ $0.holds(version) }) else { return false }
            return version.preRelease.isEmpty || preReleases
                || comparisons.contains {
                    !$0.version.preRelease.isEmpty && $0.version.numbers == version.numbers
                }
        }
    }

    private static func comparisons(_ word: Substring) -> [Comparison]? {
        guard let match = word.wholeMatch(of: /(>=|<=|!=|==|=|>|<|~>|~|\^)?[vV]?(.+)/) else { return nil }
        let sign = match.1.map(String.init) ?? ""
        if ["*", "x", "X"].contains(match.2) {
            return sign.isEmpty || sign == ">="
                ? [Comparison(sign: .greaterOrEqual, version: SemanticVersion([0, 0, 0]))] : nil
        }
        let text = match.2.replacing(/(\.[xX*])+$/, with: "")
        let isOpen = text != match.2
        guard let version = SemanticVersion(parsing: text), text.first != "v", text.first != "V" else { return nil }
        let lowest = Comparison(sign: .greaterOrEqual, version: version)
        // The first version after all that begin with what was written.
        let next = version.after(place: version.written - 1)
        switch sign {
        case "~", "~>": return [lowest, .below(version.after(place: version.written == 1 ? 0 : 1))]
        case "^": return [lowest, .below(version.after(place: version.numbers.firstIndex { $0 > 0 } ?? 2))]
        case "", "=", "==":
            return version.written < 3 || isOpen
                ? [lowest, .below(next)] : [Comparison(sign: .equal, version: version)]
        case "<=" where version.written < 3: return [.below(next)]
        case ">" where version.written < 3: return [Comparison(sign: .greaterOrEqual, version: next)]
        case "!=": return version.written < 3 ? nil : [Comparison(sign: .notEqual, version: version)]
        case "<": return [Comparison(sign: .less, version: version)]
        case "<=": return [Comparison(sign: .lessOrEqual, version: version)]
        case ">": return [Comparison(sign: .greater, version: version)]
        default: return [lowest]
        }
    }
}

extension VersionRange.Comparison {
    fileprivate static func below(_ version: SemanticVersion) -> Self { Self(sign: .less, version: version) }
}

extension SemanticVersion {
    /// The lowest version whose number at this place is one higher.
    fileprivate func after(place: Int) -> SemanticVersion {
        var next = Array(numbers.prefix(place + 1))
        next[place] += 1
        return SemanticVersion(next + Array(repeating: 0, count: 2 - place))
    }
}

/// Which tags of a repository, or versions of a chart, a manifest asks for.
package struct VersionChoice: Sendable, Equatable {
    package let range: VersionRange
    /// At most so many, the highest.
    package let newest: Int?
    package let preReleases: Bool

    package init(range: VersionRange, newest: Int? = nil, preReleases: Bool = false) {
        (self.range, self.newest, self.preReleases) = (range, newest, preReleases)
    }

    /// For people and lock files: the range and the limits.
    package var description: String {
        range.text + (newest.map { ", newest \($0)" } ?? "") + (preReleases ? ", pre-releases" : "")
    }

    /// Those of `tags` that are wanted, the highest version first. A tag of fewer than three numbers, which usually moves
    /// on with each release, counts only where no longer tag begins with the same numbers.
    package func tags(of tags: [String]) -> [String] {
        let versions = tags.compactMap { tag in SemanticVersion(parsing: tag).map { (tag: tag, version: $0) } }
        let longer = Set(
            versions.filter { $0.version.preRelease.isEmpty }.flatMap { version in
                (1..<max(version.version.written, 1)).map { Array(version.version.numbers.prefix($0)) }
            })
        let wanted = versions.filter { tag, version in
            let isAlias = version.written < 3 && longer.contains(Array(version.numbers.prefix(version.written)))
            return !isAlias && range.contains(version, preReleases: preReleases)
        }
        let sorted = wanted.sorted {
            $0.version == $1.version ? $0.tag.utf8.lexicographicallyPrecedes($1.tag.utf8) : $0.version > $1.version
        }
        return sorted.prefix(newest ?? .max).map(\.tag)
    }
}
