// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Palette

/// What can only be said of several packs together.
struct PackSet {
    private let packs: [PackInspection]

    init(_ packs: [PackInspection]) { self.packs = packs }

    /// Each at the place of the pack that it is about.
    func findings(needsPiraeus: Bool) -> [LintFinding] {
        packs.flatMap(dependencies) + piraeus(needsPiraeus) + twice()
    }

    private func versions(of name: String) -> [String] {
        packs.compactMap(\.metadata).filter { $0.name == name }.map(\.version)
    }

    private func dependencies(of pack: PackInspection) -> [LintFinding] {
        (pack.details?.dependencies ?? []).compactMap { dependency in
            let place = pack.metadataPlace(of: dependency.packName, after: "dependencies")
            let present = versions(of: dependency.packName)
            let bounds = PackSet.bounds(dependency)
            let fits = present.contains { PackVersion($0).isWithin(dependency.minVersion, dependency.maxVersion) }
            func finding(
                _ rule: LintRule, _ message: String, fix: String, severity: LintSeverity? = nil
            ) -> LintFinding {
                LintFinding(rule, severity, pack: pack.name, at: place, message, fix: fix)
            }
            switch dependency.type ?? "required" {
            case "notSupported" where fits:
                return finding(
                    .dependencyConflict,
                    "it does not go with \(dependency.packName)\(bounds), which is among these packs",
                    fix: "use them in different profiles, or leave one out")
            case "required" where present.isEmpty:
                let isBase = dependency.layer == "k8s" || dependency.layer == "os"
                return finding(
                    .dependencyMissing,
                    "it needs \(dependency.packName)\(bounds), which is not among these packs",
                    fix: "add that pack, or leave this rule out (--ignore) where the site has it",
                    severity: isBase ? .warning : nil)
            case "required" where !fits, "optional" where !present.isEmpty && !fits:
                return finding(
                    .dependencyVersion,
                    "it needs \(dependency.packName)\(bounds); these packs have \(present.joined(separator: ", "))",
                    fix: "add a version that fits")
            default: return nil
            }
        }
    }

    private static func bounds(_ dependency: PackDetails.Dependency) -> String {
        let from = dependency.minVersion.flatMap { $0.isEmpty ? nil : " \($0) or later" } ?? ""
        let to = dependency.maxVersion.flatMap { $0.isEmpty ? nil : "\(from.isEmpty ? "" : ",") at most \($0)" } ?? ""
        return from + to
    }

    /// The appliance's storage comes from this pack; without it the installation stops (reference/palette.md, section 4).
    private func piraeus(_ isNeeded: Bool) -> [LintFinding] {
        let names = packs.compactMap { $0.metadata?.name }
        let fix = "add the pack piraeus-operator in the version of the appliance"
        if isNeeded {
            guard !names.contains("piraeus-operator"), let first = packs.first else { return [] }
            return [
                LintFinding(
                    .piraeusOperatorMissing, pack: first.name, at: first.place("pack.json"),
                    "the appliance's storage is Piraeus, and piraeus-operator is not among these packs", fix: fix)
            ]
        }
        guard !names.contains(where: { $0.hasPrefix("piraeus-operator") }) else { return [] }
        return packs.compactMap { pack in
            pack.piraeusUse.map { place in
                LintFinding(
                    .piraeusOperatorMissing, pack: pack.name, at: place,
                    "it uses the storage of Piraeus, and piraeus-operator is not among these packs", fix: fix)
            }
        }
    }

    /// Packs of one name and version: they share a tag, so the later one overwrites the earlier.
    private func twice() -> [LintFinding] {
        let groups = Dictionary(grouping: packs.filter { $0.metadata != nil }, by: \.name)
        return packs.flatMap { pack in
            guard pack.metadata != nil, let first = groups[pack.name]?.first, first.folder != pack.folder else {
                return [LintFinding]()
            }
            let flavours = (PackSet.flavour(first), PackSet.flavour(pack))
            if let one = flavours.0, let other = flavours.1, one != other {
                let (fips, standard) = one ? (first, pack) : (pack, first)
                return [
                    LintFinding(
                        .fipsTagShared, pack: pack.name, at: pack.place("pack.json"),
                        "\(fips.folder) is of the FIPS build, \(standard.folder) is not, and both are \(pack.name)",
                        fix: "leave one out: in one registry the later overwrites the other")
                ]
            }
            return [
                LintFinding(
                    .packTwice, pack: pack.name, at: pack.place("pack.json"),
                    "\(first.folder) is \(pack.name) too", fix: "leave one out, or give one another version")
            ]
        }
    }

    private static func flavour(_ pack: PackInspection) -> Bool? {
        PackFlavour.isFIPS((pack.content?.images ?? []).map(\.text))
    }
}
