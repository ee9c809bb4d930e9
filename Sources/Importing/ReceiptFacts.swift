// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Trust

/// What a receipt keeps of its release for later plans, for retention and for deltas: members of `release.json`
/// (docs/format.md) under the same names, left out where there is nothing to say.
package struct ReceiptFacts: Sendable, Equatable {
    /// `nil` where the release doesn't say, and in receipts of before it was known.
    package var kind: Release.Kind?
    /// Releases that a site must have before this one is of use.
    package var needs: [Release.Name] = []
    /// Versions of the same product from which a site may come to this one; empty where nothing is said.
    package var upgradesFrom: [String] = []
    package var isPreview = false
    /// What its images bring, by name, sorted; `nil` in receipts of before it was known.
    package var capabilities: [String]?
    package var profile: Release.Profile?
    /// What a delta builds on, without the repositories; `nil` for a full bundle.
    package var base: Release.Base?

    package init() {}

    /// What a release says.
    package init(_ release: Release) {
        (kind, needs, upgradesFrom) = (release.kind, release.needs, release.upgradesFrom)
        (isPreview, profile, base) = (release.isPreview, release.profile, release.base)
        base?.repositories = []
        capabilities = release.broughtCapabilities
    }

    /// Beside product, version, edition and digest in the receipt's `release`.
    var members: [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        if let kind { members["kind"] = .string(kind.rawValue) }
        if !needs.isEmpty { members["needs"] = .array(needs.map(\.json)) }
        if !upgradesFrom.isEmpty { members["upgradesFrom"] = .array(upgradesFrom.map(JSONValue.string)) }
        if isPreview { members["preview"] = true }
        if let capabilities { members["capabilities"] = .array(capabilities.map(JSONValue.string)) }
        if let profile { members["profile"] = profile.json }
        if let base { members["base"] = base.json }
        return members
    }

    /// Reads them of the receipt's `release`. Throws `JSONError`.
    init(_ release: JSONCursor) throws {
        kind = try release.optional("kind").map { cursor throws(JSONError) in try cursor.choice(Release.Kind.self) }
        needs = try release.optional("needs")?.elements().map(Release.Name.init) ?? []
        upgradesFrom = try release.optional("upgradesFrom")?.strings() ?? []
        isPreview = try release.optional("preview")?.bool() ?? false
        capabilities = try release.optional("capabilities")?.strings()
        profile = try release.optional("profile").map(Release.Profile.init)
        base = try release.optional("base").map(Release.Base.init)
    }
}

extension Release {
    /// The capabilities that its inputs bring, by name, sorted, each once.
    package var broughtCapabilities: [String] {
        Set(contents.flatMap { $0.bundle?.capabilities ?? [] }).sorted()
    }

    /// What it is called, for programs.
    var titleJSON: JSONValue {
        [
            "product": .string(product), "version": .string(version), "edition": .string(edition),
            "preview": .bool(isPreview),
        ]
    }

    /// How people see it: what it is, and whether it is meant for use.
    package var title: String { ReleaseTitle.text(product, version, edition, isPreview: isPreview) }
}

extension Receipt {
    /// How people see its release.
    package var title: String { ReleaseTitle.text(product, version, edition, isPreview: facts.isPreview) }
}

/// The words by which a release is named wherever it is shown.
enum ReleaseTitle {
    static let preview = "PREVIEW, not for production"

    static func text(_ product: String, _ version: String, _ edition: String, isPreview: Bool) -> String {
        "\(product) \(version) (\(edition))" + (isPreview ? ", \(preview)" : "")
    }
}
