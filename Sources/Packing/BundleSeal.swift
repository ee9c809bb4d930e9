// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// What makes a folder of files a bundle: `trust/`, `SHA256SUMS` with its signature, and the second copies.
struct BundleSeal {
    let metadata: TrustedMetadata
    /// The lines of `SHA256SUMS`: every target that stands in the bundle, and every file of `trust/`.
    let sums: [UInt8]

    /// `others` are files that no target names: a trust-only bundle's recipe.
    init(_ metadata: TrustedMetadata, others: [String: [UInt8]] = [:]) {
        self.metadata = metadata
        var digests: [String: Digest] = others.mapValues { Digest(of: $0) }
        for (name, file) in metadata.targets.content.files where !name.hasPrefix("releases/") {
            digests[name] = Digest(hashed: file.sha256)
        }
        for (name, bytes) in metadata.files { digests["trust/\(name)"] = Digest(of: bytes) }
        let lines = digests.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        sums = Array(lines.map { "\($0.value.hex)  \($0.key)\n" }.joined().utf8)
    }

    /// Writes all of it, durable. A run that is cut off is made good by the next.
    func write(to folder: FilePath, signature: [UInt8]) throws {
        try writeFiles(to: folder, signature: signature)
        try copy(in: folder)
        try removeFormer(in: folder)
        for path in ["copies/trust", "copies", "trust", "volumes"] { try folder.appending(path).syncDirectory() }
        try folder.syncDirectory()
    }

    /// The same without copies.
    func writeFiles(to folder: FilePath, signature: [UInt8]) throws {
        try folder.appending("trust").createDirectories()
        // The timestamp names the rest, so it comes last: cut anywhere, the folder still opens.
        let files =
            metadata.files.filter { $0.name != "timestamp.json" }
            + metadata.files.filter { $0.name == "timestamp.json" }
        for (name, bytes) in files { try folder.appending("trust/\(name)").replaceContents(with: bytes) }
        try folder.appending("SHA256SUMS").replaceContents(with: sums)
        try folder.appending("SHA256SUMS.sig").replaceContents(with: signature)
    }

    private func copy(in folder: FilePath) throws {
        try folder.appending("copies/trust").createDirectories()
        let names =
            metadata.files.map { "trust/\($0.name)" } + ["release.json", "index", "SHA256SUMS", "SHA256SUMS.sig"]
        for name in names {
            let bytes = try folder.appending(name).contents(limit: BundleIndex.maximumSize)
            try folder.appending("copies/\(name)").replaceContents(with: bytes)
        }
    }

    /// Metadata that this has replaced: a name in `trust/` that nothing signs refuses the medium.
    private func removeFormer(in folder: FilePath) throws {
        let names = Set(metadata.files.map(\.name))
        for place in ["trust", "copies/trust"] { try folder.appending(place).removeTree(keeping: names) }
    }
}

extension Root {
    /// The first of these keys that may sign `SHA256SUMS`.
    func sumsSigner(among keys: [PrivateKey]) -> PrivateKey? {
        keys.first { releaseKeys.contains($0.publicKey) }
    }
}
