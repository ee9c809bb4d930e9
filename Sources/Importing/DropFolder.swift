// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
package import SystemPackage
internal import Trust

/// Folders into which somebody else writes files, behind a data diode for instance; nothing is written to them or removed there.
///
/// A look takes every regular file below them, whatever its name; names that begin with a dot are those of programs that still
/// write.
package struct DropFolder: Sendable {
    package let folders: [FilePath]
    private let contents = LooseContents()
    /// Folders below one that was given, and names in all.
    private static let (depth, nameLimit) = (8, 20_000)
    /// Small files that are looked into in one round, to tell whether they are roots.
    private static let rootLimit = 200

    package init(_ folders: [FilePath]) { self.folders = folders }

    /// What is there now. Folders and files that can't be read are left out and named in `faults`.
    package func look() throws -> (files: [LooseFile], faults: [String]) {
        var walk = Walk()
        for folder in folders { try walk.list(folder, "", depth: 0) }
        return (walk.files, walk.faults)
    }

    /// The bundles of products that are trusted here which those files make, complete or not.
    package func bundles(
        of files: [LooseFile], by state: SiteState
    ) throws -> (bundles: [LooseBundle], faults: [String]) {
        let found = LooseFiles(files, contents: contents).bundles(by: try state.pinnedRoots())
        return (found.bundles, found.unreadable.map(\.description))
    }

    /// Roots among those files that nobody trusts here, as what to say about them, by their file.
    package func strangers(among files: [LooseFile], for state: SiteState) throws -> [LooseFile: String] {
        let trusted = try state.roots()
        var found: [LooseFile: String] = [:]
        for file in files.filter({ $0.size <= UInt64(Role.root.byteLimit) }).prefix(DropFolder.rootLimit) {
            guard let root = DropFolder.root(file), trusted[root.fingerprint] == nil else { continue }
            found[file] =
                "\(file.path.printable) is a root of \(root.product.printable) that is not trusted here, and nothing under it is "
                + "touched; its fingerprint is \(root.shownFingerprint). Compare it, then: "
                + ["dray-import", "trust", "add", file.path.string].shellLine
        }
        return found
    }

    /// `nil` for anything but the first root of a product: nobody has said that the file is one.
    private static func root(_ file: LooseFile) -> RootCandidate? {
        let folder = MediaFolder(file.folder)
        do {
            guard let bytes = try folder.contents(of: file.name, limit: Role.root.byteLimit),
                bytes.starts(with: #"{"signatures":["#.utf8)
            else { return nil }
            return try RootCandidate(bytes, file: file.path.printable)
        } catch {
            return nil
        }
    }

    private struct Walk {
        var files: [LooseFile] = []
        var faults: [String] = []
        private var names = 0

        /// `top`: the folder that was given; `below`: where in it, "" or ending in "/".
        mutating func list(_ top: FilePath, _ below: String, depth: Int) throws {
            let folder = below.isEmpty ? top : top.appending(String(below.dropLast()))
            do throws(FileError) {
                for name in try folder.entries() where !name.hasPrefix(".") {
                    names += 1
                    guard names <= DropFolder.nameLimit else {
                        return faults.append(
                            "\(folder.printable): more than \(DropFolder.nameLimit) names; the rest is not looked at")
                    }
                    try look(at: name, top, below, depth)
                }
            } catch {
                // The folder itself must be there; what is below comes and goes.
                guard depth > 0 || !error.isMissing else { throw error }
                if !error.isMissing { faults.append("\(error)") }
            }
        }

        private mutating func look(
            at name: String, _ top: FilePath, _ below: String, _ depth: Int
        ) throws(FileError) {
            let path = top.appending(below + name)
            guard let status = try path.statusIfPresent(followingLinks: false) else { return }
            if status.isDirectory {
                guard depth < DropFolder.depth else { return }
                do { try list(top, below + name + "/", depth: depth + 1) } catch { faults.append("\(error)") }
            } else if status.isRegular {
                files.append(LooseFile(below + name, in: top, status))
            }
        }
    }
}
