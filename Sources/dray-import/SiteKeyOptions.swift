// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Importing
import SystemPackage

/// How the site's key is unlocked where it needs that; the names differ from those of the registry's login.
struct SiteKeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The password of the site's key: the first line of this file; asked for unless given.", valueName: "file"),
        completion: .file())
    var siteKeyPasswordFile: String?

    @Option(
        help: ArgumentHelp("The PIN of the site key's token: the first line of this file.", valueName: "file"),
        completion: .file())
    var pinFile: String?

    @Option(
        name: .customLong("pkcs11-module"),
        help: ArgumentHelp("The module of that token; p11-kit's modules unless given.", valueName: "file"),
        completion: .file())
    var module: String?

    /// The options again, for the next command.
    var words: [String] {
        (siteKeyPasswordFile.map { ["--site-key-password-file", $0] } ?? [])
            + (pinFile.map { ["--pin-file", $0] } ?? [])
            + (module.map { ["--pkcs11-module", $0] } ?? [])
    }

    /// What signs the receipts and inventories of a site; `nil` where it has no key. Opened before anything is done.
    func signer(of site: SiteState) throws -> SiteSigner? {
        guard let key = try site.siteKey() else { return nil }
        return try key.signer(
            PrivateKey(
                argument: key.argument, passwordFile: siteKeyPasswordFile.map { FilePath($0) },
                pinFile: pinFile.map { FilePath($0) }, module: module))
    }
}
