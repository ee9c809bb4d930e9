// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Palette
internal import PaletteSources

extension ReleaseManifest {
    /// What the manifest declares beside what decides which bytes are stored, a line each; part of what makes a finished
    /// bundle one of this plan.
    var declared: [String] {
        var lines: [String] = []
        let facts = release.facts
        if facts != DeclaredFacts() { lines.append("facts \(DeclaredText(facts))") }
        lines += items.filter(\.isNonFIPSAllowed).map { "nonFIPS \($0.path)" }
        return lines
    }
}

/// Declared facts as one text, equal for equal facts.
private struct DeclaredText: CustomStringConvertible {
    let description: String

    init(_ facts: DeclaredFacts) {
        var parts = ["kind", facts.kind?.rawValue ?? "", "preview", String(facts.isPreview), "requires"]
        parts += facts.requires.flatMap { [$0.product, $0.version] } + ["upgradesFrom"] + facts.upgradesFrom
        parts += ["profile"]
        parts += facts.layers.flatMap {
            [$0.layer.rawValue, $0.component, $0.version, $0.fips.map(String.init) ?? ""]
        }
        parts += ["platforms"] + facts.platforms.map(\.rawValue) + ["evidence"]
        parts += facts.fipsEvidence.flatMap { [$0.component, $0.statement, $0.source] }
        description = parts.map { "\($0.utf8.count):\($0)" }.joined()
    }
}

extension PackPlan {
    /// How the release is named to people before it is made.
    package var title: String {
        let preview = release.facts.isPreview ? ", PREVIEW, not for production" : ""
        return "\(folderName) (\(release.edition.rawValue), kind \(kind.rawValue)\(preview))"
    }

    /// What the release is: as declared, else by what it holds.
    package var kind: Release.Kind {
        if let declared = release.facts.kind, let kind = Release.Kind(rawValue: declared.rawValue) { return kind }
        let isAppliance = inputs.contains { input in
            input.item.kind == .iso || input.item.kind == .bundle && ManifestItem.isApplianceBundle(input.item.name)
        }
        return isAppliance ? .appliance : .packs
    }
}

extension Release {
    /// Fills in what the manifest declares and what was read of the inputs.
    mutating func describe(_ plan: PackPlan, _ composer: ReleaseComposer) {
        let declared = plan.release.facts
        kind = plan.kind
        needs = declared.requires.map { Name(product: $0.product, version: $0.version) }
        isPreview = declared.isPreview
        upgradesFrom = declared.upgradesFrom
        fipsEvidence = declared.fipsEvidence.map {
            FIPSEvidence(component: $0.component, statement: $0.statement, source: $0.source)
        }
        profile = ProfileReading(plan, composer).profile
    }
}

/// The infrastructure profile: what the manifest declares, and for the rest what the inputs of an appliance tell.
struct ProfileReading {
    let profile: Release.Profile?

    init(_ plan: PackPlan, _ composer: ReleaseComposer) {
        let declared = plan.release.facts
        var profile = Release.Profile(platforms: declared.platforms.map(\.rawValue))
        for layer in InfrastructureLayer.allCases {
            if let said = declared.layers.first(where: { $0.layer == layer }) {
                profile.layers.append(
                    Release.Layer(
                        layer: layer.rawValue, component: said.component, version: said.version, fips: said.fips,
                        isDeclared: true))
            } else if plan.kind == .appliance, let read = ProfileReading.read(layer, plan, composer) {
                profile.layers.append(read)
            }
        }
        self.profile = profile == Release.Profile() ? nil : profile
    }

    /// The one pack of that layer, of the appliance's own bundle before all others; where there are several nobody can tell
    /// which of them the appliance runs on.
    private static func read(
        _ layer: InfrastructureLayer, _ plan: PackPlan, _ composer: ReleaseComposer
    ) -> Release.Layer? {
        let own = zip(composer.contents, composer.facts).filter { content, _ in
            content.kind == ItemKind.bundle.rawValue && ManifestItem.isApplianceBundle(content.name)
        }
        for facts in [own.compactMap(\.1), composer.facts.compactMap(\.self)] {
            let packs = facts.flatMap(\.packs).filter {
                InfrastructureLayer(ofPack: $0.name, layer: $0.layer ?? "") == layer
            }
            guard let first = packs.first else { continue }
            guard packs.allSatisfy({ $0.title == first.title }) else { return nil }
            return Release.Layer(
                layer: layer.rawValue, component: first.name, version: first.version, fips: first.fips,
                isDeclared: false)
        }
        let systems = plan.inputs.compactMap { $0.iso?.system }
        guard layer == .os, let system = systems.first, systems.allSatisfy({ $0 == system }) else { return nil }
        return Release.Layer(
            layer: layer.rawValue, component: system.name, version: system.version, fips: nil, isDeclared: false)
    }
}
