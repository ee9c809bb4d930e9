// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Glibc
import Importing
import SystemPackage

/// `dray`, the bundler: runs where there is a network.
@main
struct Dray: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dray",
        abstract: "Pack a release into signed volumes that cross an air gap.",
        discussion: """
            Make keys and a trust folder once, then pack each release:
              dray key generate --out root.pem
              dray key generate --out release.pem
              dray trust init --product NAME --root-key root.pem \\
                --release-key release.pub.pem --out trust/
              dray pack release.yaml --trust trust/ --key release.pem
            At the site dray-import verifies and loads what dray has packed.
            """,
        version: toolVersion,
        subcommands: [
            KeyCommand.self, TrustCommand.self, PacksCommand.self, MirrorCommand.self, ManifestCommand.self,
            PackCommand.self, SignCommand.self, ParityCommand.self, RepairCommand.self, CopyCommand.self,
            VerifyCommand.self, InspectCommand.self, ListCommand.self, DiffCommand.self, SiteCommand.self,
        ])

    static func main() {
        Glibc.exit(
            runCommand(Dray.self) { fips, state in
                let folder = state.map { FilePath($0) } ?? StateFolder.standard()
                try FIPSInstallation.startLibCrypto(fips: fips, SiteState(folder))
            })
    }
}
