// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Packing
import Support
import Synchronization
import SystemPackage
import Testing
import Trust

/// A publisher that signs whatever a test asks for: any versions, any times, any keys of its own.
struct MadePublisher {
    /// The versions of timestamp, snapshot and targets.
    struct Versions {
        var timestamp, snapshot, targets: Int64

        init(_ all: Int64) { (timestamp, snapshot, targets) = (all, all, all) }
        init(timestamp: Int64, snapshot: Int64, targets: Int64) {
            (self.timestamp, self.snapshot, self.targets) = (timestamp, snapshot, targets)
        }
    }

    static let now = PackedSample.now
    static let expires = now.adding(days: 500)
    let product: String
    /// Everything that it makes lives as long as it, or a copy of it, does.
    private let place = TemporaryFolder()
    private let rootKey: PrivateKey
    private(set) var releaseKeys: [PrivateKey]
    private(set) var root: TrustedRoot
    /// What targets list from now on; a test may take releases away.
    var supported: [String: TargetFile] = [:]
    /// The version that was signed last.
    private(set) var last: Int64 = 0

    init(product: String = "palette-enterprise", keys: Int = 1, threshold: Int = 1) throws {
        self.product = product
        rootKey = try .generate(.p256)
        releaseKeys = try (0..<keys).map { _ in try .generate(.p384) }
        let first = try Root(
            firstFor: product, rootKeys: [rootKey.publicKey], releaseKeys: releaseKeys.map(\.publicKey),
            releaseThreshold: threshold, issued: MadePublisher.now, expires: MadePublisher.now.adding(days: 30_000))
        root = try TrustedRoot(pinned: first.signed(by: [rootKey]))
    }

    var pinned: [UInt8] { root.files[1] ?? [] }

    /// Publishes the next root, with other keys for releases.
    mutating func rotate() throws {
        releaseKeys = try releaseKeys.map { _ in try .generate(.p384) }
        let keys = try Root(
            firstFor: product, rootKeys: [rootKey.publicKey], releaseKeys: releaseKeys.map(\.publicKey),
            releaseThreshold: root.root[.targets].threshold, issued: MadePublisher.now, expires: MadePublisher.now
        )[.targets]
        let header = MetadataHeader(
            version: root.root.header.version + 1, issued: MadePublisher.now,
            expires: MadePublisher.now.adding(days: 30_000))
        let next = try Root(
            header: header, product: product,
            roles: [.root: root.root[.root], .timestamp: keys, .snapshot: keys, .targets: keys])
        try root.extend(with: next.signed(by: [rootKey]))
    }

    /// Packs a release of one small image and signs it as the next version.
    mutating func release(
        _ version: String, image: String? = nil, versions: Versions? = nil, issued: UTCTime = now,
        expires: UTCTime = expires
    ) throws -> FilePath {
        let packed = try PackedRelease.named(product, version, image ?? "library/\(product)-\(version):1")
        let place = try newFolder()
        #expect(try run(["cp", "-r", packed.bundle.string, place.string]).status == 0)
        let bundle = place.appending(packed.bundle.lastComponent?.string ?? "")
        try sign(bundle, version, versions: versions, issued: issued, expires: expires)
        return bundle
    }

    private func newFolder() throws -> FilePath {
        let folder = place.appending("\(UInt64.random(in: 0 ... .max))")
        try folder.createDirectories()
        return folder
    }

    /// Signs what stands in a bundle's folder, in place of all trust metadata in it.
    mutating func sign(
        _ bundle: FilePath, _ version: String, versions: Versions? = nil, issued: UTCTime = now,
        expires: UTCTime = expires, by keys: [PrivateKey]? = nil
    ) throws {
        var sums = try Sums(bundle).digests.filter { !$0.key.hasPrefix("trust/") }
        var files: [String: TargetFile] = [:]
        for name in Array(sums.keys) {
            let bytes = try bundle.appending(name).contents(limit: 1 << 26)
            let sha512 = name.hasPrefix("volumes/") ? nil : Hasher.hash(bytes, .sha512)
            files[name] = TargetFile(length: Int64(bytes.count), sha256: Hasher.hash(bytes), sha512: sha512)
            sums[name] = Digest(of: bytes)
        }
        if supported[version] == nil { supported[version] = files["release.json"] }
        let trust = try metadata(version, files, versions, issued, expires, keys ?? releaseKeys)
        for folder in ["trust", "copies/trust"] {
            try bundle.appending(folder).removeTree()
            for (name, bytes) in trust { try write(bytes, to: bundle.appending(folder).appending(name)) }
        }
        for (name, bytes) in trust { sums["trust/\(name)"] = Digest(of: bytes) }
        try Sums(sums).write(to: bundle, key: (keys ?? releaseKeys)[0])
    }

