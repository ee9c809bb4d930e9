// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import OCI
import Packing
import PaletteSources
import Parity
import SystemPackage
import Trust

struct PackCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "Pack what a manifest names into a signed bundle.",
        discussion: """
            Reads each input once and writes OUT/<product>-<version>/: volumes with every byte once, the signed index, the
            publisher's metadata, and a recipe to check all of it with openssl and sha256sum. Vendor signatures are
            checked on the way. Interrupted, out of space or killed: the same command goes on from there. The folder
            appears under its name when it is whole. Where several keys must sign and don't meet: --no-sign, then dray sign.
            With --base or --have it makes a delta, OUT/<product>-<version>-delta-<label>/, for sites that have the base.

            \(exitCodeHelp([.notTrusted, .expired, .damaged, .refused, .noSpace]))
            """)

    @Argument(help: "The release's manifest (YAML; manifests/README.md describes it).", completion: .file())
    var manifest: String

    @Option(help: ArgumentHelp("The product's trust folder.", valueName: "folder"), completion: .directory)
    var trust: String

    @OptionGroup var release: ReleaseKeyOptions

    @Flag(help: "Leave the bundle unsigned in its .partial folder, for dray sign stage.")
    var noSign = false

    @Option(help: ArgumentHelp("Where the bundle's folder goes.", valueName: "folder"), completion: .directory)
    var out = "bundles"

    @Option(help: VolumeSize.help)
    var volumeSize = VolumeSize.fat32

    @Option(help: "zstd's level for what can be compressed, 1 to 19.")
    var level = 3

    @Option(help: ArgumentHelp("Put this importer kit (scripts/release) on the media.", valueName: "folder"))
    var kit: String?

    @Option(
        help: ArgumentHelp(
            "Put this FIPS module (fips.so) beside the kit, signed; dray-import crypto install --from takes it there.",
            valueName: "file"), completion: .file())
    var fipsModule: String?

    @Option(
        help: ArgumentHelp(
            "Leave out what this earlier bundle has: its folder (volumes may be absent), or its index with release.json beside "
                + "it; repeat for more.", valueName: "bundle"), completion: .file())
    var base: [String] = []

    @Option(
        help: ArgumentHelp(
            "Leave out only what this site has: its inventory with NAME.sig.json beside it, or a receipt; repeat for several "
                + "sites, then only what all have.", valueName: "file"), completion: .file())
    var have: [String] = []

    @Flag(help: "Believe files of --have that no known site has signed (dray site add).")
    var acceptUnsignedHave = false

    @OptionGroup var sites: SitesOptions

    @Option(help: ArgumentHelp("Where journals of unfinished runs are kept.", valueName: "folder"))
    var state: String?

    @Option(help: "Threads that compress.")
    var jobs = 2

    @Option(help: ParityAmount.help) var parity: ParityAmount?

    @Flag(help: "Begin anew where an interrupted run can't be gone on with.")
    var restart = false

    @Flag(help: "Say what would be packed, and stop. Of a delta all inputs are read, to say its size.")
    var dryRun = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard noSign || dryRun || !release.key.isEmpty else {
            throw ValidationError("--key is needed: the private release key; or --no-sign, to sign later")
        }
        guard !noSign || parity == nil else {
            throw ValidationError("--parity goes with a signed bundle: dray parity add makes it after dray sign")
        }
        guard !noSign || release.key.isEmpty else { throw ValidationError("--no-sign takes no --key") }
        guard fipsModule == nil || kit != nil else {
            throw ValidationError("--fips-module goes with --kit: the importer of the kit uses it")
        }
        guard !acceptUnsignedHave || !have.isEmpty else {
            throw ValidationError("--accept-unsigned-have goes with --have")
        }
        guard (1...19).contains(level) else { throw ValidationError("--level takes 1 to 19") }
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        var options = PackOptions(
            manifest: FilePath(manifest), trust: FilePath(trust), keys: { [release] in try release.keys() },
            out: FilePath(out),
            volumeSize: volumeSize.bytes, state: state.map { FilePath($0) } ?? StateFolder.standard())
        (options.level, options.threads, options.restart) = (level, jobs, restart)
        options.kit = kit.map { FilePath($0) }
        options.fipsModule = fipsModule.map { FilePath($0) }
        options.signs = !noSign
        options.bases = base.map { FilePath($0) }
        let trusted = HoldingTrust(sites: sites.folder, acceptsUnsigned: acceptUnsignedHave)
        options.have = try have.map { try SiteHolding(reading: FilePath($0), by: trusted) }
        if dryRun {
            let estimate = try measureDelta(options, progress: progress, now: .now)
            return plan(try planPack(options, now: .now), estimate)
        }
        let result = try pack(options, progress: progress, now: .now)
        let outcome = result.wasComplete ? unchanged(result) : done(result)
        return try parity.map { try adding($0, to: result, outcome, progress) } ?? outcome
    }

    /// The bundle is whole before parity is begun: stopped here, the same command adds what lacks.
    private func adding(
        _ amount: ParityAmount, to result: PackResult, _ outcome: Outcome, _ progress: Progress
    ) throws -> Outcome {
        let root = try FilePath(trust).appending("1.root.json").contents(limit: Role.root.byteLimit)
        let basis = try RepairBasis(
            MediaSet([result.folder]).bundle(), by: PinnedRoots(rootFiles: [root]), now: .now)
        let made = try MadeParity(amount, for: basis, jobs: max(jobs, 2), progress)
        var outcome = outcome
        outcome.text += "\n" + made.text
        outcome.data = ResultData(result, parity: made.json)
        return outcome
    }

    func explained(_ error: any Error) -> any Error { named(error, release.key) }

    private func plan(_ plan: PackPlan, _ delta: DeltaEstimate?) -> Outcome {
        let lines = plan.inputs.flatMap { input in
            let place = input.isPlain ? "plain" : "packed"
            let size = ByteSize(bytes: input.size).description
            let parts = input.item.parts.isEmpty ? "" : "  of \(input.item.parts.count) parts"
            let facts = (input.isoFacts?.lines ?? []) + (input.bundleFacts?.lines ?? [])
            return ["  \(input.item.kind.rawValue)  \(input.item.name)  \(size)\(parts)  \(place)"]
                + facts.map { "    \($0)" }
        }
        let total = ByteSize(bytes: plan.bytesIn).description
        let delivered = plan.delivered
        let moves = plan.movesTags.flatMap { move in
            move.from.map { "  \(move.name)  \($0) -> \(delivered[move.name].map(\.description) ?? "by an archive")" }
        }
        return Outcome(
            text: "\(plan.title): \(plan.inputs.count) inputs, \(total) to read, in this order:\n"
                + (lines + (moves.isEmpty ? [] : ["tags that may move:"] + moves)).joined(separator: "\n")
                + (delta.map { "\n" + $0.text } ?? ""),
            data: PlanData(plan, delta), warnings: plan.warnings + (delta?.allWarnings ?? []),
            next: ["# the same command without --dry-run packs it"])
    }

    private func unchanged(_ result: PackResult) -> Outcome {
        Outcome(
            text: "\(result.folder) is packed already, from the same inputs; nothing to do",
            data: ResultData(result), next: next(result))
    }

    private func done(_ result: PackResult) -> Outcome {
        let stored = result.volumes.reduce(0) { $0 + $1.length }
        let saved = result.bytesIn > stored ? result.bytesIn - stored : 0
        let percent = result.bytesIn == 0 ? 0 : saved * 100 / result.bytesIn
        return Outcome(
            text: (result.wasResumed ? "went on where an interrupted run had stopped\n" : "") + """
                bundle:      \(result.folder)
                read:        \(ByteSize(bytes: result.bytesIn))
                volumes:     \(ByteSize(bytes: stored)) in \(result.volumes.count) files (\(percent) % saved)
                on media:    \(ByteSize(bytes: result.bytesOnMedia)) with index, signatures and kit
                delivers:    \(result.references.count) references, \(result.files.count) files
                fingerprint: \(result.fingerprint)
                """ + (result.delta.map { "\n" + $0.text } ?? ""),
            data: ResultData(result), warnings: result.warnings + (result.delta?.warnings ?? []), next: next(result))
    }

    private func next(_ result: PackResult) -> [String] {
        guard !result.isUnsigned else {
            return [
                "# choose a folder for STAGE, which will travel to the holders of the release keys:",
                "dray sign stage \(result.folder.word) --trust \(trust.shellWord) --out STAGE",
            ]
        }
        return [
            "dray verify \(result.folder.word) --root \(FilePath(trust).appending("1.root.json").word)",
            "# mount the media, then with each one's place for MOUNT:",
            "dray copy \(result.folder.word) --to MOUNT",
        ]
    }
}

