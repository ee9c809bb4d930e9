// SPDX-License-Identifier: Apache-2.0

/// What the name of a vendor's file or bundle tells (reference/palette.md, sections 1.1 and 8).
package enum VendorName {
    private static let endings = [".zst", ".tar", ".iso", ".bin", ".tgz", ".gz"]
    private static let architectures = ["-linux-amd64", "-linux-arm64", "-amd64", "-arm64", "-x86_64", "-aarch64"]

    /// The version at the end: `4.7.27` of `palette-enterprise-appliance-4.7.27.tar.zst`, `3.30.2-rev2` of
    /// `cni-calico-3.30.2-rev2.zst`, `4.9.18` of `airgap-vertex-v4.9.18.bin`; `nil` where the name ends in none.
    package static func version(in name: String) -> String? {
        var name = name.lowercased()
        if let part = name.firstMatch(of: /_part[0-9]{1,4}$/) { name.removeSubrange(part.range) }
        for ending in endings where name.hasSuffix(ending) { name.removeLast(ending.count) }
        for architecture in architectures where name.hasSuffix(architecture) { name.removeLast(architecture.count) }
        let rule = /(?:^|[-_])v?([0-9]+(?:\.[0-9]+)+(?:[-+.][a-z0-9.]*[0-9][a-z0-9.]*)*)$/
        return name.firstMatch(of: rule).map { String($0.1.prefix(63)) }
    }

    /// The edition that a name speaks of by one of its words; VerteX where it says both, because that is Palette VerteX.
    package static func edition(in name: String) -> Edition? {
        let words = Set(name.lowercased().split { !$0.isLetter && !$0.isNumber })
        if words.contains("vertex") { return .vertex }
        return words.contains("palette") ? .palette : nil
    }

    /// Whether a version may be shown and compared as one: what vendors' files hold may be anything.
    package static func isVersion(_ text: String) -> Bool {
        text.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._+-]{0,127}/) != nil
    }

    /// A text out of a vendor's file as it may be shown: one line of at most `limit` characters, without what moves cursors
    /// or hides; `nil` where nothing is left.
    package static func shown(_ text: String, limit: Int = 200) -> String? {
        let scalars = text.unicodeScalars.lazy.filter { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse, .surrogate: false
            default: true
            }
        }
        var shown = String.UnicodeScalarView()
        for scalar in scalars.prefix(limit) { shown.append(scalar) }
        let trimmed = String(shown).split(separator: " ").joined(separator: " ")
        return trimmed.isEmpty ? nil : trimmed
    }
}
