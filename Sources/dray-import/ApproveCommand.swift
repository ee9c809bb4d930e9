// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import Importing
import SystemPackage
import Trust

struct ApproveCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Sign a plan as a second person, so that load carries out this and nothing else.",
        discussion: """
            Shows what the plan says, asks where there is a terminal, and writes PLAN.approval.json beside the plan. Where that \
            file is there for the same plan, your signature is added to it. It counts where the site has named you: site \
            approver add. Nothing else is changed. A key for you: openssl genpkey -algorithm EC -pkeyopt \
            ec_paramgen_curve:P-384 -aes256 -out me.pem; openssl pkey -in me.pem -pubout -out me.pub.pem

            \(exitCodeHelp([.notTrusted, .damaged, .refused, .noSpace]))
            """)

    @Argument(help: ArgumentHelp("What plan --out wrote.", valueName: "plan"), completion: .file())
    var plan: String
    @Option(
        help: ArgumentHelp("Yours. \(KeyOptions.keyHelp)", valueName: "key"), completion: .file())
    var key: String
    @OptionGroup(title: "Keys") var unlocking: KeyOptions
    @Option(help: "Your name, signed with the plan; what counts is the name that the site gave your key.")
    var name: String?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard name.map(SiteState.isShownName) ?? true else {
            throw ValidationError("--name takes 1 to 100 printable characters")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        try plan.mustExist(as: "the plan")
        let path = FilePath(plan)
        let bytes = try path.contents(limit: PlanDocument.maximumSize)
        let shown = try PlanDocument(parsing: bytes, path)
        let key = try unlocking.key(key)
        try confirm(shown)
        let file = Approval.file(of: path)
        let approval = try self.approval(bytes, file, key)
        try file.replaceContents(with: approval.encoded)
        let id = TrustKey(key.publicKey).id.hex
        return Outcome(
            text: "\(shown.text)\napproved by key \(id)\napproval: \(file)",
            data: ["plan": path.string, "approval": file.string, "keyid": id],
            next: [
                "# it counts where the site has named this key (site approver add); bring both files to the one who loads:",
                "dray-import load MEDIA --to TARGET --operator NAME --plan \(plan.shellWord)",
            ])
    }

    /// A new approval, or the one that is there with one more signature.
    private func approval(_ bytes: [UInt8], _ file: FilePath, _ key: PrivateKey) throws -> Approval {
        guard try file.exists() else { return try Approval(of: bytes, by: key, name: name, at: .now) }
        var approval = try Approval(parsing: file.contents(limit: Approval.maximumSize))
        try approval.addSignature(by: key, plan: bytes)
        return approval
    }

    private func confirm(_ plan: PlanDocument) throws {
        guard StandardInput.isTerminal, output.output == .text else { return }
        guard StandardInput.isConfirmed("\(plan.text)\nDo you approve this plan? Type yes to sign it:") else {
            throw NotApproved()
        }
    }
}

private struct NotApproved: ClassifiedError {
    var failure: Failure { .refused }
    var description: String { "not approved, nothing was written" }
}
