// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage

/// Gathers what stands at the user's paths into bundles.
struct MediaSearch {
    private let contents: LooseContents
    private var found: [(fingerprint: Digest?, bundle: UnverifiedBundle)] = []
    private var loose: [LooseFile] = []
    private var findings: [Finding] = []

    init(_ contents: LooseContents) { self.contents = contents }

    /// Takes the bundle folders at a path, and the files.
    mutating func look(at path: FilePath) throws {
        let walk = try MediaWalk(path)
        for folder in walk.bundles {
            try add(MediaFolder(folder), name: folder.absolute().lastComponent?.string ?? "/")
        }
        loose += walk.files.filter { file in !loose.contains { $0.path == file.path } }
        findings += walk.findings
    }

    private mutating func add(_ medium: MediaFolder, name: String, fingerprint: Digest? = nil) {
        let fingerprint = fingerprint ?? MediaSearch.fingerprint(of: medium)
        let known = found.firstIndex { entry in
            entry.bundle.name == name || fingerprint != nil && entry.fingerprint == fingerprint
        }
        if let known {
            found[known].bundle.add(medium)
        } else {
            found.append((fingerprint, UnverifiedBundle(name: name, media: [medium])))
        }
    }

    /// What tells media of one bundle in folders of different names; nothing is believed of it.
    private static func fingerprint(of folder: MediaFolder) -> Digest? {
        do {
            return try folder.contents(of: "release.json", limit: Release.maximumSize).map { Digest(of: $0) }
        } catch {
            return nil  // verification says what is wrong with it
        }
    }

    /// Takes the files that have flat names.
    mutating func takeFlatFolders() {
        for (folder, files) in Dictionary(grouping: loose, by: \.folder).sorted(by: { $0.key.string < $1.key.string }) {
            for (name, table) in FlatNames.bundles(in: files.map(\.name)).sorted(by: { $0.key < $1.key }) {
                add(MediaFolder(folder, files: table), name: name)
            }
        }
        dropTaken()
    }

    /// Takes the files that are a bundle's by their content.
    mutating func takeLoose(by trust: PinnedRoots) {
        guard !loose.isEmpty else { return }
        let (bundles, unreadable) = LooseFiles(loose, contents: contents).bundles(by: trust)
        findings += unreadable.map { Finding.unreadable($0) }
        let folders = Set(bundles.flatMap(\.bundle.folders))
        // a folder with a release.json and nothing else of a bundle: what is in it was found by content
        found.removeAll { entry in
            entry.bundle.media.allSatisfy { medium in medium.hasOwnNames && folders.contains(medium.path) }
        }
        for bundle in bundles {
            for medium in bundle.bundle.media { add(medium, name: bundle.name, fingerprint: bundle.release) }
        }
        dropTaken()
    }

    private mutating func dropTaken() {
        let taken = Set(
            found.flatMap { entry in
                entry.bundle.media.flatMap { medium in
                    (medium.files?.values ?? [:].values).map { medium.path.appending($0) }
                }
            })
        loose.removeAll { taken.contains($0.path) }
    }

    /// The bundles, sorted by name; each may have volumes among the files that are left.
    func bundles() -> [UnverifiedBundle] {
        found.map { entry in
            var bundle = entry.bundle
            (bundle.loose, bundle.contents, bundle.findings) = (loose, contents, findings)
            return bundle
        }.sorted { $0.name < $1.name }
    }
}
