// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Palette

extension RegistryContent {
    /// The same content under the names that a target has for it. Throws `MappedNameError` before anything is asked or sent.
    package func mapped(for target: any LoadTarget) throws(MappedNameError) -> RegistryContent {
        let mapping = target.mapping
        var names: [String: String] = [:]
        for item in items where names[item.reference.repository] == nil {
            names[item.reference.repository] = mapping.destination(of: item.reference.repository)
        }
        if target.keepsEvidence {
            names[SiteArtifact.repository] = SiteArtifact.repository(in: target)
        }
        let base = target.basePath.isEmpty ? "" : target.basePath + "/"
        let unusable = names.filter { !Reference.isRepository(base + $0.value) }
        guard unusable.isEmpty else { throw .unusable(unusable) }
        let sources = Dictionary(grouping: names.keys) { names[$0] ?? $0 }
        let collisions = sources.filter { $0.value.count > 1 }
        guard collisions.isEmpty else { throw .collisions(collisions) }
        guard !mapping.rules.isEmpty else { return self }
        return renamed(
            { names[$0] ?? $0 }, image: { mapping.destination(ofReference: $0) },
            place: { mapping.destination(of: $0) })
    }

    /// Packs that are not where Palette looks for packs.
    var hiddenPacks: [String] {
        items.filter { item in
            let name = item.source.split(separator: "/").last.map(String.init) ?? ""
            return item.source != item.reference.repository && item.reference.kind == ContentKind.pack.rawValue
                && item.reference.repository != "\(DeliveredReference.packFolder)/\(name)"
        }.map(\.reference.name).sorted()
    }

    /// What a person should know about packs that Palette will not see.
    var packWarnings: [String] {
        let packs = hiddenPacks
        guard let first = packs.first else { return [] }
        return [
            "Palette looks for packs in \(DeliveredReference.packFolder)/<name> below the base path and nowhere else; --map puts "
                + "\(packs.count.of("pack")) elsewhere, \(first) for one. Keep them with --map "
                + "'\(DeliveredReference.packFolder)/*=\(DeliveredReference.packFolder)/*'"
        ]
    }

    /// Each repository whose name the target changes, with the target's.
    package var changedNames: [(source: String, destination: String)] {
        var seen: Set<String> = []
        return items.filter { $0.source != $0.reference.repository && seen.insert($0.source).inserted }
            .map { ($0.source, $0.reference.repository) }.sorted { $0.0 < $1.0 }
    }
}
