// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// What a run has of a release whose media come one at a time, and what earlier runs have kept of it.
package struct ComingMedia: Sendable {
    /// The bundle as the media at hand have it, without the spool.
    let here: VerifiedBundle
    let spool: Spool
    /// What the target has got in earlier runs.
    let sent: SentList
    /// Bytes that are free for the spool.
    let free: UInt64
    /// Where the spool is.
    let folder: String
    /// Whether anything is added to it.
    private let keeps: Bool

    /// Changes nothing.
    init(_ here: VerifiedBundle, at address: String, _ state: SiteState, _ spools: Spools, keeps: Bool) throws {
        (self.here, self.keeps) = (here, keeps)
        spool = try spools.spool(state, of: here)
        sent = try SentList(in: state.spoolFolder(of: here.releaseDigest), of: address)
        (free, folder) = (try state.spoolSpace(), spool.folder.string)
    }

    /// The bundle with what the spool adds to the media at hand.
    var bundle: VerifiedBundle {
        var bundle = here
        bundle.blockSources.insert(spool, at: 0)  // parity is to be the last
        return bundle
    }

    /// Whether any volume isn't here.
    var wantsVolumes: Bool { !here.missingVolumes.isEmpty }

    /// Whether volumes are wanted that this plan may need.
    func isPartial(_ plan: LoadPlan) throws -> Bool { try !here.missingVolumes(for: plan.neededDigests).isEmpty }

    /// What the plan needs that isn't here, and what is to be kept for it.
    func needs(of plan: LoadPlan, _ content: RegistryContent) throws -> MediaNeeds {
        let blobs = plan.groups.flatMap(\.blobs).filter { $0.mayBeSent && !sent.has($0) }
        return try MediaNeeds(
            here, objects: Set(blobs.map(\.digest)), kept: content.keptDigests, spooled: spool.blocks)
    }

    /// The same for these objects alone.
    func needs(of objects: Set<Digest>, _ content: RegistryContent) throws -> MediaNeeds {
        try MediaNeeds(here, objects: objects, kept: content.keptDigests, spooled: spool.blocks)
    }

    /// What a run needs that can't know where anything goes: the volume with the manifests has not been here yet.
    func needsOfAll() throws -> MediaNeeds {
        try MediaNeeds(
            here, objects: here.objectsForRegistries, kept: [Digest](), spooled: spool.blocks, each: manifestBlocks())
    }

    /// Bytes that are kept in all where media come in the best order from the first on.
    func bytesFromTheBeginning() throws -> UInt64 {
        let each = try manifestBlocks()
        let needs = try here.objectsForRegistries.map { try here.blocks(of: $0).union(each) }
        return MediaOrder(needs, kept: each) { $0.bytes(here.index) }.bytes
    }

    /// The names of volumes that have manifests and aren't here.
    func manifestVolumes() throws -> [String] {
        here.missing(of: try manifestBlocks()).subtracting(spool.blocks).volumes.keys.sorted().map {
            here.index.volumes[$0].name
        }
    }

    /// What tells where everything goes.
    private func manifestBlocks() throws -> BlockSet {
        var blocks = BlockSet()
        for reference in here.release.references { blocks.formUnion(try here.blocks(of: reference.descriptor.digest)) }
        return blocks
    }

    /// Keeps all that the media at hand have and others need: the volume with the manifests has not been here yet, or `fault` is
    /// wrong with it. Throws `LoadError.noSpoolSpace` before anything is written.
    func keepUnsorted(_ fault: BundleError, _ progress: Progress) throws -> MediaWanted {
        let forgotten = try spool.forgetDamaged(spool.blocks)
        let needs = try needsOfAll()
        if let lack = lack(needs) { throw lack }
        try sent.begin()
        var wanted = MediaWanted()
        wanted.knowsNothing = true
        wanted.damage =
            (forgotten.isEmpty && !fault.isAbsence ? ["\(fault)"] : []) + (try keep(needs.toSpool, progress))
        wanted.volumes = needs.wanted(for: needs.waiting.keys)
        wanted.spooled = spool.blocks.bytes(here.index)
        return wanted
    }

    /// `LoadError.noSpoolSpace` where the spool has too little room, now or in the best order of what is to come.
    func lack(_ needs: MediaNeeds) -> LoadError? {
        guard keeps else { return nil }
        let needed = needs.order.isBest ? needs.bytesInOrder : needs.bytesToSpool
        return needed <= free ? nil : .noSpoolSpace(folder, needed: needed, free: free)
    }

    /// Keeps blocks of the media at hand; those that are damaged are left out and returned, in words. Durable when it returns.
    func keep(_ blocks: BlockSet, _ progress: Progress) throws -> [String] {
        var damage: [String] = []
        guard keeps, !blocks.isEmpty else { return damage }
        progress.label = "keeping what other volumes need"
        let reader = BlockReader(here)
        for (volume, run) in blocks.runs {
            for block in run {
                try Interruption.check()
                do {
                    try reader.withBlock(block, of: volume) { try spool.add($0, block, of: volume) }
                } catch let error as BundleError where error.isAboutMedium {
                    damage.append("\(error)")
                }
            }
        }
        try spool.sync()
        return damage
    }
}

