// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cryptography
package import Files
internal import FoundationEssentials
internal import OCI
internal import Palette
internal import PaletteSources
package import SystemPackage
package import Trust

/// What `pack` made.
package struct PackResult: Sendable {
    package var folder: FilePath
    /// It was there already, made from the same plan.
    package var wasComplete = false
    /// Without signatures yet, in its `.partial` folder.
    package var isUnsigned = false
    /// An interrupted run had been there before.
    package var wasResumed = false
    package var bytesIn: UInt64 = 0
    package var bytesOnMedia: UInt64 = 0
    package var volumes: [Volume] = []
    package var chunks = 0
    package var objects = 0
    package var references: [ReleaseReference] = []
    package var files: [Release.DeliveredFile] = []
    package var warnings: [String] = []
    /// What packs name and the release lacks: not an error, a site may have it.
    package var missingImages: [MissingImage] = []
    package var movesTags: [Release.TagMove] = []
    /// SHA-256 of `1.root.json`, 64 hex digits.
    package var fingerprint = ""
    /// What a delta leaves out; `nil` of a full bundle, and of one that was there already.
    package var delta: DeltaResult?
}

/// Packs a release into a signed bundle, or goes on where an interrupted run stopped (docs/format.md).
///
/// Throws `PackError`, `PaletteSources.ManifestError`, `FileError`, `TrustError`, `KeyError`, `Interrupted`.
package func pack(_ options: PackOptions, progress: Progress, now: UTCTime) throws -> PackResult {
    try Packer(options, progress: progress, now: now).run()
}

/// The plan that `pack` would carry out.
package func planPack(_ options: PackOptions, now: UTCTime = .now) throws -> PackPlan {
    try PackPlan(ReleaseManifest(reading: options.manifest), options, now: now)
}

private struct Packer {
    let options: PackOptions
    let plan: PackPlan
    let progress: Progress
    let now: UTCTime
    let keys: [PrivateKey]

    init(_ options: PackOptions, progress: Progress, now: UTCTime) throws {
        (self.options, self.progress, self.now) = (options, progress, now)
        plan = try planPack(options, now: now)
        keys = try options.keys()
    }

    private var name: String { plan.folderName }
    private var final: FilePath { options.out.appending(name) }
    private var partial: FilePath { options.out.appending(".\(name).partial") }

    func run() throws -> PackResult {
        let state = options.state.appending("pack")
        try checkBefore(state)
        try state.createDirectories()
        try options.out.createDirectories()
        let place = Digest(of: Array(try final.absolute().string.utf8)).hex
        let done = state.appending("\(place).done")
        let (journalPath, record) = (state.appending("\(place).journal"), state.appending("\(place).plan"))
        if try final.exists() {
            guard try done.exists(), try done.contents(limit: 1000) == Array(plan.releaseID.hex.utf8) else {
                throw PackError.bundleExists(final)
            }
            var result = PackResult(folder: final)
            result.wasComplete = true
            try record.removeFile()
            try journalPath.removeDurably()  // where the run that made it was stopped just before that
            return result
        }
        var trust = try openTrust()
        let journal = try openJournal(journalPath, record: record)
        try partial.appending("volumes").createDirectories()
        if journal.records.isEmpty { try partial.removeTree(keeping: ["volumes"]) }
        progress.begin(total: plan.bytesIn)
        var result = try estimatingSpace { try build(journal, &trust) }
        result.wasResumed = !journal.records.isEmpty
        try done.replaceContents(with: Array(plan.releaseID.hex.utf8))
        guard options.signs else { return result }
        try partial.rename(to: final)
        try options.out.syncDirectory()
        try record.removeFile()
        try journalPath.removeDurably()
        return result
    }

    /// Permission, the room for what surely comes, and the longest file: before the first byte.
    private func checkBefore(_ state: FilePath) throws {
        guard try !final.exists() else { return }
        let present = try partial.exists() ? partial.totalSize() : 0
        let kit = try options.kit.map { try $0.totalSize() } ?? 0
        let sure = plan.plainBytes + kit
        var writes = PlannedWrites()
        writes.add(
            options.out, bytes: sure - min(sure, present),
            largestFile: plan.longestFile(volumeSize: options.volumeSize),
            advice: "--volume-size fat32 keeps each file below 4 GiB; or choose an --out on exFAT, ext4 or XFS")
        writes.add(state, bytes: 1 << 20)
        try writes.check()
    }

