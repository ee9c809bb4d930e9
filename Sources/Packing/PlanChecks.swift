// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI
internal import Palette
internal import PaletteSources
internal import SystemPackage

/// What can be seen to be wrong with a release before any content is read.
enum PlanChecks {
    static func check(_ inputs: [PlannedInput], edition: Edition, folderName: String) throws {
        for input in inputs {
            try checkSignature(input.item)
            if input.isPlain { try checkName(input.item, folderName: folderName) }
        }
        try checkFlavours(inputs, edition: edition)
        try checkPacks(inputs)
    }

    /// What is known before anything is read and stops nothing.
    static func warnings(_ inputs: [PlannedInput]) -> [String] {
        let unread = inputs.filter { $0.item.kind == .iso && $0.iso == nil }.map {
            "\($0.item.name): no ISO 9660 image that can be read; what it holds is not known"
        }
        let contents = inputs.map { input in
            var content = Release.Content(
                kind: input.item.kind.rawValue, name: input.item.name, delivered: [], vendorSignature: .notApplicable)
            content.iso = input.iso?.facts
            if input.item.kind == .bundle {
                content.bundle = Release.BundleFacts()
                content.bundle?.version = VendorName.version(in: input.item.name)
            } else {
                content.bundle = input.registry?.facts
            }
            return content
        }
        let short = inputs.compactMap { input in
            input.iso.flatMap { iso in
                iso.volumeSize > input.size
                    ? "\(input.item.name) has \(input.size) bytes, but is an image of \(iso.volumeSize): it is cut short"
                    : nil
            }
        }
        return unread + short + VersionRule.warnings(contents) + FlavourRule.warnings(contents)
    }

    private static func checkFlavours(_ inputs: [PlannedInput], edition: Edition) throws {
        var rule = FlavourRule()
        for input in inputs {
            guard let facts = input.registry else { continue }
            try FlavourRule.check(facts, of: input.item, edition: edition)
            if let pack = input.pack {
                let name = try DeliveredReference(pack: pack.metadata.name, version: pack.metadata.version).description
                try rule.note(input.packImages, of: name, place: pack.folder.string)
            }
            guard let layout = input.layout else { continue }
            let manifests = Dictionary(layout.graph.manifests.map { ($0.descriptor.digest, $0.manifest) }) { $1 }
            for entry in layout.entries where LayoutIndex.isPack(entry) {
                let list = manifests[entry.digest]?.blobs.lazy.compactMap { input.layoutImages[$0.digest] }.first
                try rule.note(list, of: entry.referenceName ?? "", place: layout.path.string)
            }
        }
    }

    /// A vendor's file must come with its signature, unless the manifest waives it.
    private static func checkSignature(_ item: ManifestItem) throws {
        switch item.signature {
        case .waived: return
        case .absent:
            guard item.kind == .iso || item.kind == .bundle else { return }
            let file = item.path.lastComponent?.string ?? item.name
            throw PackError.signatureMissing(item.path.string, expected: ManifestItem.signatureName(for: file))
        case .file:
            let name = ManifestItem.signatureName(for: item.name)
            guard ManifestItem.isUsableName(name) else { throw PackError.nameUnusable(name) }
        }
    }

    /// Archive volumes stand in the same folder, on file systems that ignore case too.
    private static func checkName(_ item: ManifestItem, folderName: String) throws {
        let prefix = folderName.lowercased() + "."
        for name in [item.name, ManifestItem.signatureName(for: item.name)] where name.lowercased().hasPrefix(prefix) {
            let number = name.dropFirst(prefix.count).prefix { $0 != "." }
            if !number.isEmpty, number.allSatisfy(\.isNumber) { throw PackError.nameTaken(name) }
        }
    }

    /// Two folders of one pack and version can't both be delivered.
    private static func checkPacks(_ inputs: [PlannedInput]) throws {
        var seen: [String: (digest: Digest, folder: String)] = [:]
        for input in inputs {
            guard let pack = input.pack, let layer = input.packLayer else { continue }
            let target = try DeliveredReference(pack: pack.metadata.name, version: pack.metadata.version).description
            if let other = seen[target], other.digest != layer {
                throw PackError.packTwice(target, other.folder, pack.folder.string)
            }
            seen[target] = (layer, pack.folder.string)
        }
    }
}
