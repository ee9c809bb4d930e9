// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import Parity

struct RepairCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Write back what is damaged or missing, from parity, copies and other media.",
        discussion: """
            Reads everything, then writes only what is wrong: small files from their second copies, damaged blocks in place, missing \
            volumes, parity itself. Each block has its signed digest before it is written. Several folders of one bundle heal each \
            other; media that can't be written are left as they are and named. Stopped or killed, the same command goes on. What \
            can't be repaired is named with what needs it (13), the rest is repaired all the same. Without --root the bundle is \
            judged by its own root: integrity only, origin not checked.

            \(exitCodeHelp([.incomplete, .notTrusted, .replaced, .damaged, .noSpace]))
            """)

    @OptionGroup var bundle: BundleOptions
    @Option(help: ArgumentHelp("The product's first root.", valueName: "file"), completion: .file()) var root: String?
    @Flag(help: "Say what would be written, and write nothing.") var dryRun = false
    @Option(help: "Threads that read, hash and decode, 1 to 64.") var jobs = 4
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let basis = try bundle.basis(root: root)
        let result = try Repair(basis, threads: jobs, dryRun: dryRun, progress: progress).run()
        let verify = "dray verify " + (bundle.bundle + ["--root", root ?? "ROOT"]).shellLine
        return Outcome(
            text: result.text, data: result.json, warnings: result.warnings,
            next: result.isWhole
                ? (root == nil ? ["# ROOT is the product's first root, trust/1.root.json:"] : []) + [verify]
                : ["# copy what is lost again from a good copy, then the same command"],
            failure: result.failure)
    }
}
