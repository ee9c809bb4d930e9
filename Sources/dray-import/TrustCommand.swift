// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import OCI
import SystemPackage
import Trust

struct TrustCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust", abstract: "Decide whose releases this site takes.",
        subcommands: [AddTrust.self, UpdateTrust.self, ShowTrust.self])
}

struct AddTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Trust a product's root from now on.",
        discussion: """
            Shows the root's product and fingerprint and asks whether it is the one you were given by another way than the \
            media: on paper, by telephone, from a portal. A fingerprint that stands on the media proves nothing. With \
            --fingerprint the comparison is done here; without a terminal it is required.

            \(exitCodeHelp([.notTrusted, .expired, .refused, .incomplete, .noSpace]))
            """)

    @Argument(help: "A 1.root.json, or media that hold one in trust/.", completion: .file())
    var source: String

    @Option(
        help: ArgumentHelp("The fingerprint you were given; case, spaces and colons don't matter.", valueName: "hex"))
    var fingerprint: String?

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        try source.mustExist(as: "the root or media")
        let root = try RootCandidate(at: FilePath(source))
        try root.checkExpiry(now: .now)
        if let fingerprint {
            guard let typed = RootCandidate.fingerprint(typed: fingerprint) else {
                throw UsageError("--fingerprint takes 64 hex digits, \"\(fingerprint.prefix(100))\" is something else")
            }
            try root.check(typed)
        } else {
            try ask(root)
        }
        let site = state.site
        let isNew = try site.add(root: root.bytes)
        let next = ["dray-import", "verify", root.media?.string ?? "MEDIA"] + state.words
        return Outcome(
            text: """
                product:     \(root.product)
                fingerprint: \(root.shownFingerprint)
                \(isNew ? "trusted from now on" : "trusted already"), in \(site.path)
                """,
            data: [
                "product": root.product, "fingerprint": root.fingerprint.hex, "added": isNew ? "yes" : "no",
                "state": site.path.string,
            ], next: (root.media == nil ? ["# put the folder of the bundle for MEDIA:"] : []) + [next.shellLine])
    }

    private func ask(_ root: RootCandidate) throws {
        guard StandardInput.isTerminal, output.output == .text else {
            throw UsageError(
                "there is no terminal to ask on: give the fingerprint that you got by another way than the media, with "
                    + "--fingerprint HEX")
        }
        StandardError.print(
            """
            product:     \(root.product)
            valid until: \(root.expires)
            fingerprint: \(root.shownFingerprint)
            Compare every digit with the fingerprint that you got by another way than these media.
            Is it the same? Type yes to trust it:
            """)
        guard StandardInput.line()?.lowercased() == "yes" else { throw NotConfirmed() }
    }
}

private struct NotConfirmed: ClassifiedError {
    var failure: Failure { .notTrusted }
    var description: String { "not confirmed, nothing was changed; ask the sender for the fingerprint" }
}

struct UpdateTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Take newer roots and lists of releases from media; load nothing.",
        discussion: """
            Checks the trust metadata of bundles, or of folders that hold nothing else (dray trust export), from the roots that \
            are trusted here on, and keeps what is newer. Releases that the newer lists leave out are refused (12) from then \
            on, and keys that newer roots have dropped sign nothing any more. Never goes back.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .noSpace]))
            """)

    @OptionGroup var media: MediaOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        for folder in media.media { try folder.mustExist(as: "the media folder") }
        let found = try MediaSet(media.media.map { FilePath($0) })
        return try media.sayingHowToTrust {
            Outcome(try media.state.site.updateTrust(found, media.release, now: .now, words: media.state.words))
        }
    }
}

struct ShowTrust: Command {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say what is trusted here, until when, and what to do next.",
        discussion: """
            Products with their roots, keys and thresholds; what was accepted last; which products each target takes; the \
            policy; the clock. Warns 90 days before anything expires. Changes nothing.

            \(exitCodeHelp([.notTrusted, .refused]))
            """)

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        Outcome(try TrustStatus(state.site, clock: .now).report(state.words))
    }
}
