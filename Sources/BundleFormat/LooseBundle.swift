// SPDX-License-Identifier: Apache-2.0

internal import Files
package import OCI
package import SystemPackage

/// A bundle that files of any names make, all of it or as far as they have come.
package struct LooseBundle: Sendable {
    /// A file that is there and not whole: still arriving, cut off, or damaged at an end.
    package struct Partial: Sendable, Equatable {
        /// Its name in the bundle.
        package let name: String
        package let file: FilePath
        /// Bytes there are.
        package let size: UInt64
    }

    /// `<product>-<version>`, of a delta with its label, as the signed targets say.
    package let name: String
    /// The SHA-256 of its `release.json`, as the signed targets say: what tells two bundles apart.
    package let release: Digest
    /// The bundle, to verify: its media have a table of names each.
    package let bundle: UnverifiedBundle
    /// Signed names, the small ones by their SHA-256, volumes by length, first and last block.
    package let complete: Set<String>
    package let partial: [Partial]
    /// Signed names of which no file has anything, sorted.
    package let missing: [String]

    /// Whether everything but volumes is there, without which `UnverifiedBundle.verified` refuses.
    package var isReadable: Bool {
        !missing.contains { !$0.hasPrefix("volumes/") } && !partial.contains { !$0.name.hasPrefix("volumes/") }
    }
}

/// Which file has which name of a bundle.
struct LooseNames {
    private var folders: [FilePath: [[String: String]]] = [:]
    private var order: [FilePath] = []

    /// Adds a file; a second one of a name in one folder is one more medium.
    mutating func add(_ name: String, _ file: LooseFile) {
        if folders[file.folder] == nil { order.append(file.folder) }
        var tables = folders[file.folder] ?? []
        let place = tables.firstIndex { $0[name] == nil } ?? tables.count
        if place == tables.count { tables.append([:]) }
        tables[place][name] = file.name
        folders[file.folder] = tables
    }

    var media: [MediaFolder] {
        order.flatMap { folder in (folders[folder] ?? []).map { MediaFolder(folder, files: $0) } }
    }
}
