// SPDX-License-Identifier: Apache-2.0

internal import Files
package import Palette
package import SystemPackage

/// A pack folder's two files that say what it is and asks for; nothing else of it is looked at.
package struct PackFolder: Sendable {
    package let path: FilePath
    package let metadata: PackMetadata
    /// Of `values.yaml`; `nil` where there is none.
    package let content: PackContent?

    /// `<name>:<version>`, from `pack.json`.
    package var name: String { "\(metadata.name):\(metadata.version)" }

    /// Throws `PackFolderError` where the folder is no pack or its `pack.json` can't be used, and `FileError`.
    package init(reading folder: FilePath) throws {
        path = folder
        metadata = try PackFolder.metadata(of: folder)
        content = try PackFolder.content(of: folder)
    }

    /// What the folder's `pack.json` says. Throws as `init` does.
    static func metadata(of folder: FilePath) throws -> PackMetadata {
        guard let json = try MediaFolder(folder).contents(of: "pack.json", limit: PackMetadata.maximumSize) else {
            throw PackFolderError.noMetadata(folder)
        }
        do {
            return try PackMetadata(parsing: json)
        } catch {
            throw PackFolderError.badMetadata(folder.appending("pack.json"), error)
        }
    }

    /// What the folder's `values.yaml` asks for; `nil` where there is none. Throws `FileError`.
    static func content(of folder: FilePath) throws -> PackContent? {
        let file: OpenFile
        do throws(FileError) {
            file = try MediaFolder(folder).open("values.yaml")
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
        // One byte more than may be read says that there are too many.
        let size = min(try file.status().size, UInt64(PackImages.maximumSize) + 1)
        return PackContent(values: try file.bytes(at: 0, length: Int(size)))
    }

    /// The pack folders that a path names: itself, or those directly below it, sorted bytewise, names that begin with a
    /// dot left out. A folder with a `values.yaml` but without a `pack.json` is taken for a pack that lacks it. Throws
    /// `PackFolderError.noPacks`, and `FileError`.
    package static func all(at path: FilePath) throws -> [FilePath] {
        if try isPack(path) { return [path] }
        let folders = try path.entries().filter { !$0.hasPrefix(".") }.map { path.appending($0) }
        let packs = try folders.filter { try isPack($0) }
        guard !packs.isEmpty else { throw PackFolderError.noPacks(path) }
        return packs
    }

    private static func isPack(_ folder: FilePath) throws -> Bool {
        guard try folder.statusIfPresent()?.isDirectory == true else { return false }
        return try folder.appending("pack.json").exists() || folder.appending("values.yaml").exists()
    }
}
