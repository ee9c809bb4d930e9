// SPDX-License-Identifier: Apache-2.0

/// How grave a finding is.
package enum LintSeverity: String, Sendable, Codable, CaseIterable, Comparable {
    /// The pack can't be packed, or it won't work at a site without a network.
    case error
    /// It may not work there; somebody must look.
    case warning
    /// Worth knowing.
    case note

    private var rank: Int { LintSeverity.allCases.firstIndex(of: self) ?? 0 }

    /// The graver first.
    package static func < (left: LintSeverity, right: LintSeverity) -> Bool { left.rank < right.rank }
}

/// What `dray packs lint` looks for. The names are stable; docs/pack-lint.md says of each what it means and what to do.
package enum LintRule: String, Sendable, CaseIterable {
    // What the pack is.
    case metadataUnreadable = "metadata-unreadable"
    case metadataIncomplete = "metadata-incomplete"
    case versionPrefix = "version-prefix"
    case folderName = "folder-name"
    case deprecated
    case logoMissing = "logo-missing"
    case readmeMissing = "readme-missing"
    // What its folder holds.
    case symbolicLink = "symbolic-link"
    case unpackable
    case strayFiles = "stray-files"
    case chartMissing = "chart-missing"
    case chartUnreadable = "chart-unreadable"
    case chartDependencyMissing = "chart-dependency-missing"
    case chartUnlisted = "chart-unlisted"
    case chartNotInFolder = "chart-not-in-folder"
    case manifestMissing = "manifest-missing"
    // Its lists.
    case valuesMissing = "values-missing"
    case valuesUnreadable = "values-unreadable"
    case secondBlock = "second-block"
    case noImageList = "no-image-list"
    case listEntry = "list-entry"
    case imageTemplate = "image-template"
    case imageUnusable = "image-unusable"
    case imageLatest = "image-latest"
    case imageUntagged = "image-untagged"
    case imageNoHost = "image-no-host"
    case imageTwice = "image-twice"
    case imageNotListed = "image-not-listed"
    case imageTagNotListed = "image-tag-not-listed"
    case imageFromProfile = "image-from-profile"
    // The set of packs.
    case dependencyMissing = "dependency-missing"
    case dependencyVersion = "dependency-version"
    case dependencyConflict = "dependency-conflict"
    case piraeusOperatorMissing = "piraeus-operator-missing"
    case fipsMixed = "fips-mixed"
    case fipsTagShared = "fips-tag-shared"
    case packTwice = "pack-twice"

    /// How grave a finding of this rule is, where the finding doesn't say otherwise.
    package var severity: LintSeverity {
        switch self {
        case .metadataUnreadable, .symbolicLink, .unpackable, .chartMissing, .chartUnreadable, .chartDependencyMissing,
            .manifestMissing, .valuesMissing, .valuesUnreadable, .noImageList, .imageUnusable, .dependencyMissing,
            .dependencyVersion, .piraeusOperatorMissing, .fipsMixed, .fipsTagShared, .packTwice:
            .error
        case .metadataIncomplete, .versionPrefix, .deprecated, .logoMissing, .chartNotInFolder, .secondBlock,
            .listEntry,
            .imageTemplate, .imageLatest, .imageUntagged, .imageNotListed, .imageTagNotListed, .imageFromProfile,
            .dependencyConflict:
            .warning
        case .folderName, .readmeMissing, .strayFiles, .chartUnlisted, .imageNoHost, .imageTwice:
            .note
        }
    }

    /// The rule that a person probably meant; `nil` where none is near.
    package static func closest(to name: String) -> String? {
        PaletteSources.closest(to: name, among: allCases.map(\.rawValue))
    }
}

/// Something that `dray packs lint` found.
package struct LintFinding: Sendable, Equatable {
    package let rule: LintRule
    package let severity: LintSeverity
    /// `<name>:<version>`, or the folder's name where `pack.json` can't be read.
    package let pack: String
    package let place: PackPlace
    /// What is wrong; one line, as are the others.
    package let message: String
    /// What to do about it.
    package let fix: String

    init(
        _ rule: LintRule, _ severity: LintSeverity? = nil, pack: String, at place: PackPlace, _ message: String,
        fix: String
    ) {
        (self.rule, self.severity, self.place) = (rule, severity ?? rule.severity, place)
        self.pack = pack.oneLine
        (self.message, self.fix) = (message.oneLine, fix.oneLine)
    }
}
