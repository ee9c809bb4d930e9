// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Copying
import Files
import Importing
import SystemPackage
import Trust

struct CopyCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copy a bundle to sticks, disks or images of discs, and read it back.",
        discussion: """
            Makes MOUNT/<bundle>/ on each medium: the small files on every one, each volume on one of them, by free space. Each
            block is compared with its signed SHA-256 as it is read and again as it is read back from the medium. What is good
            there isn't written again: after a pulled stick, a full disk or a kill the same command goes on; on media that
            are complete it checks every byte and rewrites only bad blocks. Nothing that it hasn't written is removed. A label
            to read (MEDIUM-*.txt) and a sheet to print (MEDIUM-*.html) stand beside the bundle. Without --root the bundle
            is judged by its own root, and the output says so.

            \(exitCodeHelp(
                [.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .noSpace],
                meaning: [
                    .failed: "a medium failed, the others are done; the same command again goes on",
                    .incomplete: "the bundle lacks volumes, or no other medium came in time",
                    .damaged: "the bundle itself is damaged",
                    .refused: "a volume too large for the file system, or something else stands in the place",
                    .noSpace: "the media are too small: how many would do",
                ]))
            """)

    @OptionGroup var bundle: BundleOptions

    @Option(
        help: ArgumentHelp(
            "Where a medium is mounted; repeat for several, written at the same time.", valueName: "mount"),
        completion: .directory)
    var to: [String] = []

    @Flag(help: "Media come one after another to the one --to: wait for each, fill it, ask for the next.")
    var oneByOne = false

    @Option(
        help: ArgumentHelp("With --one-by-one: wait so long for a medium; without it for ever.", valueName: "seconds"))
    var timeout: Int?

    @Flag(help: "One folder, no folders in it: every file as <bundle>--<name> with -- for each /, for gateways.")
    var flat = false

    @Option(
        help: ArgumentHelp(
            "Copy only the blocks that this report asks for, and the small files: the file of verify --report, or its line "
                + "(dray:...).", valueName: "report"), completion: .file())
    var blocks: String?

    @Option(
        help: ArgumentHelp("Write images of discs, ready to burn, into this folder (xorriso).", valueName: "folder"),
        completion: .directory)
    var readOnlyMedia: String?

    @Option(help: ArgumentHelp("With --read-only-media: dvd, bd25, bd50, bd100, or a size.", valueName: "size"))
    var capacity: String?

    @Option(help: ArgumentHelp("The product's first root, trust/1.root.json.", valueName: "file"), completion: .file())
    var root: String?

    @Flag(help: "After a run that was cut short: also read again what that had read back.")
    var recheck = false

    @Flag(help: "Say what would go where, and stop.")
    var dryRun = false

    @Option(help: ArgumentHelp("Where journals of unfinished copies are kept.", valueName: "folder"))
    var state: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard to.isEmpty != (readOnlyMedia == nil) else {
            throw ValidationError("give --to MOUNT, once for each medium, or --read-only-media FOLDER")
        }
        guard (readOnlyMedia == nil) == (capacity == nil) else {
            throw ValidationError("--read-only-media needs --capacity: dvd, bd25, bd50, bd100 or a size")
        }
        guard !(oneByOne || blocks != nil) || to.count == 1 else {
            throw ValidationError("\(oneByOne ? "--one-by-one" : "--blocks") takes one --to")
        }
        guard !oneByOne || blocks == nil else { throw ValidationError("--blocks needs one medium, not --one-by-one") }
        guard readOnlyMedia == nil || !flat else { throw ValidationError("--flat is for --to") }
        guard timeout.map({ oneByOne && $0 > 0 }) ?? true else {
            throw ValidationError("--timeout takes seconds and goes with --one-by-one")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        progress.label = "verifying the small files"
        let (source, warnings) = try source()
        var outcome: Outcome
        if let readOnlyMedia {
            outcome = try images(source, FilePath(readOnlyMedia), progress)
        } else if let blocks {
            outcome = try copyBlocks(source, blocks, progress)
        } else if oneByOne {
            outcome = try copyOneByOne(source, progress)
        } else {
            outcome = try copy(source, progress)
        }
        outcome.warnings = warnings + outcome.warnings
        return outcome
    }

    private var options: CopyOptions {
        var options = CopyOptions(state: state.map { FilePath($0) } ?? StateFolder.standard())
        (options.isFlat, options.rechecks) = (flat, recheck)
        return options
    }

    private func source() throws -> (CopySource, [String]) {
        let media = try MediaSet(bundle.bundle.map { FilePath($0) }).bundle(bundle.release)
        let bytes: [UInt8]
        if let root {
            bytes = try FilePath(root).contents(limit: Role.root.byteLimit)
        } else if let own = try media.firstRoot() {
            bytes = own
        } else {
            throw BundleError.unsigned(media.folders.first?.appending("trust") ?? FilePath(media.name))
        }
        let verified = try media.verified(
            by: try PinnedRoots(rootFiles: [bytes]), now: .now, expiry: root == nil ? .report : .refuse)
        let origin =
            root == nil ? ["origin not checked: the bundle was judged by its own root; give --root to check it"] : []
        return (try CopySource(verified, media: media), origin + verified.findings.map(\.description))
    }

    // MARK: The four ways

    private func copy(_ source: CopySource, _ progress: Progress) throws -> Outcome {
        let plan = try CopyPlan(source, to: to.map { FilePath($0) }, options)
        guard !dryRun else { return Outcome(CopyReport.planned(plan)) }
        return Outcome(CopyReport.done(source, try plan.run(progress)))
    }

    private func copyOneByOne(_ source: CopySource, _ progress: Progress) throws -> Outcome {
        let run = try OneByOne(source, at: FilePath(to[0]), options, timeout: timeout) { StandardError.print($0) }
        guard !dryRun else { return Outcome(CopyReport.planned(source, try run.mediaNeeded(), at: to[0])) }
        return Outcome(CopyReport.done(source, try run.run(progress)))
    }

    private func copyBlocks(_ source: CopySource, _ report: String, _ progress: Progress) throws -> Outcome {
        let isLine = report.hasPrefix("dray:")
        let bytes = isLine ? Array(report.utf8) : try FilePath(report).contents(limit: BlockReport.maximumSize)
        let copy = try BlocksCopy(source, try BlockReport(parsing: bytes), to: FilePath(to[0]), isFlat: flat)
        guard !dryRun else {
            return Outcome(
                text: "\(copy.count) blocks of \(source.name) would be copied to \(to[0].printable)",
                data: ["blocks": JSONValue.int(Int64(copy.count))])
        }
        let result = try copy.run(progress)
        return Outcome(
            text: "\(result.blocks) blocks of \(source.name) in \(result.folder.printable), read back",
            data: [
                "blocks": JSONValue.int(Int64(result.blocks)),
                "files": .array(result.files.map { .string($0.string) }),
                "bytesWritten": .int(Int64(clamping: result.bytesWritten)),
            ], next: ["# at the site give this folder beside the media, to dray-import verify, repair or load"])
    }

    private func images(_ source: CopySource, _ folder: FilePath, _ progress: Progress) throws -> Outcome {
        let images = try DiscImages(source, in: folder, capacity: try DiscCapacity(capacity ?? "").bytes)
        guard !dryRun else { return Outcome(CopyReport.planned(source, images)) }
        return Outcome(CopyReport.done(source, try images.run(progress)))
    }
}

/// What a disc takes: the whole user capacity of its standard, where `--volume-size` leaves room for the small files.
private struct DiscCapacity {
    let bytes: UInt64

    private static let discs: [String: UInt64] = [
        "dvd": 4_700_372_992, "bd25": 25_025_314_816, "bd50": 50_050_629_632, "bd100": 100_103_356_416,
    ]

    init(_ text: String) throws {
        if let bytes = DiscCapacity.discs[text.lowercased()] {
            self.bytes = bytes
            return
        }
        do throws(ByteSizeError) { bytes = try ByteSize(parsing: text).bytes } catch {
            throw UsageError("--capacity: \(error)")
        }
    }
}
