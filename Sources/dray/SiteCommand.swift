// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import Importing
import OCI
import SystemPackage
import Trust

struct SiteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site", abstract: "Know the sites whose inventories may be believed.",
        subcommands: [AddSite.self, ListSites.self, CheckInventory.self])
}

/// Where the sites' keys are.
struct SitesOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The sites' public keys; /var/lib/dray/sites for root, else $XDG_STATE_HOME/dray/sites.",
            valueName: "folder"),
        completion: .directory)
    var sites: String?

    var folder: Sites { Sites(sites.map { FilePath($0) } ?? StateFolder.standard().appending("sites")) }
    /// The option again, for the next command.
    var words: [String] { sites.map { ["--sites", $0] } ?? [] }
}

struct AddSite: Command {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Believe the inventories that a site signs from now on.",
        discussion: """
            Takes the public key that the site carried out: site/key.pub.pem of its state, where dray-import site init put it. \
            Compare the key id with the site by another way. A known site's key is never replaced.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Argument(help: "What to call the site: letters, digits, dots, hyphens.") var name: String
    @Argument(help: ArgumentHelp("Its public key, a PEM file.", valueName: "pub"), completion: .file()) var publicKey:
        String
    @OptionGroup var sites: SitesOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let key = try PublicKey(file: publicKey)
        let isNew = try sites.folder.add(name, key)
        let id = TrustKey(key).id.hex
        return Outcome(
            text: "site: \(name)\nkey:  \(id)\n\(isNew ? "believed from now on" : "believed already")",
            data: ["name": name, "keyid": id, "added": isNew ? "yes" : "no", "folder": sites.folder.folder.string],
            next: [
                "# put an inventory that the site made for INVENTORY:",
                (["dray", "site", "check", "INVENTORY", "--site", name] + sites.words).shellLine,
            ])
    }
}

struct ListSites: Command {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the sites that are known.", discussion: exitCodeHelp([]))

    @OptionGroup var sites: SitesOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let known = try sites.folder.all()
        return Outcome(
            text: known.isEmpty
                ? "no site is known in \(sites.folder.folder)"
                : known.map { "\($0.key.id.hex)  \($0.name)" }.joined(separator: "\n"),
            data: known.map { ["name": $0.name, "keyid": $0.key.id.hex] })
    }
}

struct CheckInventory: Command {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check that an inventory is what a known site signed.",
        discussion: """
            Reads the inventory and the file beside it, NAME.sig.json. Fails where there is none.

            \(exitCodeHelp([.notTrusted, .damaged]))
            """)

    @Argument(help: "What dray-import inventory wrote.", completion: .file()) var inventory: String
    @Option(help: "The site that it must be of; any that is known unless given.") var site: String?
    @OptionGroup var sites: SitesOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let verified = try sites.folder.verify(inventory: FilePath(inventory), site: site)
        return Outcome(
            text: """
                site:      \(verified.site.name)
                key:       \(verified.site.key.id.hex)
                signed at: \(verified.time)
                sha256:    \(verified.digest.hex)
                """,
            data: [
                "site": verified.site.name, "keyid": verified.site.key.id.hex, "time": verified.time,
                "sha256": verified.digest.hex,
            ])
    }
}
