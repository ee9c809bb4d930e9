// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Cryptography
internal import Files
internal import Palette
internal import OCI
internal import Splitting
package import PaletteSources
package import SystemPackage
package import Trust

/// What the user asks of `pack`.
package struct PackOptions: Sendable {
    package var manifest: FilePath
    /// The publisher's trust folder.
    package var trust: FilePath
    /// Gives keys of the targets, snapshot and timestamp roles, enough for their threshold; called once, after the plan is
    /// made.
    package var keys: @Sendable () throws -> [PrivateKey]
    /// Whether the bundle is signed at once; one that isn't stays in its `.partial` folder for `sign stage`.
    package var signs = true
    package var out: FilePath
    /// Bytes that no volume may exceed; 0 for no limit.
    package var volumeSize: UInt64
    /// zstd's level, 1...19.
    package var level = 3
    /// Where journals are kept.
    package var state: FilePath
    package var kit: FilePath?
    /// A FIPS module that travels with the kit, as a signed file of its own.
    package var fipsModule: FilePath?
    /// Makes a delta: the folders or indexes of earlier bundles whose bytes it leaves out.
    package var bases: [FilePath] = []
    /// Makes a delta: what sites said that they have; only what all of them have is left out.
    package var have: [SiteHolding] = []
    /// Begin anew where an interrupted run can't be gone on with.
    package var restart = false
    package var threads = 2

    package init(
        manifest: FilePath, trust: FilePath, keys: @escaping @Sendable () throws -> [PrivateKey], out: FilePath,
        volumeSize: UInt64, state: FilePath
    ) {
        (self.manifest, self.trust, self.keys, self.out) = (manifest, trust, keys, out)
        (self.volumeSize, self.state) = (volumeSize, state)
    }
}

/// One input of a release with what is known before it is read.
package struct PlannedInput: Sendable {
    /// Its place in the plan; a multiple of 4, so that the next three are free for what belongs to it.
    package let ordinal: Int
    package let item: ManifestItem
    /// Bytes: of the file, of a layout's distinct blobs, of a pack's layer.
    package let size: UInt64
    /// Whether it stands on the medium as a file of its own.
    package let isPlain: Bool
    let fingerprint: String
    let layout: LayoutFolder?
    let pack: PackArtifact?
    /// The digest of the pack's layer, which its member's name needs before its bytes.
    let packLayer: Digest?
    /// What the pack's values name; `nil` where it has none.
    let packImages: PackImages?
    /// What the packs of a layout name, by layer.
    var layoutImages: [Digest: PackImages] = [:]
    /// What a layout or a pack folder delivers; archives are read by the run.
    var registry: RegistryFacts?
    /// What an ISO image says of itself; `nil` where it can't be read as one.
    var iso: ISOReading?

    /// What an ISO image says of itself, as the release will.
    package var isoFacts: Release.ISOFacts? { iso?.facts }
    /// What a layout or a pack folder delivers, as the release will say, but for a pack's capabilities; an archive is read by
    /// the run.
    package var bundleFacts: Release.BundleFacts? { registry?.facts }
}

