// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import Packing
import SystemPackage
import Trust

struct RotateTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Make the next root: change keys or thresholds, or only renew it.",
        discussion: """
            Signs root N+1 with the root keys given, which must meet the threshold of root N and that of N+1. Where
            the keys that signed the last release don't count any more, the list of supported releases is signed anew by the
            new release keys (--key). Bundles that only removed keys have signed are refused by sites that know the
            new root: dray trust renew BUNDLE signs one again. A root is never taken back; a lost key is removed, too.

            \(exitCodeHelp([.notTrusted, .expired, .refused, .noSpace]))
            """)

    @OptionGroup var trust: TrustOptions

    @Option(
        help: ArgumentHelp(
            "\(KeyOptions.keyHelp): a root key, old or new, that signs; repeat for more.", valueName: "key"),
        completion: .file())
    var rootKey: [String] = []

    @OptionGroup var release: ReleaseKeyOptions

    @Option(help: ArgumentHelp("Public root key to add.", valueName: "pem file"), completion: .file())
    var addRootKey: [String] = []

    @Option(help: ArgumentHelp("Root key to remove: its public file, or its id.", valueName: "key"))
    var removeRootKey: [String] = []

    @Option(help: ArgumentHelp("Public release key to add.", valueName: "pem file"), completion: .file())
    var addReleaseKey: [String] = []

    @Option(help: ArgumentHelp("Release key to remove: its public file, or its id.", valueName: "key"))
    var removeReleaseKey: [String] = []

    @Option(help: "How many root keys must sign from now on.") var rootThreshold: Int?
    @Option(help: "How many release keys must sign from now on.") var releaseThreshold: Int?

    @Option(help: "Last day on which the new root is valid, YYYY-MM-DD; five years from now unless given.")
    var expires: ExpiryDate?

    @OptionGroup var stage: StageOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try RotateTrust.checkDate(expires) }

    static func checkDate(_ date: ExpiryDate?) throws {
        guard date.map({ $0.time > .now }) ?? true else {
            throw ValidationError("--expires takes a date that is to come, as YYYY-MM-DD")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        var folder = try TrustFolder(trust.path)
        let root = folder.root.root
        let change = RootChange(
            root: RootChange.Keys(
                added: try addRootKey.map { try PublicKey(file: $0) },
                removed: Set(try removeRootKey.map { try KeyID(argument: $0, among: root[.root]) }),
                threshold: rootThreshold),
            release: RootChange.Keys(
                added: try addReleaseKey.map { try PublicKey(file: $0) },
                removed: Set(try removeReleaseKey.map { try KeyID(argument: $0, among: root[.targets]) }),
                threshold: releaseThreshold),
            expires: expires?.time ?? UTCTime.now.adding(days: 5 * 365))
        let proposal = try folder.rotation(change, now: .now)
        let keys = try rootKey.map(release.unlocking.key) + release.keys()
        return try folder.settle(proposal, keys, stage: stage.stage, trust: trust.path)
    }

    func explained(_ error: any Error) -> any Error { named(error, rootKey + release.key) }
}

extension KeyID {
    /// A key of a role by its public file or its id, of which the first 8 digits or more are enough.
    fileprivate init(argument: String, among role: RoleKeys) throws {
        let digits = argument.lowercased()
        if digits.count >= 8, digits.allSatisfy(\.isHexDigit) {
            let found = role.keys.filter { $0.id.hex.hasPrefix(digits) }
            guard found.count == 1, let key = found.first else { throw SigningError.keyUnlisted(argument) }
            self = key.id
        } else {
            let id = TrustKey(try PublicKey(file: argument)).id
            guard role.keys.contains(where: { $0.id == id }) else { throw SigningError.keyUnlisted(id.hex) }
            self = id
        }
    }
}

extension TrustFolder {
    /// Signs and stores a change, or makes a stage of it, which the keys at hand sign at once.
    fileprivate mutating func settle(
        _ proposal: Proposal, _ keys: [PrivateKey], stage: String?, trust: FilePath, bundle: FilePath? = nil
    ) throws -> Outcome {
        guard let stage else {
            let former = root.root
            let set = try carryOut(proposal, by: keys, now: .now)
            return Outcome(published: root, set, trust: trust, asksMore: root.root.asksMore(than: former))
        }
        let made = try SigningStage(writing: proposal, to: FilePath(stage))
        for key in keys { _ = try made.add(key) }
        return Outcome(staged: made, trust: trust, bundle: bundle)
    }
}

