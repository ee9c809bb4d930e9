// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cage
import CommandLineSupport
import Files
import Glibc
import Importing
import SystemPackage

/// `dray-import`, the importer: runs where there is no network, and travels in the kit.
@main
struct DrayImport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dray-import",
        abstract: "Verify a release on media and load it into a registry.",
        discussion: """
            Trust the product's root once, with the fingerprint that came by another way than the media. Then, for each \
            release:
              dray-import verify MEDIA
              dray-import plan MEDIA --to https://host:30003/spectro-content
              dray-import load MEDIA --to https://host:30003/spectro-content

            MEDIA are bundle folders, or folders with bundle folders directly below, as many as there are.
            """,
        version: toolVersion,
        subcommands: [
            TrustCommand.self, VerifyCommand.self, InspectCommand.self, ListCommand.self, PlanCommand.self,
            LoadCommand.self, CheckCommand.self, UndoCommand.self, ExtractCommand.self, ReceiptCommand.self,
            InventoryCommand.self, TargetCommand.self, SyncCommand.self, SandboxCommand.self, CryptoCommand.self,
            SiteCommand.self, ApproveCommand.self, HistoryCommand.self, PruneCommand.self, RepairCommand.self,
        ])

    static func main() {
        // Before anything else makes a thread or reads an option.
        if let code = CagedProcess.runIfAsked() { Glibc._exit(code) }
        Glibc.exit(
            runCommand(DrayImport.self) { fips, state in
                let folder = state.map { FilePath($0) } ?? StateFolder.standard()
                try FIPSInstallation.startLibCrypto(fips: fips, SiteState(folder))
            })
    }
}
