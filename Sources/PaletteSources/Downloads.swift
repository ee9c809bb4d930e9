// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage

/// What stands in a folder of downloads, told apart by names (reference/palette.md, sections 1.1 and 8) and, for folders
/// and keys, by what they hold. Looks into the folder and the folders directly below it.
package struct Downloads: Sendable {
    /// A file or folder that a release can take in.
    package struct Input: Sendable, Equatable {
        package let kind: ItemKind
        /// Below the folder of downloads.
        package let path: String
        /// Bytes; 0 for folders.
        package let size: UInt64
        /// How many `_partNN` files make it; 0 for a whole one.
        package let parts: Int
        /// Whether its signature stands beside it.
        package let isSigned: Bool

        var name: String { path.split(separator: "/").last.map(String.init) ?? path }
    }

    package let folder: FilePath
    /// By kind, then path.
    package private(set) var inputs: [Input] = []
    /// Public keys in PEM.
    package private(set) var keys: [String] = []
    /// What somebody should look at, for people.
    package private(set) var warnings: [String] = []

    private static let maximumEntries = 100_000
    /// How browsers and download tools call what they haven't finished.
    private static let unfinished = [".part", ".partial", ".crdownload", ".download", ".tmp", ".aria2"]

    /// Reads the names. `excluded` is a file that is left out: the manifest itself. Throws `FileError`.
    package init(in folder: FilePath, except excluded: FilePath? = nil) throws {
        self.folder = folder
        let excluded = excluded?.lexicallyNormalized()
        try read(folder, below: "", excluded)
        inputs.sort { ($0.kind.order, $0.path) < ($1.kind.order, $1.path) }
    }

    private mutating func read(_ path: FilePath, below prefix: String, _ excluded: FilePath?) throws {
        var files: [String: UInt64] = [:]
        for name in try path.entries() where !name.hasPrefix(".") {
            let here = path.appending(name)
            guard files.count < Downloads.maximumEntries else {
                warnings.append("\(path) has more than \(Downloads.maximumEntries) files; the rest was not looked at")
                break
            }
            guard !name.unicodeScalars.contains("\u{fffd}") else {
                warnings.append("\(here) has a name that is no UTF-8 and is left out; rename it")
                continue
            }
            guard here.lexicallyNormalized() != excluded, let status = try here.statusIfPresent() else { continue }
            if status.isDirectory {
                try readFolder(here, prefix + name, excluded, isTop: prefix.isEmpty)
            } else if status.isRegular {
                files[name] = status.size
            }
        }
        try sort(files, below: prefix)
    }

    private mutating func readFolder(_ path: FilePath, _ name: String, _ excluded: FilePath?, isTop: Bool) throws {
        func add(_ kind: ItemKind) {
            inputs.append(Input(kind: kind, path: name, size: 0, parts: 0, isSigned: false))
        }
        if try path.appending("pack.json").exists() {
            add(.packs)
        } else if try path.appending("index.json").exists(), try path.appending("blobs").exists() {
            add(.layout)
        } else if isTop {
            try read(path, below: name + "/", excluded)
        } else {
            warnings.append("\(path) is neither a pack nor an OCI layout and is left out; name what it holds yourself")
        }
    }

    private mutating func sort(_ files: [String: UInt64], below prefix: String) throws {
        var (wholes, parts): ([String: UInt64], [String: [PartName]]) = ([:], [:])
        for (name, size) in files {
            if let part = PartName(name) { parts[part.whole, default: []].append(part) } else { wholes[name] = size }
        }
        var used: Set<String> = []
        for (name, size) in wholes.sorted(by: { $0.key < $1.key }) where !name.hasSuffix(".sig.bin") {
            try add(name, size, below: prefix, files, &used)
        }
        for (whole, found) in parts.sorted(by: { $0.key < $1.key }) {
            guard wholes[whole] == nil else {
                warnings.append("\(prefix)\(whole) is there whole and in parts; the parts are left out")
                continue
            }
            if let missing = Downloads.missing(found) {
                warnings.append(
                    "\(prefix)\(missing) is missing, without which \(whole) can't be put together; fetch it")
            }
            let size = found.reduce(0) { $0 + (files[$1.name(of: $1.number)] ?? 0) }
            add(whole, size, parts: found.count, .bundle, below: prefix, signatures: files, &used)
        }
        for name in files.keys.sorted() where name.hasSuffix(".sig.bin") && !used.contains(name) {
            warnings.append("\(prefix)\(name) is a signature without its file; fetch the file, or remove it")
        }
    }

    /// The first part that isn't there; the last part's number isn't known, so none after it is missed.
    private static func missing(_ parts: [PartName]) -> String? {
        let numbers = Set(parts.map(\.number))
        guard let first = parts.first, let last = numbers.max() else { return nil }
        return (0...last).first { !numbers.contains($0) }.map { first.name(of: $0) }
    }

    private mutating func add(
        _ name: String, _ size: UInt64, below prefix: String, _ files: [String: UInt64], _ used: inout Set<String>
    ) throws {
        if Downloads.unfinished.contains(where: { name.hasSuffix($0) }) || size == 0 {
            warnings.append("\(prefix)\(name) looks like an unfinished download and is left out; fetch it again")
        } else if name.hasSuffix(".pem") {
            try addKey(name, below: prefix)
        } else {
            add(name, size, parts: 0, Downloads.kind(of: name), below: prefix, signatures: files, &used)
        }
    }

    private mutating func add(
        _ name: String, _ size: UInt64, parts: Int, _ kind: ItemKind, below prefix: String,
        signatures: [String: UInt64], _ used: inout Set<String>
    ) {
        let signature = ManifestItem.signatureName(for: name)
        let isSigned = signatures[signature].map { $0 > 0 } ?? false
        if isSigned { used.insert(signature) }
        inputs.append(
            Input(kind: kind, path: prefix + name, size: size, parts: parts, isSigned: isSigned))
        if kind != .file, !isSigned {
            warnings.append("\(prefix)\(name) has no signature; fetch \(signature) to where it stands")
        }
    }

    private static func kind(of name: String) -> ItemKind {
        let name = name.lowercased()
        if name.hasSuffix(".iso") { return .iso }
        return name.hasSuffix(".zst") || name.hasSuffix(".tar") ? .bundle : .file
    }

    private mutating func addKey(_ name: String, below prefix: String) throws {
        let path = folder.appending(prefix + name)
        let file = try OpenFile.reading(path)
        let size = try file.status().size
        let text = String(decoding: try file.bytes(at: 0, length: Int(min(size, 1 << 16))), as: UTF8.self)
        if text.contains("PRIVATE KEY") {
            warnings.append("\(path) holds a private key and is left out; it doesn't belong among downloads")
        } else if text.contains("-----BEGIN PUBLIC KEY-----") {
            keys.append(prefix + name)
        } else {
            inputs.append(Input(kind: .file, path: prefix + name, size: size, parts: 0, isSigned: false))
        }
    }
}

extension ItemKind {
    /// The order in which a manifest names its contents.
    fileprivate var order: Int { ItemKind.allCases.firstIndex(of: self) ?? 0 }
}
