// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import Parity
import SystemPackage
import Trust

struct ParityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parity", abstract: "Make parity, from which lost and damaged volumes are repaired.",
        subcommands: [AddParity.self])
}

extension ParityAmount: ExpressibleByArgument {
    /// `nil` where `init(parsing:)` gives it.
    public init?(argument: String) { self.init(parsing: argument) }

    /// What the option takes.
    static let help = ArgumentHelp(
        "How much parity: 2 (so many volumes may be lost) or 10% (of the volumes' bytes); up to 32, or 100%.",
        valueName: "amount")
}

extension BundleOptions {
    /// The bundle for work that needs no trust in its origin: checked by the root where one is given, else by its own.
    func basis(root: String?) throws -> RepairBasis {
        for folder in bundle {
            guard try FilePath(folder).exists() else {
                throw UsageError("\(folder.printable) does not exist; check its name")
            }
        }
        let unverified = try MediaSet(bundle.map { FilePath($0) }).bundle(release)
        guard let root else { return try RepairBasis(judgedByItself: unverified, now: .now) }
        let bytes = try FilePath(root).contents(limit: Role.root.byteLimit)
        return try RepairBasis(unverified, by: PinnedRoots(rootFiles: [bytes]), now: .now)
    }
}

struct AddParity: Command {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Make the parity files that a bundle lacks.",
        discussion: """
            Reads each volume once, compares every block with its signed digest, and writes parity/ into the bundle's folder. Needs no \
            key: parity is not signed, a repaired block must match its signed digest. A damaged volume is not encoded (13). \
            Stopped or killed, the same command goes on; what is complete is left as it is (0). Parity of another amount is not \
            replaced (14). Without --root the bundle is judged by its own root: integrity only.

            \(exitCodeHelp([.incomplete, .notTrusted, .damaged, .refused, .noSpace]))
            """)

    @OptionGroup var bundle: BundleOptions
    @Option(help: ParityAmount.help) var parity: ParityAmount?
    @Option(help: ArgumentHelp("The product's first root.", valueName: "file"), completion: .file()) var root: String?
    @Option(help: "Threads that read, hash and encode, 1 to 64.") var jobs = 4
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let basis = try bundle.basis(root: root)
        let made = try MadeParity(parity, for: basis, jobs: jobs, progress)
        return Outcome(
            text: made.text, data: made.json,
            warnings: basis.isOriginChecked
                ? []
                : [
                    "integrity only, origin not checked: the bundle was judged by its own root; give --root to check it"
                ],
            next: ["# copy parity/ to the media too, best to others than the volumes it stands for"])
    }
}

/// Parity that was made for a bundle, or that was there.
struct MadeParity {
    private let result: ParityEncoding.Result

    init(_ amount: ParityAmount?, for basis: RepairBasis, jobs: Int, _ progress: Progress) throws {
        guard let folder = basis.media.first?.path else { throw UsageError("no bundle folder was given") }
        result = try ParityEncoding(amount, of: basis.volumes, named: basis.name, in: folder)
            .run(threads: jobs, progress: progress)
    }

    var text: String {
        let made =
            result.made.isEmpty ? "complete already" : "\(result.made.count) of \(result.fileCount) files made now"
        return "parity:      \(ByteSize(bytes: result.bytes)) in \(result.fileCount) files, \(made)\n"
            + "stands:      the loss of \(result.layout.words)"
    }

    var json: JSONValue {
        [
            "files": .int(Int64(result.fileCount)), "made": .array(result.made.map { .string($0.string) }),
            "bytes": .int(Int64(clamping: result.bytes)), "bytesRead": .int(Int64(clamping: result.bytesRead)),
            "lanes": .int(Int64(result.layout.shape.parity)), "wholeVolumes": .bool(result.layout.lanesAreVolumes),
        ]
    }
}