    /// Where it belongs to another plan, the error says what differs.
    private func openJournal(_ path: FilePath, record: FilePath) throws -> Journal {
        do {
            let journal = try Journal(at: path, plan: plan.id, restart: try options.restart || !partial.exists())
            if try PlanRecord(reading: record) != plan.record { try plan.record.write(to: record) }
            return journal
        } catch PackError.planChanged {
            throw PackError.planChanged(try PlanRecord(reading: record)?.differences(to: plan.record) ?? [])
        }
    }

    /// A full disk is said with what may be missing for all that is left, not for the one write that failed.
    private func estimatingSpace(_ body: () throws -> PackResult) throws -> PackResult {
        do {
            return try body()
        } catch let error as FileError where error.isOutOfSpace {
            let left = plan.bytesIn - min(plan.bytesIn, progress.bytesDone) + (32 << 20)
            let free = try options.out.freeSpace()
            throw PackError.noSpace(options.out, missing: max(left - min(left, free), error.missingBytes ?? 1))
        }
    }

    private func openTrust() throws -> TrustFolder {
        let trust = try TrustFolder(options.trust)
        guard trust.root.root.product == plan.release.product else {
            throw PackError.trustUnusable(
                options.trust,
                why: "it belongs to \(trust.root.root.product), the manifest is of \(plan.release.product)")
        }
        guard trust.root.root.header.expires > now else {
            throw PackError.expired("the root in \(options.trust) expired at \(trust.root.root.header.expires)")
        }
        if let end = plan.release.supportEnd, let time = UTCTime.endOfDay(end), time <= now {
            throw PackError.expired("the release's supportEnd, \(end), has passed")
        }
        _ = try trust.state.checkForks(in: options.trust, against: [options.out])
        if options.signs { try trust.proposal(placeholder, issued: now, expires: .latest).check(keys) }
        return trust
    }

    /// A set in the release's name, for asking whether the keys at hand can sign one.
    private var placeholder: Publication {
        let release = plan.release
        return Publication(
            of: SignedRelease(
                product: release.product, edition: release.edition.rawValue, version: release.version), files: [:])
    }

    private func build(_ journal: Journal, _ trust: inout TrustFolder) throws -> PackResult {
        let settings = ArchiveWriter.Settings(
            folder: partial.appending("volumes"), prefix: name, volumeSize: options.volumeSize, level: options.level,
            threads: options.threads)
        let reader = InputReader(progress: progress)
        var notes: [String] = plan.delta?.warnings ?? []
        let known = try plan.delta.map { delta in
            try KnownBytes(delta, inputs: plan.inputs, reader: reader) { notes.append($0) }
        }
        let builder = try BundleBuilder(journal: journal, folder: settings.folder, settings: settings, known: known)
        // When an input stops the run, what is on its way to the disk arrives there and in the journal.
        defer { builder.archive.lanes.drain() }
        var run = try PackRun(plan: plan, builder: builder, reader: reader)
        try run.takeInputs()
        progress.label = "index and signatures"
        try builder.writeFirstVolume(layoutIndex: try layoutIndex(run.composer))
        var tables = try builder.tables(
            needed: run.composer.neededObjects, prefix: name, place: options.manifest.string)
        let externals = known?.externals(
            of: tables.chunks, preferring: Set(run.composer.references.map(\.repository)))
        tables.externals = externals?.table ?? []
        let index = tables.encoded(splitter: SplitterName.current)
        let release = try release(
            run, index: index, base: plan.delta?.facts(repositories: externals?.repositories ?? []))
        // The reader's own rules, before anything is signed: what it would refuse must not be published.
        _ = try BundleIndex(parsing: index)
        _ = try Release(parsing: release.encoded)
        try removeForeignNames(tables)
        let publisher = try write(release, index: index, tables)
        if options.signs { try sign(release, publisher, &trust) }
        var result = PackResult(folder: options.signs ? final : partial)
        result.isUnsigned = !options.signs
        result.bytesIn = plan.bytesIn
        result.volumes = tables.volumes
        result.bytesOnMedia = try partial.totalSize()
        (result.chunks, result.objects) = (tables.chunks.count, tables.objects.count)
        (result.references, result.files) = (release.references, release.files)
        (result.warnings, result.missingImages) = (notes + run.composer.warnings, run.composer.missingImages)
        result.movesTags = release.movesTags
        result.fingerprint = trust.root.fingerprint
        if let delta = plan.delta, let externals { result.delta = DeltaResult(delta, externals, tables) }
        return result
    }

