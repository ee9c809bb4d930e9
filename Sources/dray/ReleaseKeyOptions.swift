// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import SystemPackage
import Trust

/// The private release keys that sign here and now.
struct ReleaseKeyOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "\(KeyOptions.keyHelp): a release key; repeat for more, up to the threshold.", valueName: "key"),
        completion: .file())
    var key: [String] = []

    @OptionGroup(title: "Keys") var unlocking: KeyOptions

    /// Asks for passwords and PINs where no file gives them. Throws as `KeyOptions.key`.
    func keys() throws -> [PrivateKey] { try key.map(unlocking.key) }
}

/// The trust folder of a product.
struct TrustOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The product's trust folder.", valueName: "folder"), completion: .directory)
    var trust: String

    var path: FilePath { FilePath(trust) }
}

/// Where a change waits for signatures, when the keys don't meet.
struct StageOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Make this folder for holders who sign apart, instead of signing here (dray sign --help).",
            valueName: "folder"))
    var stage: String?
}

/// The last day of something, as people write it.
struct ExpiryDate: ExpressibleByArgument {
    let time: UTCTime

    init?(argument: String) {
        guard let time = UTCTime.endOfDay(argument) else { return nil }
        self.time = time
    }
}

extension PublicKey {
    /// A public key from its file.
    init(file: String) throws { try self.init(pem: try FilePath(file).contents(limit: 1 << 20)) }
}
