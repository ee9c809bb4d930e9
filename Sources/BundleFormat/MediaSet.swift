// SPDX-License-Identifier: Apache-2.0

package import Cage
package import Files
package import SystemPackage

/// Where bundles were found among the folders and files that the user named (docs/media.md, "At the site: verify").
package struct MediaSet: Sendable {
    private let bundles: [UnverifiedBundle]

    /// Looks at each path: a folder is a bundle, or bundles are at most three levels below it; files, given one by one or in such
    /// folders, are taken by the names that `dray copy --flat` gives them and, where `trust` is known, by their content.
    /// Folders of one name, or with the same `release.json`, are media of one bundle.
    ///
    /// `contents` keeps what was read of files for the next time. Throws `BundleError.noBundle` (3) when there is none at all,
    /// `FileError` for a folder that can't be listed.
    package init(_ paths: [FilePath], trust: PinnedRoots? = nil, contents: LooseContents = LooseContents()) throws {
        var search = MediaSearch(contents)
        for path in paths { try search.look(at: path) }
        search.takeFlatFolders()
        if let trust { search.takeLoose(by: trust) }
        bundles = search.bundles()
        guard !bundles.isEmpty else { throw BundleError.noBundle(paths) }
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
}

/// One bundle on one or several media, of which nothing is known yet but where it is.
package struct UnverifiedBundle: Sendable {
    /// The folder's name, `<product>-<version>` as it was packed; not verified.
    package let name: String
    /// Where it is: the same bundle on each medium.
    package private(set) var media: [MediaFolder]
    /// Files beside, of which none is known to belong to it: volumes are looked for among them.
    package var loose: [LooseFile] = []
    /// What was read of such files before.
    package var contents = LooseContents()
    /// What was passed over where it was looked for.
    package var findings: [Finding] = []
    /// Where its frames will be decoded.
    package var decoders = FrameDecoders.inProcess
    /// Make places where blocks may be found beside the media, once it is verified: `VerifiedBundle.blockSources`, in this order.
    package var sourceMakers: [@Sendable (VerifiedBundle) throws -> (any BlockSource)?] = []

    package init(name: String, folders: [FilePath]) {
        self.init(name: name, media: folders.map { MediaFolder($0) })
    }

    package init(name: String, media: [MediaFolder]) { (self.name, self.media) = (name, media) }

    /// The media's folders, for messages.
    package var folders: [FilePath] { media.map(\.path) }

    /// Whether it holds trust metadata and nothing of a release, as `dray trust export` writes it (docs/format.md).
    package var isTrustOnly: Bool {
        media.allSatisfy { folder in
            do throws(FileError) {
                for name in ["release.json", "index", "copies/release.json"] {
                    guard try folder.status(of: name) == nil else { return false }
                }
                for name in ["volumes", "kit"] where try folder.hasFolder(name) { return false }
                return try folder.hasFolder("trust")
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

extension MediaFolder {
    /// Whether there is a folder of that name, or something in it where names are another's.
    fileprivate func hasFolder(_ name: String) throws(FileError) -> Bool {
        try hasOwnNames ? path.appending(name).exists() : !names(below: name).isEmpty
    }
}
