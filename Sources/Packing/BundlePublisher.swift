// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// Writes the small files of a bundle that are signed as targets: index, release, kit, recipe.
struct BundlePublisher {
    let folder: FilePath
    let release: SignedRelease
    /// The label of a delta; `nil` for a full bundle.
    var delta: String?
    private(set) var targets: [String: TargetFile] = [:]

    init(folder: FilePath, release: SignedRelease) { (self.folder, self.release) = (folder, release) }

    /// Adds a volume that is there already.
    mutating func add(_ volume: Volume) {
        let name = "volumes/\(volume.name)"
        targets[name] = TargetFile(length: Int64(volume.length), sha256: volume.digest.bytes)
    }

    /// Writes a signed small file.
    mutating func write(_ name: String, _ bytes: [UInt8]) throws {
        try folder.appending(name).replaceContents(with: bytes)
        add(name, bytes)
    }

    private mutating func add(_ name: String, _ bytes: [UInt8]) {
        targets[name] = TargetFile(
            length: Int64(bytes.count), sha256: Hasher.hash(bytes), sha512: Hasher.hash(bytes, .sha512))
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

    /// Adds a small file that is there already.
    mutating func take(_ name: String) throws { add(name, try folder.appending(name).contents(limit: 512 << 20)) }

    /// Adds the importer kit that is there already.
    mutating func takeKit(below name: String = "kit") throws {
        for entry in try folder.appending(name).entries() {
            let path = "\(name)/\(entry)"
            let isFolder = try folder.appending(path).statusIfPresent(followingLinks: false)?.isDirectory == true
            if isFolder { try takeKit(below: path) } else { try take(path) }
        }
    }

    /// What is signed about the bundle, supported beside all that was published before.
    func publication(after previous: TrustedMetadata?) -> Publication {
        Publication(of: release, files: targets, delta: delta, after: previous)
    }
}
