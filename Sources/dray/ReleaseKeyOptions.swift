// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import Importing
import Packing
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
    /// A public key from its file. Throws `FileError`, `UnusablePublicKey`.
    init(file: String) throws {
        let pem = try FilePath(file).contents(limit: 1 << 20)
        do throws(KeyError) {
            try self.init(pem: pem)
        } catch { throw UnusablePublicKey(file: file, reason: error) }
    }
}

/// A file holds no public key that can be used; which one, and why.
struct UnusablePublicKey: ClassifiedError {
    let file: String
    let reason: KeyError

    var failure: Failure { .usage }
    var description: String {
        guard case .wrongLabel(let label, _) = reason, label.hasSuffix("PRIVATE KEY") else {
            return "\(file): \(reason)"
        }
        return "\(file): \(reason); give the public half, the .pub.pem beside it"
    }
}

extension FilePath {
    /// One word of a shell's command line.
    var word: String { string.shellWord }
}

/// Places for as many private keys as must sign.
struct KeyPlaces {
    /// `KEY`, or `KEY1, KEY2`.
    let names: String
    /// `key` or `keys`.
    let noun: String
    /// `--key KEY`, or `--key KEY1 --key KEY2`.
    let words: String

    init(_ count: Int, option: String = "--key") {
        let places = count > 1 ? (1...count).map { "KEY\($0)" } : ["KEY"]
        noun = count > 1 ? "keys" : "key"
        names = places.joined(separator: ", ")
        words = places.map { "\(option) \($0)" }.joined(separator: " ")
    }
}

/// What `explained` makes of an error about keys that were given in this order.
func named(_ error: any Error, _ keys: [String]) -> any Error {
    (error as? SigningError).map { $0.naming(keys) } ?? error
}
