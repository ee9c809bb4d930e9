// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import SystemPackage
import Trust

struct CheckCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Prove that a registry still has what a load put there, without any media.",
        discussion: """
            Asks for every manifest by its bytes, every blob by its size, every tag by its digest, and for every image of every \
            pack, down to its blobs; --deep fetches and hashes the blobs too. Changes nothing. Says what is missing (3) or \
            damaged (13), and which volumes bring it again.

            \(exitCodeHelp([.incomplete, .damaged, .registryRefused]))
            """)

    @Argument(
        help: ArgumentHelp(
            "A receipt's file, or a release that was loaded here: 4.7.27 or product-4.7.27; the newest unless given.",
            valueName: "release"))
    var release: String?
    @OptionGroup var state: StateOptions
    @OptionGroup var target: TargetOptions
    @Flag(help: "Fetch and hash every blob.") var deep = false
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let place = try target.target(state.site)
        let kept = try state.site.receipt(release, at: place.address)
        var check = Check(kept.receipt, at: place, jobs: target.jobs)
        check.isDeep = deep
        let given = (target.words + state.words).shellLine
        var outcome = Outcome(try check.run(progress).report(check, receipt: kept.file.string, given: given))
        let standing = try state.site.releases(at: place.address).releases.flatMap(\.receipts)
        if kept.receipt.target == place.address, !standing.contains(kept.receipt) {
            outcome.warnings.append("this load was undone or pruned since: what only it brought was taken away")
        }
        outcome.warnings += [
            check.pullWarning, kept.proof.warning(kept.file), try SiteArtifact.warning(of: kept, in: place),
        ]
        .compactMap(\.self)
        return outcome
    }
}

struct UndoCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "undo",
        abstract: "Take back what a load did to a registry.",
        discussion: """
            Puts tags back to what the receipt says they were, removes those that the load made, and removes the manifests that \
            it added where no other tag of their repository leads to them. What another release loaded here has too, stays, and \
            so do tags that someone has set since. Without --apply it prints that list and changes nothing. Blobs go with the \
            registry's own collection. Ends with 3 where a tag can't go back because the registry hasn't its content any more.

            \(exitCodeHelp([.incomplete, .notTrusted, .damaged, .refused, .registryRefused]))
            """)

    @Argument(help: "The receipt's file.", completion: .file()) var receipt: String
    @OptionGroup var state: StateOptions
    @OptionGroup var target: TargetOptions
    @Flag(help: "Carry it out.") var apply = false
    @OptionGroup var person: PersonOptions
    @OptionGroup(title: "Site key") var siteKey: SiteKeyOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        try receipt.mustExist(as: "the receipt")
        let kept = try state.site.keptReceipt(FilePath(receipt))
        let receipt = kept.receipt
        let signer = try apply ? siteKey.signer(of: state.site) : nil
        let place = try target.target(state.site)
        guard !place.address.hasPrefix("oci:") else {
            throw UsageError("undo is for registries; a layout folder is a copy: remove it")
        }
        guard receipt.target == place.address else {
            throw UsageError(
                "the receipt is about \(receipt.target), not \(place.address); give that address with --to")
        }
        let lock = try state.site.lock()
        defer { withExtendedLifetime(lock) {} }
        let undo = try Undo(
            receipt, others: state.site.otherReceipts(than: receipt),
            staging: state.site.stagingTags(of: place.address),
            at: place, jobs: target.jobs, progress: progress)
        let again = ["dray-import", "undo", self.receipt] + target.words + state.words + siteKey.words + ["--apply"]
        let warnings = [kept.proof.warning(kept.file)].compactMap(\.self)
        guard apply else {
            var report = undo.report(receipt, refused: nil, again: again.shellLine)
            report.warnings += warnings
            return Outcome(report)
        }
        try state.site.checkUndo(of: kept)
        let ending = undo.carryOut(progress)
        let report = undo.report(receipt, refused: ending.left, again: again.shellLine)
        let file = try undo.record(
            report, receipt: receipt, at: .now, in: state.site, signedBy: signer, tool: "dray-import \(toolVersion)",
            person: person.operator)
        _ = try ending.finished()  // recorded above, however it ended
        var outcome = Outcome(report)
        outcome.warnings += warnings + undo.keepEvidence(file, in: state.site)
        outcome.text.appendRow("record", file.string)
        return outcome
    }
}
