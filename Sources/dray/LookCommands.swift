// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import Packing
import SystemPackage
import Trust

/// Which bundle a command looks at, and by which root.
struct BundleOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Bundle folders, folders with bundles up to three levels below, or files.", valueName: "bundle"),
        completion: .directory)
    var bundle: [String]

    @Option(help: ArgumentHelp("The bundle's folder name, where there are several.", valueName: "name"))
    var release: String?

    func verified(by root: FilePath) throws -> VerifiedBundle {
        let bytes = try root.contents(limit: Role.root.byteLimit)
        let trust = try PinnedRoots(rootFiles: [bytes])
        return try MediaSet(bundle.map { FilePath($0) }, trust: trust).bundle(release).verified(by: trust, now: .now)
    }
}

/// A bundle for those who may look without a root.
struct LookOptions: ParsableArguments {
    static let discussion =
        "Reads no volume. Without --root the bundle is judged by its own root, and the output says so.\n\n"
        + exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused])

    @OptionGroup var bundle: BundleOptions
    @Option(help: ArgumentHelp("The product's first root.", valueName: "file"), completion: .file()) var root: String?

    /// Verified by the root, or, without one, by the bundle's own, which proves that it is whole but not where it is from.
    func verified() throws -> (bundle: VerifiedBundle, warnings: [String]) {
        if let root { return (try bundle.verified(by: FilePath(root)), []) }
        let unverified = try MediaSet(bundle.bundle.map { FilePath($0) }).bundle(bundle.release)
        guard let folder = unverified.folders.first else { throw UsageError("no bundle folder was given") }
        let verified = try bundle.verified(by: folder.appending("trust/1.root.json"))
        return (verified, ["origin not checked: the bundle was judged by its own root; give --root to check it"])
    }
}

struct VerifyCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check every byte of a bundle; change nothing.",
        discussion: """
            Checks signatures from the given root on, then the release, its index and lists, then each 1 MiB block of each
            volume. Names the blocks that are damaged and what they are needed for.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused]))
            """)

    @OptionGroup var bundle: BundleOptions

    @Option(help: ArgumentHelp("The product's first root, trust/1.root.json.", valueName: "file"), completion: .file())
    var root: String

    @Option(
        help: ArgumentHelp("Write what is lacking here, for dray copy --blocks.", valueName: "file"),
        completion: .file())
    var report: String?
    @Option(help: "Threads that read and hash, 1 to 64.") var jobs = 4
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        var report = try bundle.verified(by: FilePath(root)).verification(
            threads: jobs, reportTo: report.map { FilePath($0) }, progress: progress)
        report.next =
            report.failure == nil
            ? ["# if that is not a medium yet: dray copy, which also reads back what it writes"]
            : ["# copy what is named again from a good copy, then the same command"]
        return Outcome(report)
    }
}

struct InspectCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what a bundle is, or a vendor's file that isn't packed.",
        discussion: """
            Of a bundle: release, signers, volumes, sizes, what was read of its contents, capabilities. Of a vendor's file
            (.iso, .tar.zst, .zst, _partNN, .bin): what pack would read of it; an archive is read to its end, a .bin only
            listed, never run. Changes nothing.

            \(LookOptions.discussion)
            """)

    @OptionGroup var look: LookOptions

    @Option(
        help: ArgumentHelp(
            "Check a vendor file's signature, which stands beside it, with this public key; repeat for more.",
            valueName: "file"), completion: .file())
    var vendorKey: [String] = []

    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        if let path = look.bundle.bundle.first, try VendorInspection.isVendorFile(FilePath(path)) {
            guard look.bundle.bundle.count == 1, look.root == nil, look.bundle.release == nil else {
                throw UsageError("a vendor's file is inspected alone, without --root and --release")
            }
            let keys = vendorKey.map { FilePath($0) }
            return Outcome(
                VendorInspection(try inspectVendorFile(FilePath(path), keys: keys, progress: progress)).report)
        }
        guard vendorKey.isEmpty else { throw UsageError("--vendor-key is for a vendor's file; a bundle takes --root") }
        let (verified, warnings) = try look.verified()
        return Outcome(verified.inspection, warnings: warnings)
    }
}

struct ListCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what a bundle delivers: references for the registry, and files.",
        discussion: LookOptions.discussion)

    @OptionGroup var look: LookOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let (verified, warnings) = try look.verified()
        return Outcome(verified.listing, warnings: warnings)
    }
}

extension Outcome {
    /// What a workflow reported, as this command's outcome.
    init(_ report: Report, warnings: [String] = []) {
        self.init(
            text: report.text, data: report.json, warnings: report.warnings + warnings, next: report.next,
            failure: report.failure)
    }
}
