// SPDX-License-Identifier: Apache-2.0

internal import OCI
internal import Palette
internal import PaletteSources
internal import SystemPackage

/// What can be seen to be wrong with a release before any content is read.
enum PlanChecks {
    static func check(_ inputs: [PlannedInput], folderName: String) throws {
        for input in inputs {
            try checkSignature(input.item)
            if input.isPlain { try checkName(input.item, folderName: folderName) }
        }
        try checkPacks(inputs)
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