struct DelistRelease: Command {
    static let configuration = CommandConfiguration(
        commandName: "delist",
        abstract: "End the support of releases: sites that learn of it refuse their media.",
        discussion: """
            Signs the list of supported releases without these. Sites learn of it from the next bundle, or from a trust-only
            bundle (dray trust export), and refuse the release with 12 from then on.

            \(exitCodeHelp([.notTrusted, .expired, .refused, .noSpace]))
            """)

    @Argument(help: "The releases' versions, as dray trust status lists them.")
    var version: [String]

    @OptionGroup var trust: TrustOptions
    @OptionGroup var release: ReleaseKeyOptions

    @Option(help: "Last day on which the list is valid, YYYY-MM-DD; 18 months from now or later unless given.")
    var expires: ExpiryDate?

    @OptionGroup var stage: StageOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try RotateTrust.checkDate(expires) }

    func perform(_ progress: Progress) throws -> Outcome {
        var folder = try TrustFolder(trust.path)
        let proposal = try folder.delisting(version, expires: expires?.time, now: .now)
        return try folder.settle(proposal, release.keys(), stage: stage.stage, trust: trust.path)
    }

    func explained(_ error: any Error) -> any Error { named(error, release.key) }
}

struct RenewTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Sign again what was published, with a later end or by new keys.",
        discussion: """
            Without a bundle it signs the list of supported releases, for a trust-only bundle. With one it gives that bundle
            new metadata in place: for media whose metadata has expired, or whose signers were removed from the root. Its
            volumes don't change, only trust/, SHA256SUMS and copies/ need copying.

            \(exitCodeHelp([.notTrusted, .expired, .damaged, .refused, .noSpace]))
            """)

    @Argument(help: "A bundle that was signed before.", completion: .directory)
    var bundle: String?

    @OptionGroup var trust: TrustOptions
    @OptionGroup var release: ReleaseKeyOptions

    @Option(help: "Last day on which it is valid, YYYY-MM-DD; 18 months from now, or its supportEnd, unless given.")
    var expires: ExpiryDate?

    @OptionGroup var stage: StageOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try RotateTrust.checkDate(expires) }

    func perform(_ progress: Progress) throws -> Outcome {
        var folder = try TrustFolder(trust.path)
        let keys = try release.keys()
        guard let bundle = bundle.map({ FilePath($0) }) else {
            let proposal = try folder.renewal(expires: expires?.time, now: .now)
            return try folder.settle(proposal, keys, stage: stage.stage, trust: trust.path)
        }
        let proposal = try folder.renewal(of: bundle, expires: expires?.time, now: .now)
        guard stage.stage == nil else {
            return try folder.settle(proposal, keys, stage: stage.stage, trust: trust.path, bundle: bundle)
        }
        try folder.renew(bundle, proposal, by: keys, now: .now)
        return Outcome(published: folder.root, folder.published, trust: trust.path, bundle: bundle)
    }

    func explained(_ error: any Error) -> any Error { named(error, release.key) }
}

struct ExportTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a trust-only bundle: new keys and withdrawn releases, in less than 64 KiB.",
        discussion: """
            Writes OUT/<product>-trust-<root>-<timestamp>/ with the newest metadata, its sums and a recipe to check it with
            openssl; no release. A site takes it with dray-import trust update. The trust folder isn't changed.

            \(exitCodeHelp([.expired, .refused, .noSpace]))
            """)

    @OptionGroup var trust: TrustOptions
    @OptionGroup var release: ReleaseKeyOptions

    @Option(help: ArgumentHelp("Where the folder goes.", valueName: "folder"), completion: .directory)
    var out: String

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !release.key.isEmpty else { throw ValidationError("--key is needed: one release key signs the sums") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let export = try TrustExport(try TrustFolder.look(trust.path), at: trust.path, now: .now)
        let (folder, bytes) = try export.write(below: FilePath(out), keys: release.keys())
        struct Data: Encodable {
            let folder: String
            let bytes: Int
        }
        return Outcome(
            text: "trust-only bundle: \(folder), \(bytes) bytes", data: Data(folder: folder.string, bytes: bytes),
            next: [
                "# carry the folder to the sites; there, with its place for MEDIA:", "dray-import trust update MEDIA",
            ])
    }

    func explained(_ error: any Error) -> any Error { named(error, release.key) }
}
