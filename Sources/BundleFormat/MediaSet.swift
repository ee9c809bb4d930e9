// SPDX-License-Identifier: Apache-2.0

package import Cage
package import Files
internal import OCI
package import SystemPackage

/// Where bundles were found: below the folders that the user named, nothing opened yet.
package struct MediaSet: Sendable {
    private let bundles: [UnverifiedBundle]

    /// Looks in each folder: it is a bundle, or bundles are directly below it. Folders of one name, or with the same
    /// `release.json`, are media of one bundle.
    ///
    /// Throws `BundleError.noBundle` (3) when there is none at all, `FileError` for a folder that can't be listed.
    package init(_ paths: [FilePath]) throws {
        var found: [(fingerprint: Digest?, bundle: UnverifiedBundle)] = []
        for folder in try paths.flatMap(MediaSet.bundleFolders) {
            let name = try folder.absolute().lastComponent?.string ?? "/"
            let fingerprint = MediaSet.fingerprint(of: folder)
            let known = found.firstIndex { entry in
                entry.bundle.name == name || fingerprint != nil && entry.fingerprint == fingerprint
            }
            if let known {
                found[known].bundle.add(MediaFolder(folder))
            } else {
                found.append((fingerprint, UnverifiedBundle(name: name, folders: [folder])))
            }
        }
        guard !found.isEmpty else { throw BundleError.noBundle(paths) }
        bundles = found.map(\.bundle).sorted { $0.name < $1.name }
    }

    /// The names of the distinct bundles, sorted: their folders' names.
    package var releases: [String] { bundles.map(\.name) }

    /// All of them, sorted by name.
    package var all: [UnverifiedBundle] { bundles }

    /// The bundle of that name, or the only one; folders with trust alone count where there is nothing else.
    ///
    /// Throws `BundleError.severalBundles` or `.unknownBundle` (64), which list what there is.
    package func bundle(_ name: String? = nil) throws(BundleError) -> UnverifiedBundle {
        guard let name else {
            let releases = bundles.filter { !$0.isTrustOnly }
            let found = releases.isEmpty ? bundles : releases
            guard found.count == 1, let only = found.first else { throw .severalBundles(found.map(\.name)) }
            return only
        }
        guard let bundle = bundles.first(where: { $0.name == name }) else { throw .unknownBundle(name, releases) }
        return bundle
    }

    private static func bundleFolders(at path: FilePath) throws -> [FilePath] {
        if try isBundle(path) { return [path] }
        return try path.entries().filter { !$0.hasPrefix(".") }.map { path.appending($0) }.filter { folder in
            try folder.statusIfPresent(followingLinks: false)?.isDirectory == true && isBundle(folder)
        }
    }

    private static func isBundle(_ folder: FilePath) throws -> Bool {
        // /usr/bin has a program of the name trust
        try ["trust", "release.json", "SHA256SUMS", "volumes"].contains { name in
            let status = try folder.appending(name).statusIfPresent(followingLinks: false)
            return status.map { !["trust", "volumes"].contains(name) || $0.isDirectory } ?? false
        }
    }

    /// What tells media of one bundle in folders of different names; nothing is believed of it.
    private static func fingerprint(of folder: FilePath) -> Digest? {
        do {
            return try MediaFolder(folder).contents(of: "release.json", limit: Release.maximumSize).map {
                Digest(of: $0)
            }
        } catch {
            return nil  // verification says what is wrong with it
        }
    }
}

/// One bundle on one or several media, of which nothing is known yet but where it is.
package struct UnverifiedBundle: Sendable {
    /// The folder's name, `<product>-<version>` as it was packed; not verified.
    package let name: String
    /// Where it is: the same bundle on each medium.
    package private(set) var media: [MediaFolder]
    /// Where its frames will be decoded.
    package var decoders = FrameDecoders.inProcess

    package init(name: String, folders: [FilePath]) {
        self.init(name: name, media: folders.map { MediaFolder($0) })
    }

    package init(name: String, media: [MediaFolder]) { (self.name, self.media) = (name, media) }

    /// The media's folders, for messages.
    package var folders: [FilePath] { media.map(\.path) }

    /// Whether it holds trust metadata and nothing of a release, as `dray trust export` writes it (docs/format.md).
    package var isTrustOnly: Bool {
        media.allSatisfy { folder in
            guard folder.hasOwnNames else { return false }  // somebody has looked for a release there
            do throws(FileError) {
                for name in ["release.json", "index", "volumes", "kit", "copies/release.json"] {
                    guard try !folder.path.appending(name).exists() else { return false }
                }
                return try folder.path.appending("trust").exists()
            } catch {
                return false  // verification says what is wrong with it
            }
        }
    }

    /// One more medium of this bundle; one that is there already changes nothing.
    package mutating func add(_ folder: MediaFolder) {
        if !media.contains(folder) { media.append(folder) }
    }
}