    /// A folder with nothing but the newest trust, as `dray trust export` writes it.
    mutating func trustOnly(versions: Versions? = nil, expires: UTCTime = expires) throws -> FilePath {
        let trust = try metadata(
            supported.keys.sorted().last ?? "0", [:], versions, MadePublisher.now, expires, releaseKeys)
        let folder = try newFolder().appending("\(product)-trust-\(root.root.header.version)-\(last)")
        try folder.appending("trust").createDirectories()
        for (name, bytes) in trust { try write(bytes, to: folder.appending("trust").appending(name)) }
        let readme = Array("how to check\n".utf8)
        try write(readme, to: folder.appending("README-VERIFY.txt"))
        var sums = ["README-VERIFY.txt": Digest(of: readme)]
        for (name, bytes) in trust { sums["trust/\(name)"] = Digest(of: bytes) }
        try Sums(sums).write(to: folder, key: releaseKeys[0], copies: false)
        return folder
    }

    /// All files of `trust/`.
    private mutating func metadata(
        _ version: String, _ files: [String: TargetFile], _ versions: Versions?, _ issued: UTCTime, _ expires: UTCTime,
        _ keys: [PrivateKey]
    ) throws -> [String: [UInt8]] {
        let numbers = versions ?? Versions(last + 1)
        last = max(last, numbers.targets)
        var all = files
        for (release, file) in supported { all[Targets.listing(of: release)] = file }
        func header(_ version: Int64) -> MetadataHeader {
            MetadataHeader(version: version, issued: issued, expires: expires)
        }
        let targets = Targets(
            header: header(numbers.targets),
            release: SignedRelease(product: product, edition: "palette", version: version), files: all)
        let targetsFile = try targets.signed(by: keys)
        let snapshot = Snapshot(
            header: header(numbers.snapshot), targets: Link(version: numbers.targets, to: targetsFile))
        let snapshotFile = try snapshot.signed(by: keys)
        let timestamp = Timestamp(
            header: header(numbers.timestamp), snapshot: Link(version: numbers.snapshot, to: snapshotFile))
        var trust = [
            targets.fileName: targetsFile, snapshot.fileName: snapshotFile,
            timestamp.fileName: try timestamp.signed(by: keys),
        ]
        for (number, bytes) in root.files { trust[Role.root.fileName(version: number)] = bytes }
        return trust
    }
}

/// `SHA256SUMS`, with which a bundle says which files it has.
private struct Sums {
    let digests: [String: Digest]

    init(_ digests: [String: Digest]) { self.digests = digests }

    init(_ bundle: FilePath) throws {
        let text = String(decoding: try bundle.appending("SHA256SUMS").contents(limit: 1 << 20), as: UTF8.self)
        digests = Dictionary(
            uniqueKeysWithValues: text.split(separator: "\n").compactMap { line in
                Digest(hex: String(line.prefix(64))).map { (String(line.dropFirst(66)), $0) }
            })
    }

    func write(to bundle: FilePath, key: PrivateKey, copies: Bool = true) throws {
        let sorted = digests.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let text = Array(sorted.map { "\($0.value.hex)  \($0.key)\n" }.joined().utf8)
        let signature = try key.signDetached(text)
        for folder in copies ? ["", "copies/"] : [""] {
            try Support.write(text, to: bundle.appending("\(folder)SHA256SUMS"))
            try Support.write(signature, to: bundle.appending("\(folder)SHA256SUMS.sig"))
        }
    }
}

/// Releases as `pack` makes them, each made once for all tests, which only copy it.
private enum PackedRelease {
    private static let made = Mutex<[String: PackedSample]>([:])

    static func named(_ product: String, _ version: String, _ image: String) throws -> PackedSample {
        try made.withLock { made in
            let name = "\(product) \(version) \(image)"
            if let known = made[name] { return known }
            var layout = MadeLayout()
            _ = layout.image(image, [layout.blob(Array(name.utf8))])
            let packed = try layout.packed(product: product, version: version)
            made[name] = packed
            return packed
        }
    }
}
