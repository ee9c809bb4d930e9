// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct SitePolicyCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Show what no option of a command can undo here, or turn something on.",
        discussion: """
            Shows the policy that holds: \(SitePolicy.machineFile) and policy.json of the state folder, the stricter word of \
            both. With options it first turns these on in the state's policy. Nothing is ever turned off here: for that, \
            whoever may write the file edits it.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Flag(help: "From now on a load needs a plan that a second person has signed.") var requireApproval = false
    @Flag(help: "From now on only a FIPS module computes; install it first (crypto install).") var requireFips = false
    @Option(
        help: ArgumentHelp(
            "The FIPS module to take; an absolute path. It can't be changed here later.", valueName: "file"),
        completion: .file())
    var fipsModule: String?
    @Option(
        help: ArgumentHelp(
            "The certificate that the module has, to be shown; it can't be changed here later.", valueName: "text"))
    var fipsCertificate: String?
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard fipsModule.map({ FilePath($0).isAbsolute }) ?? true else {
            throw ValidationError("--fips-module takes a path that begins with /")
        }
    }

    private var turnsOn: Bool { requireApproval || requireFips || fipsModule != nil || fipsCertificate != nil }

    func perform(_ progress: Progress) throws -> Outcome {
        if let fipsModule { try fipsModule.mustExist(as: "the FIPS module") }
        let policy = try turnsOn ? state.site.tighten(change) : state.site.policy()
        return Outcome(policy.report)
    }

    private func change(_ policy: inout SitePolicy) {
        if requireApproval { policy.requireApproval = true }
        if requireFips { policy.fips = true }
        if let fipsModule { policy.fipsModule = FilePath(fipsModule) }
        if let fipsCertificate { policy.fipsCertificate = fipsCertificate }
    }
}
