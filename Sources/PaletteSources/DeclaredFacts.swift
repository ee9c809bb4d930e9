// SPDX-License-Identifier: Apache-2.0

package import Palette
internal import Yams

/// What a manifest declares of its release for those who use it, beside its name.
package struct DeclaredFacts: Sendable, Hashable {
    /// What a release is to those who keep or remove releases at a site.
    package enum Kind: String, Sendable, CaseIterable { case appliance, packs, fix }

    /// A release that a site must have before.
    package struct Requirement: Sendable, Hashable {
        package let product: String
        package let version: String
    }

    /// A layer of the infrastructure.
    package struct Layer: Sendable, Hashable {
        package let layer: InfrastructureLayer
        package let component: String
        package let version: String
        package let fips: Bool?
    }

    /// What a source says of a component's FIPS validation.
    package struct Evidence: Sendable, Hashable {
        package let component: String
        package let statement: String
        package let source: String
    }

    /// Absent: the contents decide.
    package var kind: Kind?
    package var requires: [Requirement] = []
    package var isPreview = false
    /// Versions of the same product.
    package var upgradesFrom: [String] = []
    /// In the order of `InfrastructureLayer`, each at most once.
    package var layers: [Layer] = []
    /// Sorted.
    package var platforms: [Platform] = []
    package var fipsEvidence: [Evidence] = []

    package init() {}

    /// The keys of `release` that belong here.
    static let keys = ["kind", "requires", "preview", "upgradesFrom", "profile", "fipsEvidence"]
}

extension ManifestReader {
    private static let versionRule =
        "letters, digits, dots, dashes, underscores and plus signs, 1 to 63, a letter or digit first"

    static func isProduct(_ text: String) -> Bool { text.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil }
    static func isVersion(_ text: String) -> Bool { text.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._+-]{0,62}/) != nil }

    func facts(_ release: ManifestMapping) throws(ManifestError) -> DeclaredFacts {
        var facts = DeclaredFacts()
        let values = release.values
        if let node = values["kind"] { facts.kind = try choice(node, "kind", DeclaredFacts.Kind.self) }
        if let node = values["preview"] { facts.isPreview = try boolean(node, "preview") }
        if let node = values["requires"] { facts.requires = try list(node, "requires", of: "releases", requirement) }
        if let node = values["upgradesFrom"] {
            facts.upgradesFrom = try list(node, "upgradesFrom", of: "versions") { (entry) throws(ManifestError) in
                try self.matching(entry, "upgradesFrom", ManifestReader.versionRule, ManifestReader.isVersion)
            }
        }
        if let node = values["profile"] { try readProfile(node, into: &facts) }
        if let node = values["fipsEvidence"] {
            facts.fipsEvidence = try list(node, "fipsEvidence", of: "statements", evidence)
        }
        return facts
    }

    /// The entries of a list; none stands twice.
    private func list<Value: Hashable>(
        _ node: Node, _ key: String, of what: String, _ read: (Node) throws(ManifestError) -> Value
    ) throws(ManifestError) -> [Value] {
        var values: [Value] = []
        for entry in try sequence(node, key, of: what) {
            let value = try read(entry)
            guard !values.contains(value) else { throw failure(.repeatedEntry(key), at: entry) }
            values.append(value)
        }
        return values
    }

    private func requirement(_ node: Node) throws(ManifestError) -> DeclaredFacts.Requirement {
        guard node.scalar == nil else { return try splitRequirement(node) }
        let mapping = try mapping(node, "requires", known: ["product", "version"])
        return .init(
            product: try matching(
                required("product", of: mapping), "product", "a-z, 0-9 and dashes, 1 to 63, no dash first",
                ManifestReader.isProduct),
            version: try matching(
                required("version", of: mapping), "version", ManifestReader.versionRule, ManifestReader.isVersion))
    }

    /// `product-version`, where only one dash can be the border: the version begins with a digit.
    private func splitRequirement(_ node: Node) throws(ManifestError) -> DeclaredFacts.Requirement {
        let text = try text(node, "requires")
        var found: [DeclaredFacts.Requirement] = []
        for dash in text.indices where text[dash] == "-" {
            let (product, version) = (String(text[..<dash]), String(text[text.index(after: dash)...]))
            guard ManifestReader.isProduct(product), ManifestReader.isVersion(version),
                version.first?.isNumber ?? false
            else { continue }
            found.append(.init(product: product, version: version))
        }
        guard let only = found.first, found.count == 1 else {
            let expected =
                found.isEmpty
                ? "product-version, the version with a digit first, or {product: ..., version: ...}"
                : "{product: ..., version: ...}, because \(found.count) of its dashes may part the two"
            throw failure(
                .badValue(key: "requires", value: String(text.prefix(100)), expected: expected, suggestion: nil),
                at: node)
        }
        return only
    }

    private func readProfile(_ node: Node, into facts: inout DeclaredFacts) throws(ManifestError) {
        let layers = InfrastructureLayer.allCases.map(\.rawValue)
        let profile = try mapping(node, "profile", known: layers + ["platforms"])
        for layer in InfrastructureLayer.allCases {
            guard let node = profile.values[layer.rawValue] else { continue }
            let mapping = try mapping(node, layer.rawValue, known: ["component", "version", "fips"])
            facts.layers.append(
                .init(
                    layer: layer, component: try words(required("component", of: mapping), "component"),
                    version: try words(required("version", of: mapping), "version"),
                    fips: try mapping.values["fips"].map { (node) throws(ManifestError) in
                        try boolean(node, "fips")
                    }))
        }
        guard let node = profile.values["platforms"] else { return }
        facts.platforms = try list(node, "platforms", of: "platforms") { (entry) throws(ManifestError) in
            try self.choice(entry, "platforms", Platform.self)
        }.sorted { $0.rawValue < $1.rawValue }
    }

    private func evidence(_ node: Node) throws(ManifestError) -> DeclaredFacts.Evidence {
        let mapping = try mapping(node, "fipsEvidence", known: ["component", "statement", "source"])
        return .init(
            component: try words(required("component", of: mapping), "component"),
            statement: try words(required("statement", of: mapping), "statement", limit: 1000),
            source: try words(required("source", of: mapping), "source", limit: 1000))
    }

    /// A text for people, which will stand on terminals: one line without control characters.
    private func words(_ node: Node, _ key: String, limit: Int = 100) throws(ManifestError) -> String {
        try matching(node, key, "one line of 1 to \(limit) bytes without control characters") { text in
            (1...limit).contains(text.utf8.count)
                && text.unicodeScalars.allSatisfy { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse: false
                    default: true
                    }
                }
        }
    }
}
