// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import SystemPackage

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make the keys that sign releases.", subcommands: [GenerateKey.self])
}

struct GenerateKey: Command {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Make a new key pair.",
        discussion: """
            Writes the private key (PKCS#8 PEM, readable by you alone) and, beside it, the public key: release.pem and
            release.pub.pem. A file that is there is never replaced.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Option(help: ArgumentHelp("Where the private key goes.", valueName: "file"), completion: .file())
    var out: String

    @Option(help: "The curve: p384, or p256 where a hardware module knows no other.")
    var type = KeyType.p384

    @OptionGroup var output: OutputOptions

    enum KeyType: String, ExpressibleByArgument, CaseIterable { case p384, p256 }

    func perform(_ progress: Progress) throws -> Outcome {
        let file = FilePath(out)
        let publicFile = FilePath((out.hasSuffix(".pem") ? String(out.dropLast(4)) : out) + ".pub.pem")
        for path in [file, publicFile] where try path.exists() { throw KeyExists(path: path) }
        let key = try PrivateKey.generate(type == .p384 ? .p384 : .p256)
        try key.withPEM { pem in
            let handle = try OpenFile.creating(file, mode: 0o600)
            try handle.write(pem, at: 0)
            try handle.syncData()
        }
        try publicFile.replaceContents(with: Array(key.publicKey.pem.utf8))
        return Outcome(
            text: "private key: \(file)\npublic key:  \(publicFile)",
            data: ["privateKey": file.string, "publicKey": publicFile.string],
            next: [
                "# keep \(file) where only signers can read it; a trust folder names the public key (dray trust init)"
            ]
        )
    }
}

private struct KeyExists: ClassifiedError {
    let path: FilePath
    var failure: Failure { .refused }
    var description: String { "\(path) is there already, and a key is never replaced; choose another --out" }
}
