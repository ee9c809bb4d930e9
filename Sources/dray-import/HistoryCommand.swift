// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import Importing
import OCI
import RegistryClient
import SystemPackage
import Trust

struct HistoryCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Tell which load brought something into a target or moved it, and who did that.",
        discussion: """
            Answers from the receipts that the state keeps, the newest first, without any network. --from-target asks the \
            registry for the copies that it keeps, for a state that is lost: its site key is gone then, so give --key.

            \(exitCodeHelp([.notTrusted, .registryRefused]))
            """)

    @Option(
        help: ArgumentHelp("Of a manifest, a blob or a release.json: sha256:64 digits.", valueName: "digest"))
    var digest: String?
    @Option(help: ArgumentHelp("As repository:tag, below the target's base path.", valueName: "tag")) var tag: String?
    @Option(help: ArgumentHelp("Not before this day or moment: 2026-11-21, 2026-11-21T03:00:00Z.", valueName: "time"))
    var since: String?
    @Option(help: ArgumentHelp("Loads into this target only: its address or name.", valueName: "target"))
    var target: String?
    @Flag(help: "Ask --target itself for the receipts that it keeps.") var fromTarget = false
    @OptionGroup var connection: ConnectionOptions
    @Option(
        help: ArgumentHelp("The site's public key, where the state hasn't got it.", valueName: "pub"),
        completion: .file())
    var key: [String] = []
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !fromTarget || target != nil else { throw ValidationError("--from-target needs --target") }
        guard since.map(HistoryCommand.isTime) ?? true else {
            throw ValidationError("--since takes a day as 2026-11-21, or a moment as 2026-11-21T03:00:00Z")
        }
        guard digest.map({ (try? Digest(parsing: $0)) != nil }) ?? true else {
            throw ValidationError("--digest takes sha256: and 64 hex digits")
        }
    }

    private static func isTime(_ text: String) -> Bool {
        UTCTime(text) != nil || UTCTime(text + "T00:00:00Z") != nil
    }

    func perform(_ progress: Progress) throws -> Outcome {
        var question = History.Question()
        question.digest = try digest.map { try Digest(parsing: $0) }
        (question.tag, question.since) = (tag, since)
        let place = try target.map { try connection.access(to: $0, state.site) }
        question.target = try place.map { try Endpoint.normalized($0.address) }
        let keys = try state.keys(and: key)
        let source =
            if let place, fromTarget {
                try History.Source(in: registry(place.address, place.access), since: since, progress: progress)
            } else {
                try History.Source(of: state.site)
            }
        return Outcome(History(question, source, keys: keys.keys, keys.names).report())
    }

    private func registry(_ address: String, _ access: TargetAccess) throws -> any LoadTarget {
        guard !address.isFolderAddress else { throw SiteArtifactError.notKept(address) }
        let endpoint = try Endpoint(parsing: address)
        return RegistryTarget(try Registry(endpoint, connection.options(access, for: endpoint)))
    }
}

extension Endpoint {
    /// An address as receipts have it.
    fileprivate static func normalized(_ address: String) throws -> String {
        address.isFolderAddress ? address : try Endpoint(parsing: address).description
    }
}

extension StateOptions {
    /// The keys that prove receipts: those that are given, else the site's, with what they are called.
    func keys(and files: [String]) throws -> (keys: [TrustKey], names: [KeyID: String]) {
        guard !files.isEmpty else { return (try site.receiptKeys(), try site.receiptKeyNames()) }
        var names: [KeyID: String] = [:]
        let keys = try files.map { file in
            try file.mustExist(as: "the public key")
            let key = TrustKey(try PublicKey(pem: try FilePath(file).contents(limit: 1 << 20)))
            names[key.id] = file
            return key
        }
        return (keys, names)
    }
}
