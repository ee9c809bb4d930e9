// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct ReceiptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt", abstract: "Look at what loads have left behind.",
        subcommands: [ShowReceipt.self, ListReceipts.self, VerifyReceipts.self])
}

struct ShowReceipt: Command {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print a receipt.", discussion: exitCodeHelp([.damaged]))

    @Argument(
        help: ArgumentHelp(
            "A receipt's file, or a release that was loaded here: 4.7.27 or product-4.7.27; the newest unless given.",
            valueName: "release"), completion: .file())
    var release: String?
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let kept = try state.site.receipt(release)
        var report = kept.receipt.report(
            file: kept.file, proof: kept.proof, keyNames: try state.site.receiptKeyNames())
        report.warnings += [kept.proof.warning(kept.file)].compactMap(\.self)
        return Outcome(report)
    }
}

struct ListReceipts: Command {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the loads that have left a receipt, the newest first.",
        discussion: exitCodeHelp([]))

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome { Outcome(try state.site.receiptListing(state.words)) }
}

struct VerifyReceipts: Command {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove receipts: each signature, and that none between them is missing.",
        discussion: """
            Checks the files that are named, or all that the state keeps. Then each must name the SHA-256 of the one before it; \
            one that isn't signed itself is proven by a later one that is. --key is for receipts that were carried elsewhere, \
            and for not believing the state's own copy of its public key.

            \(exitCodeHelp([.notTrusted, .damaged]))
            """)

    @Argument(
        help: ArgumentHelp("Files; all that the state keeps unless given.", valueName: "receipt"), completion: .file())
    var receipts: [String] = []
    @Option(
        help: ArgumentHelp("The site's public key; the state's unless given. May be repeated.", valueName: "pub"),
        completion: .file())
    var key: [String] = []
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        for receipt in receipts { try receipt.mustExist(as: "the receipt") }
        let keys = try state.keys(and: key)
        guard !keys.keys.isEmpty else {
            throw UsageError(
                "there is no site key in \(state.site.path) to check with; give the site's public key with --key")
        }
        let files = receipts.isEmpty ? nil : receipts.map { FilePath($0) }
        return Outcome(try ReceiptVerification(files, in: state.site, keys: keys.keys, keys.names).report())
    }
}
