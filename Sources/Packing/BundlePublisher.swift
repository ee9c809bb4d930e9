// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// Writes the small files of a bundle: index, release, trust, sums, kit, recipe, and their second copies.
struct BundlePublisher {
    let folder: FilePath
    let release: SignedRelease
    private var targets: [String: TargetFile] = [:]
    private var sums: [String: Digest] = [:]

    init(folder: FilePath, release: SignedRelease) { (self.folder, self.release) = (folder, release) }

    /// Adds a volume that is there already.
    mutating func add(_ volume: Volume) {
        let name = "volumes/\(volume.name)"
        targets[name] = TargetFile(length: Int64(volume.length), sha256: volume.digest.bytes)
        sums[name] = volume.digest
    }

    /// Writes a signed small file.
    mutating func write(_ name: String, _ bytes: [UInt8]) throws {
        try folder.appending(name).replaceContents(with: bytes)
        add(name, bytes)
    }

    private mutating func add(_ name: String, _ bytes: [UInt8]) {
        targets[name] = TargetFile(
            length: Int64(bytes.count), sha256: Hasher.hash(bytes), sha512: Hasher.hash(bytes, .sha512))
        sums[name] = Digest(of: bytes)
    }

    /// Copies the importer kit: regular files, with the mode bits of programs.
    mutating func copyKit(_ kit: FilePath, below name: String = "kit") throws {
        try folder.appending(name).createDirectories()
        for entry in try kit.entries() {
            let source = kit.appending(entry)
            guard let status = try source.statusIfPresent() else { continue }
            if status.isDirectory {
                try copyKit(source, below: "\(name)/\(entry)")
            } else {
                let bytes = try source.contents(limit: 256 << 20)
                let mode: UInt32 = try source.isExecutable() ? 0o755 : 0o644
                try folder.appending("\(name)/\(entry)").replaceContents(with: bytes, mode: mode)
                add("\(name)/\(entry)", bytes)
            }
        }
    }

    /// Copies a FIPS module to where `dray-import crypto install --from` looks for it.
    mutating func copyFIPSModule(_ module: FilePath) throws {
        try folder.appending("kit/fips").createDirectories()
        try write("kit/fips/fips.so", module.contents(limit: FIPSConfiguration.moduleLimit))
    }

    /// Publishes the next metadata, then writes `trust/`, the sums with their signature, and the copies.
    mutating func sign(
        with trust: inout TrustFolder, keys: [PrivateKey], issued: UTCTime, expires: UTCTime
    ) throws -> TrustedMetadata {
        let publication = Publication(of: release, files: targets, after: trust.published)
        let metadata = try trust.publish(publication, issued: issued, expires: expires, keys: keys)
        try folder.appending("trust").createDirectories()
        for (name, bytes) in metadata.files {
            try folder.appending("trust/\(name)").replaceContents(with: bytes)
            sums["trust/\(name)"] = Digest(of: bytes)
        }
        let lines = sums.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let text = Array(lines.map { "\($0.value.hex)  \($0.key)\n" }.joined().utf8)
        try folder.appending("SHA256SUMS").replaceContents(with: text)
        let releaseKeys = trust.root.root.releaseKeys
        guard let key = keys.first(where: { releaseKeys.contains($0.publicKey) }) else {
            throw PackError.trustUnusable(folder, why: "none of the keys given is a release key of its root")
        }
        try folder.appending("SHA256SUMS.sig").replaceContents(with: try key.signDetached(text))
        try copy(metadata.files.map { "trust/\($0.name)" } + ["release.json", "index", "SHA256SUMS", "SHA256SUMS.sig"])
        return metadata
    }

    private func copy(_ names: [String]) throws {
        try folder.appending("copies/trust").createDirectories()
        for name in names {
            let bytes = try folder.appending(name).contents(limit: BundleIndex.maximumSize)
            try folder.appending("copies/\(name)").replaceContents(with: bytes)
        }
        for path in ["copies/trust", "copies", "trust", "volumes", ""] {
            try (path.isEmpty ? folder : folder.appending(path)).syncDirectory()
        }
    }
}
