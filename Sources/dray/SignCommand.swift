// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import Importing
import Packing
import SystemPackage
import Trust

struct SignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Sign with several keys that never meet.",
        discussion: """
            One makes a stage, each holder adds signatures on a machine of their own, one assembles:
              dray pack release.yaml --trust trust/ --out bundles --no-sign
              dray sign stage bundles/.NAME.partial --trust trust/ --out stage
              dray sign add stage --key KEY      # each holder; the file it writes goes back into stage/
              dray sign assemble stage --trust trust/ --bundle bundles/.NAME.partial
            dray trust init, rotate, delist and renew make such stages with --stage.
            """,
        subcommands: [SignStage.self, SignAdd.self, SignAssemble.self])
}

struct SignStage: Command {
    static let configuration = CommandConfiguration(
        commandName: "stage",
        abstract: "Write down what is to be signed for a bundle that was packed with --no-sign.",
        discussion: """
            Writes STAGE: the canonical bytes of targets, snapshot and timestamp, the metadata that they follow, and
            request.json for people. The trust folder isn't changed.

            \(exitCodeHelp([.expired, .damaged, .refused, .noSpace]))
            """)

    @Argument(help: ArgumentHelp("What pack --no-sign left.", valueName: "bundle.partial"), completion: .directory)
    var bundle: String

    @OptionGroup var trust: TrustOptions

    @Option(help: ArgumentHelp("The stage to make.", valueName: "folder"))
    var out: String

    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let folder = try TrustFolder(trust.path)
        let stage = try SigningStage(
            writing: folder.release(of: FilePath(bundle), now: .now), to: FilePath(out))
        return Outcome(staged: stage, trust: trust.path, bundle: FilePath(bundle))
    }
}

struct SignAdd: Command {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Look at a stage, and sign what is in it.",
        discussion: """
            Reads what is to be signed with the importer's own code and shows it; without --key that is all. With a key it signs
            everything that the key has a role in and writes STAGE/<key id>.signatures.json, the one file that goes back.
            Once a set is signed, it signs the bundle's SHA256SUMS instead, where assemble has asked for that.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Argument(help: "The stage.", completion: .directory)
    var stage: String

    @Option(help: ArgumentHelp(KeyOptions.keyHelp, valueName: "key"), completion: .file())
    var key: String?

    @OptionGroup(title: "Keys") var unlocking: KeyOptions

    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let stage = try SigningStage(reading: FilePath(stage))
        let summary = StageSummary(stage)
        let text = try stage.finished() == nil ? summary.text : SignAdd.sumsLine + summary.text
        guard let key else {
            return Outcome(
                text: text, data: summary, warnings: summary.warnings,
                next: [
                    "# is this what you mean to sign? then, with your key for KEY:",
                    "dray sign add \(stage.folder.word) --key KEY",
                ])
        }
        let signer = try unlocking.key(key)
        if StandardInput.isTerminal, output.output == .text {
            guard StandardInput.isConfirmed("\(text)\nIs this what you mean to sign? Type yes:") else {
                throw NotSigned()
            }
        }
        let added = try stage.add(signer)
        let data = Data(stage: summary, key: added.key.hex, signed: added.signed, file: added.file.string)
        return Outcome(
            text: text + "\nsigned:      \(added.signed.joined(separator: ", ")) by \(added.key)",
            data: data, warnings: summary.warnings,
            next: ["# send \(added.file.word) back to who assembles; nothing else needs to travel"])
    }

    /// The first line, before the summary of a set that needs no more signatures.
    private static let sumsLine =
        "to sign:     SHA256SUMS, the sums of the bundle's files; the set below is signed already\n"

    private struct NotSigned: ClassifiedError {
        var failure: Failure { .refused }
        var description: String { "not confirmed, nothing was signed" }
    }

    private struct Data: Encodable {
        let stage: StageSummary
        let key: String
        let signed: [String]
        let file: String
    }
}

struct SignAssemble: Command {
    static let configuration = CommandConfiguration(
        commandName: "assemble",
        abstract: "Put signatures together: write the trust folder, and finish the bundle.",
        discussion: """
            Checks every signature and threshold with the importer's code. What is still missing is named, and nothing is
            written; the same command again goes on when it has come. Of a bundle, SHA256SUMS is signed last, by one release
            key: one given with --key, or any holder's with dray sign add once more.

