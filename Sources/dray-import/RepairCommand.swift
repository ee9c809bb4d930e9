// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import Parity

struct RepairCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Write back what is damaged or missing on the media, from parity, copies and other media.",
        discussion: """
            Checks signatures from the trusted root on, reads everything, then writes only what is wrong: small files from their \
            second copies, damaged blocks in place, missing volumes, parity itself. Each block has its signed digest before it is \
            written. Several media of one bundle heal each other; those that can't be written are left as they are and named: load \
            --repair reads them all the same. Stopped or killed, the same command goes on. What can't be repaired is named with what \
            needs it (13), the rest is repaired all the same.

            \(exitCodeHelp([.incomplete, .notTrusted, .replaced, .damaged, .noSpace]))
            """)

    @OptionGroup var media: MediaOptions
    @Flag(help: "Say what would be written, and write nothing.") var dryRun = false
    @Option(help: "Threads that read, hash and decode, 1 to 64.") var jobs = 4
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let unverified = try media.unverified()
        let roots = try media.state.site.pinnedRoots()
        let basis = try media.sayingHowToTrust { try RepairBasis(unverified, by: roots, now: .now) }
        let result = try Repair(basis, threads: jobs, dryRun: dryRun, progress: progress).run()
        return Outcome(
            text: result.text, data: result.json, warnings: result.warnings, next: next(result), failure: result.failure
        )
    }

    private func next(_ result: Repair.Result) -> [String] {
        if result.failure == nil { return ["dray-import verify \(media.shown)"] }
        if result.isWhole {
            return ["# put the registry's address for TARGET:", "dray-import load \(media.shown) --repair --to TARGET"]
        }
        return ["# copy what is lost again, or give a good copy's folder too, then the same command"]
    }
}
