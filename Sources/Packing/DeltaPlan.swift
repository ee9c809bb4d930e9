// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import PaletteSources
internal import SystemPackage
internal import Trust

/// What a delta builds on, and how it is called.
package struct DeltaPlan: Sendable {
    let bases: [BaseBundle]
    let sites: [SiteHolding]
    /// Part of the folder's name, and of the name under which the delta is listed as supported.
    package let label: String
    /// What should be known and stops nothing.
    package private(set) var warnings: [String]

    /// Checks every base. `nil` where neither a base nor a site is named.
    ///
    /// Throws as `BaseBundle`, and `DeltaError.emptyHolding`.
    init?(_ options: PackOptions, now: UTCTime) throws {
        guard !options.bases.isEmpty || !options.have.isEmpty else { return nil }
        let trust = try TrustFolder.look(options.trust)
        bases = try options.bases.map { try BaseBundle($0, trust: trust, now: now) }
        sites = options.have
        for site in sites where site.blobs.isEmpty { throw DeltaError.emptyHolding(site.source.target) }
        label = DeltaPlan.label(bases: bases, sites: sites)
        warnings =
            bases.flatMap(\.warnings)
            + sites.filter { $0.source.name == nil }.map {
                "no known site has signed what \($0.source.target) is said to have (\($0.source.time)); it is believed all the same"
            }
    }

    /// The versions of the bases, and who has them: `4.7.15`, `4.7.15-for-site7`, `for-site7+site9`. What is too long for
    /// the names of volumes becomes a digest.
    private static func label(bases: [BaseBundle], sites: [SiteHolding]) -> String {
        let versions = Set(bases.map(\.release.version)).sorted().joined(separator: "+")
        let names = sites.map { $0.source.name ?? String($0.source.digest.hex.prefix(8)) }.sorted()
        let parts = [versions, names.isEmpty ? "" : "for-" + names.joined(separator: "+")]
        let label = parts.filter { !$0.isEmpty }.joined(separator: "-")
        guard label.utf8.count <= 50, Targets.isLabel(label) else {
            return "x" + Digest(of: Array(label.utf8)).hex.prefix(16)
        }
        return label
    }

    /// Everything that decides which bytes are left out.
    var fingerprint: String {
        let lines =
            bases.map { base in
                ([base.facts.release.hex, base.facts.index.hex] + base.presentVolumes).joined(separator: " ")
            } + sites.map { "have \($0.source.digest.hex) \($0.source.name ?? "")" }
        return lines.sorted().joined(separator: "\n")
    }

    /// What the release says of it. `repositories`: those that its index counts.
    func facts(repositories: [String]) -> Release.Base {
        var facts = Release.Base()
        facts.releases = bases.map(\.facts)
        facts.sites = sites.map(\.source)
        (facts.repositories, facts.label) = (repositories, label)
        return facts
    }

    /// What files are called, by digest.
    var fileNames: [Digest: String] {
        Dictionary(bases.flatMap { $0.release.files.map { ($0.digest, $0.name) } }) { first, _ in first }
    }
}

extension KnownBytes {
    /// What the sites of a plan have: of the bases as a load and an extraction leave it, or, where sites have said what is
    /// theirs, the blobs that all of them have. Files of a base count in both cases: a site may keep them, or the base's
    /// media. Volumes of a base that are plain files are read and cut here.
    ///
    /// `warn` gets what costs bytes. Throws `DeltaError.volumeDamaged`, `BundleError`, `FileError`.
    init(_ delta: DeltaPlan, inputs: [PlannedInput], reader: InputReader, warn: (String) -> Void) throws {
        let wantsFiles = inputs.contains { $0.item.deliver.contains(.file) }
        for base in delta.bases {
            for file in base.release.files { addFile(file.digest, of: base.index) }
            if wantsFiles { try cutPlainVolumes(of: base, reader, warn: warn) }
            guard delta.sites.isEmpty else { continue }
            let places = try base.registryBlobs()
            if places == nil, !base.release.references.isEmpty {
                warn(
                    "\(base.folder) has no volume with manifests: of blobs that no manifest of this release names as it did "
                        + "nobody knows the repository, and they are packed again; put the base's first volume beside its index"
                )
            }
            for (repository, blobs) in places ?? base.blobsAgain(in: inputs) {
                for blob in blobs {
                    if let object = base.index.object(blob) { add(object, of: base.index, in: repository) }
                }
            }
        }
        addCommon(of: delta.sites, bases: delta.bases)
        seal()
    }

    /// A delivered file, and the objects that are ranges of it: blobs inside an image that stands on the medium as it is.
    private mutating func addFile(_ digest: Digest, of index: BundleIndex) {
        guard let file = index.object(digest) else { return }
        add(file, of: index, in: nil)
        for number in 0..<index.objectCount {
            let object = index.object(number)
            guard object.segmentCount == 1, object.digest != digest else { continue }
            let segment = index.segment(Int(object.firstSegment))
            guard index.chunk(Int(segment.chunk)).digest == digest else { continue }
            add(object.digest, length: object.size, in: digest, nil, at: segment.offset)
        }
    }

    /// The blobs that all sites have: where all have them, or else wherever one of them has.
    private mutating func addCommon(of sites: [SiteHolding], bases: [BaseBundle]) {
        guard let first = sites.first else { return }
        for (digest, blob) in first.blobs {
            let all = sites.map { site in site.blobs[digest].flatMap { $0.size == blob.size ? $0 : nil } }
            guard !all.contains(where: { $0 == nil }) else { continue }
            let named = zip(sites, all).map { site, blob in
                Set((blob?.repositories ?? []).map { site.repositories[Int($0)] })
            }
            let common = named.dropFirst().reduce(named[0]) { $0.intersection($1) }
            let places = common.isEmpty ? named.reduce(into: Set()) { $0.formUnion($1) } : common
            for repository in places {
                let base = bases.lazy.compactMap { base in base.index.object(digest).map { (base, $0) } }.first
                if let (base, object) = base, object.size == blob.size {
                    add(object, of: base.index, in: repository)
                } else {
                    add(digest, size: blob.size, in: repository)
                }
            }
        }
    }
}

extension BaseBundle {
    /// The blobs in each repository as far as this release's own inputs tell: of manifests that both have.
    fileprivate func blobsAgain(in inputs: [PlannedInput]) -> [String: [Digest]] {
        var manifests: [Digest: Manifest] = [:]
        var packs: [Digest: Digest] = [:]
        let config = Digest(of: PackArtifact.config)
        for input in inputs {
            for (descriptor, manifest) in input.layout?.graph.manifests ?? [] {
                manifests[descriptor.digest] = manifest
            }
            guard let pack = input.pack, let layer = input.packLayer else { continue }
            packs[Digest(of: pack.manifest(layerDigest: layer, configDigest: config))] = layer
        }
        var blobs: [String: [Digest]] = [:]
        for reference in release.references {
            let digest = reference.descriptor.digest
            if let layer = packs[digest] { blobs[reference.repository, default: []].append(layer) }
            blobs[reference.repository, default: []] += BaseBundle.blobs(below: digest, manifests)
        }
        return blobs
    }

    private static func blobs(below digest: Digest, _ manifests: [Digest: Manifest]) -> [Digest] {
        guard let manifest = manifests[digest] else { return [] }
        return manifest.blobs.map(\.digest) + manifest.manifests.flatMap { blobs(below: $0.digest, manifests) }
    }
}