            \(exitCodeHelp(
                [.incomplete, .notTrusted, .expired, .damaged, .refused, .noSpace],
                meaning: [.incomplete: "signatures are missing; what there is stays good"]))
            """)

    @Argument(help: "The stage, with what came back in it.", completion: .directory)
    var stage: String

    @OptionGroup var trust: TrustOptions

    @Option(
        help: ArgumentHelp("The bundle that was staged, where one was.", valueName: "folder"), completion: .directory)
    var bundle: String?

    @Option(
        help: ArgumentHelp("\(KeyOptions.keyHelp), at hand here; repeat for more.", valueName: "key"),
        completion: .file())
    var key: [String] = []

    @OptionGroup(title: "Keys") var unlocking: KeyOptions

    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let stage = try SigningStage(reading: FilePath(stage))
        let keys = try key.map(unlocking.key)
        do {
            let result = try Assembly(stage, trust: trust.path, keys: keys, now: .now)
                .run(bundle: bundle.map { FilePath($0) })
            return Outcome(
                published: result.root, result.set, trust: trust.path, bundle: result.bundle, asksMore: result.asksMore)
        } catch SigningError.incomplete(let lines) {
            return try waiting(stage, lines)
        }
    }

    /// The outcome while signatures are missing: who is still to sign, and how.
    private func waiting(_ stage: SigningStage, _ missing: [String]) throws -> Outcome {
        let place = stage.folder.word
        let travel =
            try stage.finished() == nil
            ? "# take the whole of \(place) to a holder of one of these keys, for KEY:"
            : "# \(place) has grown: take the whole of it again to a holder of one of these keys, for KEY:"
        let again =
            ["dray", "sign", "assemble", stage.folder.string, "--trust", trust.path.string]
            + (bundle.map { ["--bundle", $0] } ?? [])
        return Outcome(
            text: "\(SigningError.incomplete(missing))", data: ["missing": missing],
            next: [
                travel, "dray sign add \(place) --key KEY", "# put the file that comes back into \(place), then",
                again.shellLine,
            ], failure: .incomplete)
    }
}

extension StageSummary {
    /// What who signs should see first.
    var warnings: [String] {
        guard isUnlisted, let release else { return [] }
        return [
            "release \(release) is not in the list of supported releases that is signed with it; sites would refuse its "
                + "media (12)"
        ]
    }

    /// For a terminal; all of it comes from bytes that hold printable ASCII alone.
    var text: String {
        var lines = ["product:     \(product)"]
        if let fingerprint { lines.append("fingerprint: \(fingerprint)") }
        lines.append("made at:     \(issued)")
        if let release { lines.append("release:     \(release), \(files.count) files") }
        if !supported.isEmpty { lines.append("supported:   \(supported.joined(separator: ", "))") }
        if !changes.isEmpty { lines += ["changes:"] + changes.map { "  \($0)" } }
        for body in bodies {
            lines.append("\(body.role) \(body.version), expires \(body.expires)\n  SHA-384 \(body.sha384)")
        }
        for demand in demands {
            lines.append("\(demand.role), by \(demand.threshold) of the keys of root \(demand.root):")
            lines += demand.keys.map { "  \($0)" }
        }
        return lines.joined(separator: "\n")
    }
}

extension Outcome {
    /// A stage was made.
    init(staged stage: SigningStage, trust: FilePath, bundle: FilePath? = nil) {
        let summary = StageSummary(stage)
        let place = stage.folder.word
        let last = "dray sign assemble \(place) --trust \(trust.word)" + (bundle.map { " --bundle \($0.word)" } ?? "")
        self.init(
            text: summary.text + "\nstage:       \(stage.folder)", data: summary, warnings: summary.warnings,
            next: [
                "# take \(place) to each holder, who looks and signs, with their key for KEY:",
                "dray sign add \(place) --key KEY", "# put the files that come back into \(place), then", last,
            ])
    }

    /// Metadata was signed and stored. `asksMore`: its root may refuse media that counted before.
    init(
        published root: TrustedRoot, _ set: TrustedMetadata?, trust: FilePath, bundle: FilePath? = nil,
        asksMore: Bool = false
    ) {
        struct Data: Encodable {
            let trust: String
            let fingerprint: String
            let root: Int64
            let targets: Int64?
            let timestamp: Int64?
            let supported: [String]?
            let bundle: String?
        }
        let supported = set.map { $0.targets.content.supportedVersions }
        let data = Data(
            trust: trust.string, fingerprint: root.fingerprint, root: root.root.header.version,
            targets: set?.targets.content.header.version,
            timestamp: set?.timestamp.content.header.version, supported: supported, bundle: bundle?.string)
        var lines = ["trust:       \(trust), root \(root.root.header.version), expires \(root.root.header.expires)"]
        if Outcome.isFirst(root, set) { lines.append("fingerprint: \(RootCandidate.grouped(root.fingerprint))") }
        if let set {
            let header = set.targets.content.header
            lines.append("published:   targets \(header.version), expires \(header.expires)")
            lines.append("supported:   \((supported ?? []).joined(separator: ", "))")
        }
        if let bundle { lines.append("bundle:      \(bundle)") }
        let renewal = asksMore ? Outcome.renewal(root.root, trust) : []
        self.init(
            text: lines.joined(separator: "\n"), data: data, next: Outcome.next(root, set, trust, bundle) + renewal)
    }

    private static func isFirst(_ root: TrustedRoot, _ set: TrustedMetadata?) -> Bool {
        set == nil && root.root.header.version == 1
    }

    private static func next(
        _ root: TrustedRoot, _ set: TrustedMetadata?, _ trust: FilePath, _ bundle: FilePath?
    ) -> [String] {
        if let bundle { return ["dray verify \(bundle.word) --root \(trust.appending("1.root.json").word)"] }
        guard !isFirst(root, set) else { return firstSteps(root.root, trust) }
        return [
            "# sites learn of it from the next bundle, or at once from a trust-only bundle, with a release key for KEY:",
            "dray trust export --trust \(trust.word) --key KEY --out MEDIA",
        ]
    }

    /// How media go on counting after a root that asks more of their signers.
    private static func renewal(_ root: Root, _ trust: FilePath) -> [String] {
        let keys = KeyPlaces(root[.targets].threshold)
        return [
            "# media signed by removed keys, or by too few, are refused by sites that know root \(root.header.version);",
            "# sign each again, with its folder for BUNDLE and the private release \(keys.noun) for \(keys.names):",
            "dray trust renew BUNDLE --trust \(trust.word) \(keys.words)",
        ]
    }
}
