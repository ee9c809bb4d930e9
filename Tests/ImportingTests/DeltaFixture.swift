// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import FoundationEssentials
import Importing
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// Two releases of one publisher, and the second as a delta of the first: its index names places in the first for all that that has,
/// and none of its own frames.
///
/// Release 1 has a large layer in `library/app:1` and another in `library/other:1`; release 2 has the large one and a new one in
/// `library/app:2`, and the other one in a repository that is new, `library/moved:1`. Each has a file, `disk.img`, which
/// differ in the middle.
final class DeltaScene: Sendable {
    static let shared = Result { try DeltaScene() }
    static let now = PackedSample.now

    let folder = TemporaryFolder()
    /// The bundles.
    let base: FilePath
    let delta: FilePath
    let full: FilePath
    /// The first root.
    let root: [UInt8]
    /// The file of release 1, and that of release 2.
    let oldFile: FilePath
    let newFile: FilePath
    let large: Digest
    let other: Digest
    let fresh: Digest

    init() throws {
        var publisher = try MadePublisher()
        root = publisher.pinned
        let bytes = DeltaScene.noise(6_000_000, 31)
        let otherBytes = DeltaScene.noise(300_000, 32)
        let freshBytes = DeltaScene.noise(200_000, 33)
        (large, other, fresh) = (Digest(of: bytes), Digest(of: otherBytes), Digest(of: freshBytes))
        var disk = DeltaScene.noise(3_000_000, 34)
        oldFile = folder.appending("old.img")
        newFile = folder.appending("new.img")
        try write(disk, to: oldFile)

        var one = MadeLayout()
        _ = one.image("library/app:1", [one.blob(bytes)])
        _ = one.image("library/other:1", [one.blob(otherBytes)])
        base = try DeltaScene.bundle(one, "1.0.0", disk, "base", folder, &publisher)

        disk.replaceSubrange(1_000_000..<1_400_000, with: DeltaScene.noise(400_000, 35))
        try write(disk, to: newFile)
        var two = MadeLayout()
        _ = two.image("library/app:2", [two.blob(bytes), two.blob(freshBytes)])
        _ = two.image("library/moved:1", [two.blob(otherBytes)])
        full = try DeltaScene.bundle(two, "1.0.1", disk, "full", folder, &publisher)
        delta = folder.appending("delta").appending(full.lastComponent?.string ?? "")
        try folder.appending("delta").createDirectories()
        #expect(try run(["cp", "-r", full.string, delta.string]).status == 0)
        let pinned = try PinnedRoots([PinnedRoots.Chain(roots: [root])])
        let verified = { (path: FilePath) in
            try MediaSet([path]).bundle().verified(by: pinned, now: DeltaScene.now)
        }
        try DeltaScene.leaveOut(verified(base), of: verified(delta), at: delta)
        publisher.supported["1.0.1"] = nil
        try publisher.sign(delta, "1.0.1")
    }

    /// Bytes that don't repeat, the same for a seed everywhere.
    static func noise(_ count: Int, _ seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        var words = [UInt64](repeating: 0, count: (count + 7) / 8)
        for index in words.indices {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            words[index] = state
        }
        return unsafe words.withUnsafeBytes { unsafe Array($0.prefix(count)) }
    }

    private static func bundle(
        _ layout: MadeLayout, _ version: String, _ disk: [UInt8], _ name: String, _ folder: TemporaryFolder,
        _ publisher: inout MadePublisher
    ) throws -> FilePath {
        let packed = try layout.packed(version: version, files: ["disk.img": disk])
        let place = folder.appending(name)
        try place.createDirectories()
        #expect(try run(["cp", "-r", packed.bundle.string, place.string]).status == 0)
        let bundle = place.appending(packed.bundle.lastComponent?.string ?? "")
        try publisher.sign(bundle, version)
        return bundle
    }

    /// Replaces the index and the release of a bundle.
    private static func leaveOut(_ base: VerifiedBundle, of bundle: VerifiedBundle, at folder: FilePath) throws {
        let (places, repositories) = try places(in: base)
        let manifests = Set(try RegistryContent(bundle).manifests.keys)
        var tables = IndexTables()
        let index = bundle.index
        tables.volumes = index.volumes
        tables.blocks = index.volumes.enumerated().map { number, volume in
            (0..<Volume.blockCount(of: volume.length)).map { index.blockDigest(volume: number, block: $0).bytes }
        }
        tables.frames = index.frameRanges.flatMap { range in range.map { index.frame($0) } }
        for number in 0..<index.chunkCount {
            var chunk = index.chunk(number)
            let found = manifests.contains(chunk.digest) ? [] : places[chunk.digest] ?? []
            let parts = found.isEmpty ? index.parts(of: chunk) : []
            (chunk.firstPart, chunk.partCount) = (UInt32(tables.parts.count), UInt32(parts.count))
            tables.parts += parts
            tables.chunks.append(chunk)
            tables.externals += found.map {
                External(chunk: UInt32(number), place: $0.place, object: $0.object, offset: $0.offset)
            }
        }
        tables.objects = (0..<index.objectCount).map { index.object($0) }
        tables.segments = tables.objects.flatMap { index.segments(of: $0) }
        let bytes = tables.encoded(splitter: index.splitter)
        var release = bundle.release
        release.index = Release.IndexFile(
            length: UInt64(bytes.count), sha256: Digest(of: bytes), sha512: Hasher.hash(bytes, .sha512).lowercaseHex)
        var made = Release.Base()
        let document = try base.signedDigest("release.json")
        made.releases = [
            Release.BaseRelease(
                name: Release.Name(product: base.release.product, version: base.release.version), release: document,
                index: base.release.index.sha256)
        ]
        made.repositories = repositories
        release.base = made
        for place in ["", "copies/"] {
            try write(bytes, to: folder.appending("\(place)index"))
            try write(release.encoded, to: folder.appending("\(place)release.json"))
        }
    }

