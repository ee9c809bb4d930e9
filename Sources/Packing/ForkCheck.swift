// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage
internal import Trust

extension PublishedTrust {
    /// Compares the roots and targets in the trust folder `path` with those of bundles of the same product: each of
    /// `folders` is a bundle or has bundles directly below. Gives the bundles that were compared.
    ///
    /// Throws `SigningError.fork` where a version has two genuine contents, `.folderBehind` where a bundle has what the
    /// folder lacks.
    package func checkForks(in path: FilePath, against folders: [FilePath]) throws -> [FilePath] {
        var compared: [FilePath] = []
        for folder in folders {
            for bundle in try PublishedTrust.bundles(at: folder) where try isOurs(bundle) {
                try checkFork(in: path, against: bundle)
                compared.append(bundle)
            }
        }
        return compared
    }

    private static func bundles(at folder: FilePath) throws -> [FilePath] {
        let hasTrust = { (path: FilePath) throws in try path.appending("trust").statusIfPresent()?.isDirectory == true }
        if try hasTrust(folder) { return [folder] }
        let below = try folder.entries().filter { !$0.hasPrefix(".") }.map { folder.appending($0) }
        return try below.filter(hasTrust)
    }

    private func isOurs(_ bundle: FilePath) throws -> Bool {
        let name = Role.root.fileName(version: 1)
        return try MediaFolder(bundle).contents(of: "trust/\(name)", limit: Role.root.byteLimit) == root.files[1]
    }

    private func checkFork(in path: FilePath, against bundle: FilePath) throws {
        for role in [Role.root, .targets] {
            let names = try bundle.appending("trust").entries()
            for version in names.compactMap({ TrustFolder.version(of: role, in: $0) }).sorted() {
                let name = role.fileName(version: version)
                let theirs = try MediaFolder(bundle).contents(of: "trust/\(name)", limit: role.byteLimit)
                let ours = try MediaFolder(path).contents(of: name, limit: role.byteLimit)
                guard let theirs, theirs != ours,
                    chain.contains(where: { PublishedTrust.isGenuine(role, theirs, name, by: $0.root) })
                else { continue }
                guard ours != nil else { throw SigningError.folderBehind(path, lacks: name, bundle) }
                throw SigningError.fork(file: name, path, bundle.appending("trust"))
            }
        }
    }
}
