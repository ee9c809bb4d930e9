// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import Packing
import SystemPackage
import Trust

struct TrustStatusCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say in words whose keys count, what was published, until when, and what to do next.",
        discussion: """
            Changes nothing. With --media it also compares the trust folder with bundles that were published, and refuses (14)
            where one version has two contents: then two copies of the folder went on apart.

            \(exitCodeHelp([.notTrusted, .damaged, .refused]))
            """)

    @OptionGroup var trust: TrustOptions

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Bundles, or folders with bundles directly below.", valueName: "bundle"),
        completion: .directory)
    var media: [String] = []

    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let state = try TrustFolder.look(trust.path)
        let compared = try state.checkForks(in: trust.path, against: media.map { FilePath($0) })
        let outdated = try OutdatedBundles(among: compared, by: state)
        let status = TrustFolderStatus(state, compared: compared, outdated: outdated.renewable, now: .now)
        var warnings = outdated.unreadable
        if !media.isEmpty && compared.isEmpty { warnings.append("none of the media is a bundle of this trust") }
        return Outcome(
            text: status.text, data: status, warnings: warnings, next: status.next(trust.path, state.root.root))
    }
}

extension TrustFolderStatus {
    fileprivate var text: String {
        var lines = [
            "product:     \(product)", "fingerprint: \(RootCandidate.grouped(fingerprint))",
            "root:        version \(rootVersion), expires \(rootExpires)",
        ]
        for group in keys {
            lines.append(
                "\(group.roles.joined(separator: ", ")): \(group.threshold) of \(group.keys.count) keys must sign")
            lines += group.keys.map { "  \($0.id) \($0.kind)" }
        }
        if let published {
            lines.append(
                "published:   targets \(published.targets), snapshot \(published.snapshot), timestamp "
                    + "\(published.timestamp), with release \(published.release), expires \(published.expires)")
            lines.append("supported:   \(supported.isEmpty ? "no release" : supported.joined(separator: ", "))")
        } else {
            lines.append("published:   nothing yet")
        }
        lines += compared.map { "no fork in:  \($0)" }
        return (lines + needs.map { "note:        \(words($0))" }).joined(separator: "\n")
    }

    private func words(_ need: Need) -> String {
        switch need {
        case .firstRelease: "no release was packed yet"
        case .rootExpired: "the root has expired: nothing that it signs is accepted; make the next root"
        case .rootExpiresSoon: "the root expires within half a year; make the next root in time"
        case .keysChanged:
            "the newest root's keys have signed nothing yet; sites with that root accept nothing until they do"
        case .setExpired: "what was published has expired"
        case .setExpiresSoon: "what was published expires within three months"
        case .bundlesOutdated:
            "sites that know root \(rootVersion) refuse media whose signers it no longer accepts: "
                + outdated.joined(separator: ", ")
        }
    }

    fileprivate func next(_ trust: FilePath, _ root: Root) -> [String] {
        guard let need = needs.first else { return ["# nothing needs doing"] }
        let keys = KeyPlaces(root[.targets].threshold)
        let release = "# with the private release \(keys.noun) for \(keys.names):"
        let renewals = outdated.map { "dray trust renew \($0.shellWord) --trust \(trust.word) \(keys.words)" }
        let bundles = renewals.isEmpty ? [] : [release] + renewals
        switch need {
        case .firstRelease: return Outcome.firstPack(root, trust)
        case .rootExpired, .rootExpiresSoon:
            let keys = KeyPlaces(root[.root].threshold, option: "--root-key")
            return [
                "# with the private root \(keys.noun) for \(keys.names):",
                "dray trust rotate --trust \(trust.word) \(keys.words)",
            ] + bundles
        case .keysChanged, .setExpired, .setExpiresSoon:
            return [release, "dray trust renew --trust \(trust.word) \(keys.words)"] + renewals
        case .bundlesOutdated: return bundles
        }
    }
}
