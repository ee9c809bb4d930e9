// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct ReceiptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt", abstract: "Look at what loads have left behind.",
        subcommands: [ShowReceipt.self, ListReceipts.self])
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
        var report = kept.receipt.report(file: kept.file, proof: kept.proof)
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
