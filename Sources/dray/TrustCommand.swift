// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import OCI
import Packing
import SystemPackage
import Trust

struct TrustCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Keep the metadata by which sites trust a product's releases.",
        subcommands: [InitTrust.self])
}

struct InitTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make the trust folder of a product.",
        discussion: """
            Writes 1.root.json: the root key signs it, and it names the release key that signs bundles. Keep the folder, with
            a backup: each pack stores its next versions there. Give sites the fingerprint by another way than the
            media: paper, telephone, a portal. The root key is needed again only to change keys: keep it offline.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Option(help: "The product's name, for example palette-enterprise: lower case, digits, hyphens.")
    var product: String

    @Option(help: ArgumentHelp("Signs the root. \(KeyOptions.keyHelp)", valueName: "key"), completion: .file())
    var rootKey: String

    @OptionGroup(title: "Keys") var unlocking: KeyOptions

    @Option(
        help: ArgumentHelp("Public key of who signs releases; repeat for more.", valueName: "pem file"),
        completion: .file())
    var releaseKey: [String]

    @Option(help: ArgumentHelp("The folder to make.", valueName: "folder"), completion: .directory)
    var out: String

    @Option(help: "Last day on which the root is valid, YYYY-MM-DD; five years from now unless given.")
    var expires: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard product.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil else {
            throw ValidationError("--product takes lower-case letters, digits and hyphens, 1 to 63 of them")
        }
        guard !releaseKey.isEmpty else { throw ValidationError("--release-key is needed at least once") }
        guard expires.map({ UTCTime.endOfDay($0).map { $0 > .now } ?? false }) ?? true else {
            throw ValidationError("--expires takes a date that is to come, as YYYY-MM-DD")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let now = UTCTime.now
        let folder = FilePath(out)
        let root = try unlocking.key(rootKey)
        let release = try releaseKey.map { try PublicKey(pem: try FilePath($0).contents(limit: 1 << 20)) }
        try TrustFolder.create(
            folder, product: product, rootKeys: [root], releaseKeys: release, issued: now,
            expires: expires.flatMap(UTCTime.endOfDay) ?? now.adding(days: 5 * 365))
        let file = folder.appending("1.root.json")
        let fingerprint = Digest(of: try file.contents(limit: Role.root.byteLimit)).hex
        return Outcome(
            text: "trust folder: \(folder)\nfingerprint:  \(fingerprint)",
            data: ["folder": folder.string, "product": product, "fingerprint": fingerprint],
            next: [
                "# give the fingerprint to every site on paper; trust add compares it there",
                "# put your manifest for release.yaml and the private release key for KEY:",
                "dray pack release.yaml --trust \(folder) --key KEY --out bundles",
            ])
    }
}
