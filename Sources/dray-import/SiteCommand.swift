// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import Importing
import SystemPackage
import Trust

struct SiteCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site", abstract: "Make the key that proves this site's receipts, and name who may approve.",
        subcommands: [InitSite.self, ShowSite.self, ApproverCommand.self, SitePolicyCommand.self])
}

struct InitSite: Command {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Give this site a key: its receipts and inventories are signed from then on.",
        discussion: """
            Makes a P-384 key in the state's folder, readable by its owner alone, or takes the one that --key names: a PEM file, \
            which is copied there, or a token's. A key is never replaced. Carry the public key out: dray site add.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Option(help: "What this site is called in receipts; the machine's name unless given.")
    var name: String?
    @Option(
        help: ArgumentHelp("A key that exists. \(KeyOptions.keyHelp)", valueName: "key"), completion: .file())
    var key: String?
    @OptionGroup(title: "Keys") var unlocking: KeyOptions
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let site = state.site
        let name = self.name ?? ReceiptOrigin.here().host
        let opened = try key.map { try unlocking.key($0) }
        let lock = try site.lock()
        defer { withExtendedLifetime(lock) {} }
        let made =
            if let key, let opened { try take(opened, key, name, site) } else { try site.makeSiteKey(name: name) }
        return Outcome(
            text: made.rows(site), data: made.data(site),
            next: [
                "# carry the public key out, so that the people who pack releases can check this site's inventories:",
                "dray site add NAME \(site.sitePublicKeyFile.string.shellWord)",
            ])
    }

    private func take(_ opened: PrivateKey, _ argument: String, _ name: String, _ site: SiteState) throws -> SiteKey {
        guard !SiteKey.isToken(argument) else { return try site.takeSiteKey(opened, name: name, token: argument) }
        var pem = try FilePath(argument).contents(limit: 1 << 20)
        defer { pem.wipe() }
        return try site.takeSiteKey(opened, name: name, file: pem)
    }
}

struct ShowSite: Command {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say which key signs this site's receipts, and who may approve.",
        discussion: exitCodeHelp([]))

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let site = state.site
        let approvers = try site.approvers().map(\.name).joined(separator: ", ")
        guard let key = try site.siteKey() else {
            return Outcome(
                text: "this site has no key: its receipts are not signed, and nothing proves them",
                data: ["state": site.path.string], next: [(["dray-import", "site", "init"] + state.words).shellLine])
        }
        var text = key.rows(site)
        text.appendRow("approvers", approvers.isEmpty ? "none" : approvers)
        return Outcome(text: text, data: key.data(site))
    }
}

extension SiteKey {
    fileprivate func rows(_ site: SiteState) -> String {
        var text = "site:    \(name)"
        text.appendRow("key", key.id.hex)
        text.appendRow("private", argument)
        text.appendRow("public", site.sitePublicKeyFile.string)
        return text
    }

    fileprivate func data(_ site: SiteState) -> [String: String] {
        [
            "name": name, "keyid": key.id.hex, "privateKey": argument, "publicKey": site.sitePublicKeyFile.string,
            "state": site.path.string,
        ]
    }
}

struct ApproverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approver", abstract: "Name the people whose signature under a plan counts here.",
        subcommands: [AddApprover.self, ListApprovers.self, RemoveApprover.self])
}

struct AddApprover: Command {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Let a person's approvals count from now on.",
        discussion: """
            Takes the public key that the person handed over. Compare its key id with them first. The site's own key is refused: \
            an approval is another person's word.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Argument(help: ArgumentHelp("The person's public key, a PEM file.", valueName: "pub"), completion: .file())
    var publicKey: String
    @Option(help: "The person's name; the file's unless given.") var name: String?
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        try publicKey.mustExist(as: "the public key")
        let file = FilePath(publicKey)
        let key = TrustKey(try PublicKey(pem: try file.contents(limit: 1 << 20)))
        let shown = name ?? String((file.lastComponent?.string ?? "").prefix { $0 != "." })
        let site = state.site
        let lock = try site.lock()
        defer { withExtendedLifetime(lock) {} }
        let isNew = try site.add(Approver(name: shown, key: key))
        return Outcome(
            text: "approver: \(shown)\nkey:      \(key.id.hex)\n\(isNew ? "counts from now on" : "counts already")",
            data: ["name": shown, "keyid": key.id.hex, "added": isNew ? "yes" : "no"])
    }
}

struct ListApprovers: Command {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the people whose approvals count here.", discussion: exitCodeHelp([]))

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let approvers = try state.site.approvers()
        let add = ["dray-import", "site", "approver", "add", "PUB"] + state.words
        return Outcome(
            text: approvers.isEmpty
                ? "nobody may approve here" : approvers.map { "\($0.key.id.hex)  \($0.name)" }.joined(separator: "\n"),
            data: approvers.map { ["name": $0.name, "keyid": $0.key.id.hex] },
            next: approvers.isEmpty ? ["# put the person's public key for PUB:", add.shellLine] : [])
    }
}

struct RemoveApprover: Command {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Let a person's approvals count no more; loads that were approved stay as they are.",
        discussion: exitCodeHelp([]))

    @Argument(help: "The person's name, or the key's id, or the first 8 digits of it or more.") var approver: String
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let site = state.site
        let lock = try site.lock()
        defer { withExtendedLifetime(lock) {} }
        let removed = try site.removeApprover(approver)
        return Outcome(
            text: "\(removed.name) (key \(removed.key.id.hex.prefix(16))) approves no more",
            data: ["name": removed.name, "keyid": removed.key.id.hex])
    }
}