    /// Where a release that was loaded has each of its chunks.
    private static func places(
        in bundle: VerifiedBundle
    ) throws -> (places: [Digest: [(place: UInt32, object: Digest, offset: UInt64)]], repositories: [String]) {
        let items = try RegistryContent(bundle).items
        let repositories = Set(items.map(\.reference.repository)).sorted()
        var found: [Digest: [(place: UInt32, object: Digest, offset: UInt64)]] = [:]
        for (number, repository) in repositories.enumerated() {
            let blobs = Set(items.filter { $0.reference.repository == repository }.flatMap { $0.blobs.map(\.digest) })
            for blob in blobs.sorted() { found[blob, default: []].append((UInt32(number), blob, 0)) }
        }
        for file in bundle.release.files {
            guard let object = bundle.index.object(file.digest) else { continue }
            var position: UInt64 = 0
            for segment in bundle.index.segments(of: object) {
                let chunk = bundle.index.chunk(Int(segment.chunk))
                if segment.offset == 0, segment.length == chunk.length {
                    found[chunk.digest, default: []].append((External.file, file.digest, position))
                }
                position += segment.length
            }
        }
        return (found, repositories)
    }
}

extension VerifiedBundle {
    /// The digest that the targets give a file.
    fileprivate func signedDigest(_ name: String) throws -> Digest {
        Digest(hashed: try #require(metadata.targets.content.files[name]).sha256)
    }
}

/// A site that gets those releases.
struct DeltaSite {
    let scene: DeltaScene
    let folder = TemporaryFolder()
    var state: SiteState { SiteState(folder.appending("state")) }

    init() throws {
        scene = try DeltaScene.shared.get()
        _ = try state.add(root: scene.root)
    }

    func unverified(_ bundle: FilePath) throws -> UnverifiedBundle { try MediaSet([bundle]).bundle() }

    func verified(_ bundle: FilePath) throws -> VerifiedBundle {
        try unverified(bundle).verified(by: state.pinnedRoots(), now: DeltaScene.now)
    }

    private var given: GivenArguments { GivenArguments(media: ["MEDIA"], target: ["--to", "TARGET"]) }

    func places(bases: [FilePath] = [], seeds: [FilePath] = []) throws -> GivenPlaces {
        var places = GivenPlaces()
        (places.bases, places.seeds) = (try bases.map(unverified), seeds)
        return places
    }

    @discardableResult
    func load(
        _ bundle: FilePath, into target: any LoadTarget, bases: [FilePath] = [], seeds: [FilePath] = [],
        isDeep: Bool = false
    ) throws -> Receipt {
        var run = LoadRun(state: state, tool: "test")
        run.now = { DeltaScene.now }
        (run.isDeep, run.places) = (isDeep, try places(bases: bases, seeds: seeds))
        return try run.run(unverified(bundle), to: target, given: given, progress: Progress()).receipt
    }

    func plan(
        _ bundle: FilePath, for target: any LoadTarget, bases: [FilePath] = [], seeds: [FilePath] = []
    ) throws -> Report {
        var run = PlanRun(state: state, tool: "test")
        run.now = { DeltaScene.now }
        run.places = try places(bases: bases, seeds: seeds)
        return try run.run(unverified(bundle), to: target, given: given, progress: Progress())
    }

    func sources(
        _ bundle: VerifiedBundle, target: (any LoadTarget)? = nil, bases: [FilePath] = [], seeds: [FilePath] = []
    ) throws -> SiteSources? {
        try places(bases: bases, seeds: seeds).sources(for: bundle, target: target, state: state, now: DeltaScene.now)
    }

    /// Writes the new `disk.img` out of the delta.
    @discardableResult
    func extract(
        target: (any LoadTarget)? = nil, bases: [FilePath] = [], seeds: [FilePath] = []
    ) throws -> (file: FilePath, sources: SiteSources?) {
        let bundle = try verified(scene.delta)
        let sources = try sources(bundle, target: target, bases: bases, seeds: seeds)
        let file = folder.appending("disk.img")
        _ = try Extraction("disk.img", from: bundle, to: file, sources: sources).run(Progress())
        return (file, sources)
    }
}
