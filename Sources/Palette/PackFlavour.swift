// SPDX-License-Identifier: Apache-2.0

/// Which of the vendor's two builds a pack is of: they share names and tags and must not stand in one registry
/// (reference/palette.md, section 6).
package enum PackFlavour {
    /// Whether the images are of the FIPS build, by the vendor's repositories that they come from
    /// (`us-docker.pkg.dev/palette-images-fips/...` against `.../palette-images/...`); `nil` where none does, or some
    /// of both.
    package static func isFIPS(_ repositories: some Sequence<String>) -> Bool? {
        var found: Set<Bool> = []
        for repository in repositories {
            if let fips = isFIPS(repository: repository) { found.insert(fips) }
        }
        return found.count == 1 ? found.first : nil
    }

    /// Whether the vendor keeps images of its FIPS build there, or those of the other; `nil` for a repository that is not
    /// the vendor's own.
    package static func isFIPS(repository: String) -> Bool? {
        let parts = repository.split(separator: "/", maxSplits: 2)
        guard parts.count == 3, ["us-docker.pkg.dev", "gcr.io"].contains(parts[0]),
            parts[1].hasPrefix("palette-images") || parts[1].hasPrefix("spectro-images")
        else { return nil }
        return parts[1].hasSuffix("-fips")
    }
}