private struct PlanData: Encodable {
    struct Input: Encodable {
        let kind: String
        let name: String
        let size: UInt64
        let plain: Bool
        /// How many parts the file is delivered to us in; absent for a whole one.
        let parts: Int?
        /// What is known before reading: of an ISO image, and of a layout or a pack folder.
        let iso: JSONValue?
        let bundle: JSONValue?
    }

    let release: String
    let kind: String
    let preview: Bool
    let bytesIn: UInt64
    let inputs: [Input]
    /// `to` is absent where only an archive, read by `pack`, can deliver the tag.
    let movesTags: [TagMoveData]
    let delta: DeltaEstimateData?

    init(_ plan: PackPlan, _ delta: DeltaEstimate?) {
        self.delta = delta.map { DeltaEstimateData($0) }
        (release, bytesIn) = (plan.folderName, plan.bytesIn)
        (kind, preview) = (plan.kind.rawValue, plan.release.facts.isPreview)
        inputs = plan.inputs.map {
            Input(
                kind: $0.item.kind.rawValue, name: $0.item.name, size: $0.size, plain: $0.isPlain,
                parts: $0.item.parts.isEmpty ? nil : $0.item.parts.count, iso: $0.isoFacts?.json,
                bundle: $0.bundleFacts?.json)
        }
        let delivered = plan.delivered
        movesTags = plan.movesTags.flatMap { move in
            move.from.map {
                TagMoveData(tag: move.name, from: $0.description, to: delivered[move.name]?.description)
            }
        }
    }
}

