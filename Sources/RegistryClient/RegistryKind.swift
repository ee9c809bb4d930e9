// SPDX-License-Identifier: Apache-2.0

/// Which program a registry is, as far as it says so without being asked to change anything.
package struct RegistryKind: Sendable, Hashable {
    package enum Family: String, Sendable {
        case zot
        /// Docker's registry, CNCF Distribution and what is made from them.
        case distribution
        /// Another one, or one that doesn't say.
        case other
    }

    package let family: Family
    /// As the registry writes it, for example `v2.1.2`; at most 100 printable characters.
    package let version: String?

    package init(family: Family, version: String? = nil) { (self.family, self.version) = (family, version) }

    /// Whether content that nothing names yet may be collected while the registry runs. Distribution collects offline
    /// only; of the others we don't know.
    package var collectsOnline: Bool { family != .distribution }

    /// Whether the registry is known to refuse a manifest that is none, so that permissions can be asked for with one.
    package var permitsQuestions: Bool { family != .other }

    /// Whether a tag can be written over with a manifest of another media type: Zot can since 2.1.3. `nil` where nothing
    /// is known.
    package var tagsChangeType: Bool? {
        switch family {
        case .distribution: true
        case .zot: numbers.map { !$0.lexicographicallyPrecedes([2, 1, 3]) } ?? false
        case .other: nil
        }
    }

    /// The version's three numbers, if it begins with them.
    private var numbers: [Int]? {
        guard let match = version?.firstMatch(of: /^v?([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})/) else { return nil }
        return [match.1, match.2, match.3].compactMap { Int($0) }
    }
}

extension RegistryKind: CustomStringConvertible {
    package var description: String {
        let name =
            switch family {
            case .zot: "Zot"
            case .distribution: "Distribution"
            case .other: "unknown"
            }
        return version.map { "\(name) \($0)" } ?? name
    }
}
