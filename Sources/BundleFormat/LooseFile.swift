// SPDX-License-Identifier: Apache-2.0

package import Files
package import SystemPackage

/// A regular file on a medium, of which nothing is known but what the file system says.
///
/// Two values are equal when they are the same file in the same state, so that what was read of one holds for the other.
package struct LooseFile: Sendable, Hashable {
    /// The folder that it is opened beneath, following no link.
    package let folder: FilePath
    /// Where it is below the folder, parts separated by `/`.
    package let name: String
    package let status: FileStatus
    /// Whether a person named it, and would miss it where nothing is made of it.
    package var isGiven = false

    /// `nil` where there is nothing, or no regular file. Throws `FileError`.
    package init?(_ name: String, in folder: FilePath) throws(FileError) {
        guard let status = try folder.appending(name).statusIfPresent(followingLinks: false), status.isRegular else {
            return nil
        }
        self.init(name, in: folder, status)
    }

    /// A file of which the status is known.
    package init(_ name: String, in folder: FilePath, _ status: FileStatus) {
        (self.folder, self.name, self.status) = (folder, name, status)
    }

    /// For messages.
    package var path: FilePath { folder.appending(name) }
    /// Bytes.
    package var size: UInt64 { status.size }
    /// The name without the folders before it.
    package var lastName: Substring { name.split(separator: "/").last ?? "" }

    /// Whether its name is that of a bundle's file, alone or as `dray copy --flat` writes it.
    func isNamed(_ bundleName: String) -> Bool {
        let alone = bundleName.split(separator: "/").last ?? ""
        return lastName == alone || lastName.hasSuffix(FlatNames.separator + FlatNames.flat(bundleName))
    }

    /// Opens it beneath its folder. Throws as `MediaFolder.open`.
    func open() throws(FileError) -> OpenFile { try MediaFolder(folder).open(name) }
}
