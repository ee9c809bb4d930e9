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

struct TrustCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Keep the metadata by which sites trust a product's releases.",
        subcommands: [
            InitTrust.self, TrustStatusCommand.self, RotateTrust.self, DelistRelease.self, RenewTrust.self,
            ExportTrust.self,
        ])
}

struct InitTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make the trust folder of a product.",
        discussion: """
            Writes 1.root.json: the root keys sign it, and it names the release keys that sign bundles. Keep the folder, with
            a backup: each pack stores its next versions there. Give sites the fingerprint by another way than the
            media: paper, telephone, a portal. Root keys are needed again only to change keys: keep them offline. Where
            they don't meet, --stage makes a folder for their holders, and dray sign assemble makes the trust folder.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Option(help: "The product's name, for example palette-enterprise: lower case, digits, hyphens.")
    var product: String

    @Option(
        help: ArgumentHelp(
            "Signs roots, from now on; a public key where its holder is elsewhere; repeat for more. "
                + KeyOptions.keyHelp, valueName: "key"),
        completion: .file())
    var rootKey: [String]

    @OptionGroup(title: "Keys") var unlocking: KeyOptions

    @Option(
        help: ArgumentHelp("Public key of who signs releases; repeat for more.", valueName: "pem file"),
        completion: .file())
    var releaseKey: [String]

    @Option(help: "How many root keys must sign a root.") var rootThreshold = 1
    @Option(help: "How many release keys must sign a release.") var releaseThreshold = 1

    @Option(help: ArgumentHelp("The trust folder to make.", valueName: "folder"), completion: .directory)
    var out: String

    @Option(help: "Last day on which the root is valid, YYYY-MM-DD; five years from now unless given.")
    var expires: ExpiryDate?

    @OptionGroup var stage: StageOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard product.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil else {
            throw ValidationError("--product takes lower-case letters, digits and hyphens, 1 to 63 of them")
        }
        guard !rootKey.isEmpty else { throw ValidationError("--root-key is needed at least once") }
        guard !releaseKey.isEmpty else { throw ValidationError("--release-key is needed at least once") }
        try RotateTrust.checkDate(expires)
        try InitTrust.check(rootThreshold, of: rootKey.count, "--root-threshold")
        try InitTrust.check(releaseThreshold, of: releaseKey.count, "--release-threshold")
    }

    private static func check(_ threshold: Int, of keys: Int, _ option: String) throws {
        guard (1...min(keys, TrustLimits.signatures)).contains(threshold) else {
            throw ValidationError("\(option) takes 1 to the number of keys given, here \(keys)")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let now = UTCTime.now
        let keys = try rootKey.map { try GivenKey($0, unlocking) }
        let root = try Root(
            firstFor: product, rootKeys: keys.map(\.publicKey), rootThreshold: rootThreshold,
            releaseKeys: try releaseKey.map { try PublicKey(file: $0) }, releaseThreshold: releaseThreshold,
            issued: now,
            expires: expires?.time ?? now.adding(days: 5 * 365))
        let proposal = Proposal(first: root)
        if let stage = stage.stage {
            let made = try SigningStage(writing: proposal, to: FilePath(stage))
            for key in keys.compactMap(\.privateKey) { _ = try made.add(key) }
            return Outcome(staged: made, trust: FilePath(out))
        }
        let signed = try proposal.signed(by: keys.compactMap(\.privateKey), now: now).root
        try TrustFolder.create(FilePath(out), signed)
        return Outcome(created: signed, folder: FilePath(out))
    }
}

/// A key that an option names, by its private or its public half.
struct GivenKey {
    let publicKey: PublicKey
    /// `nil` where only the public half is here.
    let privateKey: PrivateKey?

    init(_ argument: String, _ unlocking: KeyOptions) throws {
        if let key = GivenKey.publicHalf(argument) {
            (publicKey, privateKey) = (key, nil)
        } else {
            let key = try unlocking.key(argument)
            (publicKey, privateKey) = (key.publicKey, key)
        }
    }

    /// What a file holds that is a public key; anything else is for the reader of private keys, whose errors say more.
    private static func publicHalf(_ argument: String) -> PublicKey? {
        do { return try PublicKey(file: argument) } catch { return nil }
    }
}

extension Outcome {
    /// A trust folder was made.
    init(created root: TrustedRoot, folder: FilePath) {
        let fingerprint = root.fingerprint
        self.init(
            text: "trust folder: \(folder)\nfingerprint:  \(RootCandidate.grouped(fingerprint))",
            data: ["folder": folder.string, "product": root.root.product, "fingerprint": fingerprint],
            next: Outcome.firstSteps(root.root, folder))
    }

    /// What follows a product's first root.
    static func firstSteps(_ root: Root, _ folder: FilePath) -> [String] {
        ["# give the fingerprint to every site on paper; trust add compares it there"] + firstPack(root, folder)
    }

    /// The command that packs a product's first release.
    static func firstPack(_ root: Root, _ folder: FilePath) -> [String] {
        let keys = KeyPlaces(root[.targets].threshold)
        return [
            "# put your manifest for release.yaml and the private release \(keys.noun) for \(keys.names):",
            "dray pack release.yaml --trust \(folder.word) \(keys.words) --out bundles",
        ]
    }
}
