// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// Compares the names in a bundle folder with those that are signed; opens no file.
struct NameWalk {
    /// Names that nothing signs, to report.
    private(set) var unsigned: [FilePath] = []
    /// Names that nothing signs in `trust/` or `kit/`: programs and keys that someone may believe.
    private(set) var refused: [FilePath] = []
    private let files: Set<String>
    private let folders: Set<String>

    private static let copied = ["release.json", "index", "SHA256SUMS", "SHA256SUMS.sig"]

    /// Looks at the names of a medium. Throws `FileError`.
    init(_ medium: MediaFolder, signed: some Sequence<String>) throws {
        let root = medium.path
        var files = Set(signed)
        files.formUnion(["SHA256SUMS", "SHA256SUMS.sig"])
        files.formUnion(files.filter { $0.hasPrefix("trust/") || NameWalk.copied.contains($0) }.map { "copies/\($0)" })
        var folders: Set<String> = ["trust", "kit", "volumes", "copies"]
        for name in files {
            let parts = name.split(separator: "/")
            for count in 1..<max(parts.count, 1) { folders.insert(parts[..<count].joined(separator: "/")) }
        }
        (self.files, self.folders) = (files, folders)
        if let table = medium.files { check(table, root) } else { try visit(root, "") }
    }

    /// Looks at a table of names: a file may stand in it under several, of which one must be known.
    private mutating func check(_ table: [String: String], _ root: FilePath) {
        let names = Dictionary(grouping: table.keys) { table[$0] ?? "" }
        for (file, names) in names.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let isKnown = names.contains { name in
                files.contains(name) || NameWalk.isNeverSigned(name.split(separator: "/").first.map(String.init) ?? "")
            }
            guard !isKnown else { continue }
            let isProgramOrKey = names.contains { $0.hasPrefix("trust/") || $0.hasPrefix("kit/") }
            if isProgramOrKey { refused.append(root.appending(file)) } else { unsigned.append(root.appending(file)) }
        }
    }

    /// Parity, blocks that were carried on their own, labels: each block is checked by its signed digest, labels are for people.
    private static func isNeverSigned(_ entry: String) -> Bool {
        entry == "parity" || entry == "blocks" || entry.hasPrefix("MEDIUM")
    }

    private mutating func visit(_ folder: FilePath, _ prefix: String) throws {
        for entry in try folder.entries() {
            let name = prefix + entry
            let path = folder.appending(entry)
            if files.contains(name) || prefix.isEmpty && NameWalk.isNeverSigned(entry) { continue }
            if folders.contains(name), try path.statusIfPresent(followingLinks: false)?.isDirectory == true {
                try visit(path, name + "/")
            } else if name == "trust" || name == "kit" || name.hasPrefix("trust/") || name.hasPrefix("kit/") {
                refused.append(path)
            } else {
                unsigned.append(path)
            }
        }
    }
}
