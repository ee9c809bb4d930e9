// SPDX-License-Identifier: Apache-2.0

package import Palette
package import SystemPackage

/// Why a folder can't become a pack.
package enum PackFolderError: Error, Equatable {
    case noMetadata(FilePath)
    /// A folder that is no pack and has none directly below it.
    case noPacks(FilePath)
    case badMetadata(FilePath, PackMetadataError)
    /// A symbolic link, a device, a pipe or a socket.
    case notAFile(FilePath, isLink: Bool)
    /// A name that is no UTF-8.
    case badName(FilePath)
    case tooLarge(FilePath, size: UInt64)
    /// More files than `PackArtifact.maximumEntries`, or folders deeper than `PackArtifact.maximumDepth`.
    case tooMany(FilePath)
    /// A file's size is another than when the pack was planned.
    case changed(FilePath)
}

extension PackFolderError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noMetadata(let folder):
            "\(folder) has no pack.json, so it is no pack; name the pack's own folder (or, for several, \(folder)/*)"
        case .noPacks(let folder):
            "\(folder) is no pack folder and has none directly below it (a pack has a pack.json); name another"
        case .badMetadata(let path, let error): "\(path): \(error)"
        case .notAFile(let path, let isLink):
            isLink
                ? "\(path) is a symbolic link, which a pack can't hold; put a copy of the file there"
                : "\(path) is neither a file nor a folder; remove it from the pack"
        case .badName(let path): "\(path) has a name that is no UTF-8; rename it"
        case .tooLarge(let path, let size):
            "\(path) has \(size) bytes; a pack's files have at most \(TarHeader.maximumSize); remove it from the pack"
        case .tooMany(let path):
            "the pack has more than \(PackArtifact.maximumEntries) files or folders deeper than "
                + "\(PackArtifact.maximumDepth) (at \(path)); is it the right folder?"
        case .changed(let path): "\(path) changed while the pack was read; leave it alone and pack again"
        }
    }
}