    /// An earlier run may have left other metadata, a kit, or volumes of another size.
    private func removeForeignNames(_ tables: IndexTables) throws {
        try partial.removeTree(keeping: ["volumes"])
        try partial.appending("volumes").removeTree(keeping: Set(tables.volumes.map(\.name)))
    }

    private func release(_ run: PackRun, index: [UInt8], base: Release.Base?) throws -> Release {
        var release = Release(
            product: plan.release.product, version: plan.release.version, edition: plan.release.edition.rawValue,
            index: Release.IndexFile(
                length: UInt64(index.count), sha256: Digest(of: index),
                sha512: Hasher.hash(index, .sha512).lowercaseHex),
            volumeSize: options.volumeSize)
        release.supportEnd = plan.release.supportEnd
        release.base = base
        release.vendorKeys = run.signatures.keyDigests
        release.contents = run.composer.contents
        release.files = run.composer.files
        release.references = run.composer.sortedReferences
        let tags = release.references.filter { $0.tag != nil }
        release.movesTags = try plan.tagMoves(
            to: Dictionary(uniqueKeysWithValues: tags.map { ($0.name, $0.descriptor.digest) }))
        release.requirements = run.composer.requirements
        release.describe(plan, run.composer)
        return release
    }

    private func write(_ release: Release, index: [UInt8], _ tables: IndexTables) throws -> BundlePublisher {
        let signed = SignedRelease(product: release.product, edition: release.edition, version: release.version)
        var publisher = BundlePublisher(folder: partial, release: signed)
        publisher.delta = release.base?.label
        for volume in tables.volumes { publisher.add(volume) }
        try publisher.write("index", index)
        try publisher.write("release.json", release.encoded)
        try publisher.write("README-VERIFY.txt", PackageResources.README_VERIFY_txt)
        try publisher.write("rescue.py", PackageResources.rescue_py)
        if let kit = options.kit { try publisher.copyKit(kit) }
        if let module = options.fipsModule { try publisher.copyFIPSModule(module) }
        return publisher
    }

    /// Publishes the next metadata, then makes the folder a bundle.
    private func sign(_ release: Release, _ publisher: BundlePublisher, _ trust: inout TrustFolder) throws {
        let proposal = try trust.proposal(
            publisher.publication(after: trust.published), issued: now, expires: release.expiry(from: now))
        guard let metadata = try trust.carryOut(proposal, by: keys, now: now),
            let signer = trust.root.root.sumsSigner(among: keys)
        else { preconditionFailure("what was signed has a signer") }
        let seal = BundleSeal(metadata)
        try seal.write(to: partial, signature: try signer.signDetached(seal.sums))
    }

    /// The `index.json` of the OCI layout that the unpacked volumes are.
    private func layoutIndex(_ composer: ReleaseComposer) throws -> [UInt8] {
        struct Document: Encodable {
            var schemaVersion = 2
            var mediaType = MediaType.index
            var manifests: [Descriptor]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(Document(manifests: composer.layoutEntries)))
    }
}

extension Release {
    /// When its metadata expires: with its support, or after the usual time.
    func expiry(from now: UTCTime) -> UTCTime { supportEnd.flatMap(UTCTime.endOfDay) ?? .usualExpiry(from: now) }
}