/// The frozen list of what a run does. A run that was interrupted goes on only with an equal plan.
package struct PackPlan: Sendable {
    package let release: ReleaseIdentity
    /// What it builds on; `nil` for a full bundle.
    package let delta: DeltaPlan?
    /// The bundle's folder, and how the names of its archive volumes begin.
    package let folderName: String
    /// In the order in which they are read: plain files, layouts, packs, archives for the registry, then other files.
    package let inputs: [PlannedInput]
    package let vendorKeys: [FilePath]
    /// SHA-256 over the inputs with their sizes and times, and over the parameters.
    let id: Digest
    /// What it is made of, to be compared with another.
    let record: PlanRecord
    /// SHA-256 over that and what the release says beside: a finished bundle is of this plan only where it is equal.
    let releaseID: Digest
    /// Tags that rightly move.
    package let movesTags: [ManifestTagMove]
    let manifestFile: String
    /// What should be known before anything is read, and stops nothing.
    package let warnings: [String]
    /// Bytes to read.
    package var bytesIn: UInt64 { inputs.reduce(0) { $0 + $1.size } }
    /// Bytes that the volumes will surely have: files that stand there as they are.
    var plainBytes: UInt64 { inputs.filter(\.isPlain).reduce(0) { $0 + $1.size } }
    /// No file of the bundle will be longer, bytes.
    func longestFile(volumeSize: UInt64) -> UInt64 {
        let packed = bytesIn - plainBytes
        let archive = packed + packed / 100 + (1 << 20)
        let longestPlain = inputs.filter(\.isPlain).map(\.size).max() ?? 0
        return max(longestPlain, volumeSize == 0 ? archive : min(volumeSize, archive))
    }
    /// Sizes of blobs that are known before anything is read.
    let knownSizes: Set<UInt64>

    /// Looks at every input without reading content: sizes, times, manifests of layouts, files of packs.
    ///
    /// Throws `PackError`, `FileError`, and what pack folders and manifests can be wrong with.
    package init(_ manifest: ReleaseManifest, _ options: PackOptions, now: UTCTime) throws {
        release = manifest.release
        delta = try DeltaPlan(options, now: now)
        folderName = manifest.release.folderName + (delta.map { "-delta-\($0.label)" } ?? "")
        vendorKeys = manifest.vendorKeys
        var planned: [PlannedInput] = []
        for (number, item) in manifest.items.enumerated() {
            planned.append(
                try PlannedInput(
                    item, ordinal: 4 * number, volumeSize: options.volumeSize, mayBePlain: delta == nil))
        }
        inputs = planned.sorted { ($0.stage, $0.ordinal) < ($1.stage, $1.ordinal) }
        try PlanChecks.check(inputs, edition: manifest.release.edition, folderName: folderName)
        knownSizes = Set(planned.flatMap { $0.layout?.graph.blobs.map { UInt64($0.size) } ?? [] })
        let keys = try manifest.vendorKeys.map { Digest(of: try $0.contents(limit: 1 << 20)).hex }
        let release = manifest.release
        let named =
            [
                ("format of the plan", "dray plan 2"), ("product", release.product), ("version", release.version),
                ("edition", release.edition.rawValue), ("supportEnd", release.supportEnd ?? ""),
                ("--volume-size", String(options.volumeSize)), ("--level", String(options.level)),
                ("rules of frames", FrameRules.version), ("splitter", SplitterName.current),
            ] + (delta.map { [("delta", $0.label)] } ?? [])
        let base = delta.map { [("what it builds on", $0.fingerprint)] } ?? []
        let other = keys.enumerated().map { ("vendor key \($0 + 1)", $1) }
        let texts = (named + base + other).map(\.1) + inputs.map(\.fingerprint)
        id = Digest(of: Array(texts.joined(separator: "\n").utf8))
        record = PlanRecord(
            said: named,
            compared: base + other + inputs.map { ("input \($0.item.name)", $0.fingerprint) })
        (movesTags, manifestFile) = (manifest.movesTags, manifest.file)
        let moves = movesTags.map { "\($0.name) \($0.from.map(\.hex).sorted().joined(separator: ","))" }.sorted()
        let said = moves + manifest.declared
        releaseID = said.isEmpty ? id : Digest(of: Array(([id.hex] + said).joined(separator: "\n").utf8))
        warnings = PlanChecks.warnings(inputs)
        // What only an archive could deliver is known when that was read.
        if !inputs.contains(where: { $0.item.kind == .bundle && $0.isForRegistry }) {
            _ = try tagMoves(to: delivered)
        }
    }
}

/// The name of everything that decides which bytes a volume gets, beside the inputs.
enum FrameRules {
    static let version = "frames-2"
}

extension PlannedInput {
    fileprivate init(_ item: ManifestItem, ordinal: Int, volumeSize: UInt64, mayBePlain: Bool) throws {
        self.item = item
        self.ordinal = ordinal
        var lines = ["\(ordinal) \(item.kind.rawValue) \(item.path) \(item.name) \(item.signature)"]
        lines.append(item.deliver.map(\.rawValue).sorted().joined(separator: ","))
        switch item.kind {
        case .iso, .bundle, .file:
            let file = try InputFile(item.path, parts: item.parts)
            size = file.size
            lines.append(try file.fingerprint)
            (layout, pack, packLayer, packImages) = (nil, nil, nil, nil)
            if item.kind == .iso { iso = try ISOReading(file, name: item.name) }
        case .layout:
            let folder = try LayoutFolder(item.path, references: item.references)
            let manifests = folder.graph.manifests.reduce(UInt64(0)) { $0 + UInt64($1.manifest.bytes.count) }
            size = folder.graph.blobs.reduce(manifests) { $0 + UInt64($1.size) }
            lines.append(Digest(of: folder.indexBytes).hex + " " + (item.references ?? ["*"]).joined(separator: ","))
            (layout, pack, packLayer, packImages) = (folder, nil, nil, nil)
            layoutImages = try folder.packImages()
            registry = RegistryFacts(
                of: folder.entries, folder.graph, lists: layoutImages,
                annotations: LayoutIndex.annotations(folder.indexBytes), name: item.name)
        case .packs:
            let artifact = try PackArtifact.plan(item.path)
            size = artifact.layerSize
            // Read once here for its digest and once for its bytes: packs are small.
            let hash = PackHash()
            try artifact.writeLayer { hash.update($0) }
            let layer = hash.finish()
            lines.append(layer.hex)
            let images = try artifact.images()
            (layout, pack, packLayer, packImages) = (nil, artifact, layer, images)
            registry = RegistryFacts(artifact, images: images)
        }
        let fits = volumeSize == 0 || size <= volumeSize
        // A delta leaves out what it can of a file: none stands on the medium whole.
        isPlain = mayBePlain && item.kind.isFile && item.deliver.contains(.file) && (item.plain ?? true) && fits
        if mayBePlain && item.plain == true && !fits {
            throw PackError.plainTooLarge(item.name, size: size, volumeSize: volumeSize)
        }
        lines.append(isPlain ? "plain" : "packed")
        fingerprint = lines.joined(separator: "\n")
    }

    /// Whether the registry gets content from it.
    var isForRegistry: Bool { item.deliver.contains(.registry) }

    fileprivate var stage: Int {
        if isPlain { return 0 }
        switch item.kind {
        case .layout: return 1
        case .packs: return 2
        case .bundle where isForRegistry: return 3
        default: return 4
        }
    }
}

/// The rule that cuts chunks, as the index names it.
enum SplitterName {
    static let current = FastCDC.name
}
