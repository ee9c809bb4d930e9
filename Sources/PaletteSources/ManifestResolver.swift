// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// Finds the files and folders that a manifest's items name.
struct ManifestResolver {
    let file: String
    let folder: FilePath

    func failure(_ problem: ManifestError.Problem, at place: ManifestPlace) -> ManifestError {
        ManifestError(file: file, place: place, problem: problem)
    }

    /// A regular file at a path of the manifest.
    func file(_ text: String, at place: ManifestPlace) throws -> FilePath {
        let path = folder.pushing(FilePath(text))
        guard let status = try path.statusIfPresent() else { throw failure(.notFound(path), at: place) }
        guard status.isRegular else { throw failure(.wrongSort(path, expected: "a file"), at: place) }
        return path
    }

    /// What one item stands for: one or more files or folders.
    func items(for item: ManifestDocument.Item) throws -> [ManifestItem] {
        let place = item.places[item.kind.rawValue] ?? item.place
        let paths = try paths(for: item, at: place)
        guard item.name == nil || paths.count == 1 else {
            throw failure(.oneNameForMany(item.pattern, count: paths.count), at: item.places["name"] ?? place)
        }
        if case .path = item.signature, paths.count > 1 {
            throw failure(.oneNameForMany(item.pattern, count: paths.count), at: item.places["signature"] ?? place)
        }
        return try paths.map { found in
            let path = found.path
            let ownName = path.lastComponent?.string ?? ""
            let name = item.name ?? ownName
            let deliver = item.deliver ?? defaultDelivery(item.kind, ownName)
            guard !deliver.contains(.file) || ManifestItem.isUsableName(name) else {
                throw failure(.unusableName(name), at: place)
            }
            return ManifestItem(
                kind: item.kind, path: path, parts: found.parts, deliver: deliver, plain: item.plain, name: name,
                signature: try signature(of: path, item), references: item.references,
                isNonFIPSAllowed: item.isNonFIPSAllowed, place: item.place)
        }
    }

    private func paths(for item: ManifestDocument.Item, at place: ManifestPlace) throws -> [InputPath] {
        let pattern = PathPattern(folder.pushing(FilePath(item.pattern)))
        var found = try pattern.matches()
        var sets: [InputPath] = []
        if item.kind == .bundle { (found, sets) = try joiningParts(found, at: place) }
        let wanted = item.kind.isFile ? "a file" : "a folder"
        var paths: [InputPath] = []
        for path in found {
            guard let status = try path.statusIfPresent() else { throw failure(.notFound(path), at: place) }
            guard item.kind.isFile ? status.isRegular : status.isDirectory else {
                // `packs/*` may have a README beside the folders.
                if pattern.isPattern { continue }
                throw failure(.wrongSort(path, expected: wanted), at: place)
            }
            paths.append(InputPath(path: path))
        }
        paths = (paths + sets).sorted { $0.path.string.utf8.lexicographicallyPrecedes($1.path.string.utf8) }
        for path in paths {
            if item.kind == .bundle { try checkNotSelfExtracting(path, at: place) }
            try checkSuffix(path.path, item.kind, place)
        }
        guard !paths.isEmpty else { throw failure(.noMatch(item.pattern), at: place) }
        return paths
    }

    private func checkSuffix(_ path: FilePath, _ kind: ItemKind, _ place: ManifestPlace) throws {
        let name = (path.lastComponent?.string ?? "").lowercased()
        switch kind {
        case .iso where !name.hasSuffix(".iso"):
            throw failure(.wrongSort(path, expected: "an ISO image by its name (.iso)"), at: place)
        case .bundle where !name.hasSuffix(".zst") && !name.hasSuffix(".tar"):
            throw failure(.wrongSort(path, expected: "a bundle by its name (.zst or .tar)"), at: place)
        default: break
        }
    }

    private func defaultDelivery(_ kind: ItemKind, _ name: String) -> Set<Delivery> {
        [kind.onlyDelivery ?? (ManifestItem.isApplianceBundle(name) ? .file : .registry)]
    }

    private func signature(of path: FilePath, _ item: ManifestDocument.Item) throws -> ItemSignature {
        switch item.signature {
        case .waived: return .waived
        case .path(let text): return .file(try file(text, at: item.places["signature"] ?? item.place))
        case nil:
            guard item.kind.isFile, let name = path.lastComponent?.string else { return .absent }
            let beside = path.removingLastComponent().appending(ManifestItem.signatureName(for: name))
            guard try beside.statusIfPresent()?.isRegular == true else { return .absent }
            return .file(beside)
        }
    }

    /// Refuses a path taken twice and file names that are equal, also where a medium ignores capitals.
    func checkNames(_ items: [ManifestItem]) throws {
        var paths: [FilePath: Int] = [:]
        var names: [String: Int] = [:]
        for item in items {
            let path = item.path.lexicallyNormalized()
            if let other = paths.updateValue(item.place.line, forKey: path) {
                throw failure(.samePath(item.path, other: other), at: item.place)
            }
            guard item.deliver.contains(.file) else { continue }
            var delivered = [item.name]
            if case .file = item.signature { delivered.append(ManifestItem.signatureName(for: item.name)) }
            for name in delivered {
                if let other = names.updateValue(item.place.line, forKey: name.lowercased()) {
                    throw failure(.sameName(name, other: other), at: item.place)
                }
            }
        }
    }
}
