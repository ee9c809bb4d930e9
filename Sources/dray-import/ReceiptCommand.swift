// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct ReceiptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt", abstract: "Look at what loads have left behind.", subcommands: [ShowReceipt.self])
}

struct ShowReceipt: Command {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print a receipt.", discussion: exitCodeHelp([.damaged]))

    @Argument(help: "The receipt's file.", completion: .file()) var receipt: String
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let file = FilePath(receipt)
        try receipt.mustExist(as: "the receipt")
        return Outcome(try Receipt(at: file).report(file: file))
    }
}