extension RegistryContent {
    /// What every run reads again, or may have to send again: manifests and configurations.
    var keptDigests: Set<Digest> {
        let configurations = manifests.values.filter(\.manifests.isEmpty).compactMap(\.blobs.first?.digest)
        return Set(manifests.keys).union(configurations)
    }
}

extension BundleError {
    /// Whether another copy of the medium may do.
    var isAboutMedium: Bool {
        switch self {
        case .volumeMissing, .volumeLength, .blockDamaged, .fileUnusable, .fileMissing, .fileDamaged: true
        default: false
        }
    }

    var isAbsence: Bool { if case .volumeMissing = self { true } else { false } }
}

/// What a load that did all it could wants next.
package struct MediaWanted: Sendable, Equatable {
    package struct Volume: Sendable, Equatable {
        package let name: String
        /// Of this volume, as far as its blocks are needed.
        package let bytes: UInt64
    }

    /// In the order in which they best come.
    package var volumes: [Volume] = []
    /// Blobs that wait for them, each once.
    package var blobs = LoadTally.Amount()
    /// References that wait.
    package var references = 0
    /// Bytes that the spool holds by now.
    package var spooled: UInt64 = 0
    /// What is damaged on the media at hand, in words.
    package var damage: [String] = []
    /// Whether the volume with the manifests has not been here yet, so that nothing could be sent.
    package var knowsNothing = false

    package init() {}

    /// Damage weighs more.
    package var failure: Failure { damage.isEmpty ? .incomplete : .damaged }

    /// What to do, a line each.
    var next: [String] {
        let first =
            volumes.first.map { "bring the medium that has \($0.name)" } ?? "bring another copy of what is damaged"
        return ["# \(first); then run the same command with its folder: what is here by now is not needed again"]
    }

    var json: JSONValue {
        [
            "volumes": .array(
                volumes.map { ["name": .string($0.name), "bytes": .int(Int64(clamping: $0.bytes))] }),
            "blobs": .int(Int64(blobs.blobs)), "bytes": .int(Int64(clamping: blobs.bytes)),
            "references": .int(Int64(references)), "spooled": .int(Int64(clamping: spooled)),
            "damage": .array(damage.map(JSONValue.string)), "manifestsKnown": .bool(!knowsNothing),
        ]
    }

    /// What to bring, for people.
    package var message: String {
        let list = volumes.map { "\($0.name) (\($0.bytes.asSize) of it)" }.joined(separator: ", ")
        let wait =
            knowsNothing
            ? "nothing can be sent before the volume that holds the manifests"
            : "\(references.of("reference")) with \(blobs.blobs.of("blob")), \(blobs.bytes.asSize), still to come"
        let faults =
            damage.isEmpty ? [] : damage.prefix(20) + (damage.count > 20 ? ["and \(damage.count - 20) more"] : [])
        let wanted = volumes.isEmpty ? "another copy of what is damaged" : "wanted next: \(list)"
        return (["\(wanted); \(wait)"] + faults).joined(separator: "\n")
    }
}