private struct TagMoveData: Encodable {
    /// `<repository>:<tag>`.
    let tag: String
    let from: String
    let to: String?
}

private struct ResultData: Encodable {
    struct MissingImageData: Encodable {
        let pack: String
        let image: String
    }

    let folder: String
    let alreadyDone: Bool
    let signed: Bool
    let bytesIn: UInt64
    let bytesOnMedia: UInt64
    let volumes: [String]
    let chunks: Int
    let objects: Int
    let references: [String]
    let files: [String]
    let missingImages: [MissingImageData]
    let movesTags: [TagMoveData]
    let fingerprint: String
    let delta: DeltaData?
    let parity: JSONValue?

    init(_ result: PackResult, parity: JSONValue? = nil) {
        self.parity = parity
        (folder, alreadyDone, signed) = (result.folder.string, result.wasComplete, !result.isUnsigned)
        (bytesIn, bytesOnMedia) = (result.bytesIn, result.bytesOnMedia)
        (volumes, chunks, objects) = (result.volumes.map(\.name), result.chunks, result.objects)
        (references, files) = (result.references.map(\.name), result.files.map(\.name))
        missingImages = result.missingImages.map { MissingImageData(pack: $0.pack, image: $0.image) }
        movesTags = result.movesTags.map {
            TagMoveData(tag: $0.name, from: $0.from.description, to: $0.to.description)
        }
        fingerprint = result.fingerprint
        delta = result.delta.map { DeltaData($0) }
    }
}
