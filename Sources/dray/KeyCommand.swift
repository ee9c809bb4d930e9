// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Cryptography
import Files
import SystemPackage
import Trust

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make and show the keys that sign releases.",
        subcommands: [GenerateKey.self, ShowKey.self])
}

struct GenerateKey: Command {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Make a new key pair.",
        discussion: """
            Writes the private key (PKCS#8 PEM, readable by you alone) and, beside it, the public key: release.pem and
            release.pub.pem. With a password the private key is written under AES-256, with PBKDF2. A file that is there is
            never replaced. A key in a token is made with the token's own tools; dray key show gives its public half.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Option(help: ArgumentHelp("Where the private key goes.", valueName: "file"), completion: .file())
    var out: String

    @Option(help: "The curve: p384, or p256 where a hardware module knows no other.")
    var type = KeyType.p384

    @Option(
        help: ArgumentHelp("Protect the key by a password, the first line of this file.", valueName: "file"),
        completion: .file())
    var passwordFile: String?

    @Flag(help: "Protect the key by a password that is asked for, twice.")
    var password = false

    @OptionGroup var output: OutputOptions

    enum KeyType: String, ExpressibleByArgument, CaseIterable { case p384, p256 }

    func validate() throws {
        guard !password || passwordFile == nil else { throw ValidationError("give --password or --password-file") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let file = FilePath(out)
        let publicFile = FilePath((out.hasSuffix(".pem") ? String(out.dropLast(4)) : out) + ".pub.pem")
        for path in [file, publicFile] where try path.exists() { throw KeyExists(path: path) }
        let secret = try newPassword()
        let key = try PrivateKey.generate(type == .p384 ? .p384 : .p256)
        try key.withPEM(protectedBy: secret) { pem in
            let handle = try OpenFile.creating(file, mode: 0o600)
            try handle.write(pem, at: 0)
            try handle.syncData()
        }
        try publicFile.replaceContents(with: Array(key.publicKey.pem.utf8))
        return Outcome(
            text: "private key: \(file)\(secret == nil ? "" : " (under a password)")\npublic key:  \(publicFile)",
            data: ["privateKey": file.string, "publicKey": publicFile.string],
            next: [
                "# keep \(file) where only signers can read it; a trust folder names the public key (dray trust init)"
            ]
        )
    }

    private func newPassword() throws -> Secret? {
        if let passwordFile { return try Secret(firstLineOf: FilePath(passwordFile)) }
        return password ? try Terminal.newSecret("Password for \(out)", option: "--password-file FILE") : nil
    }
}

private struct KeyExists: ClassifiedError {
    let path: FilePath
    var failure: Failure { .refused }
    var description: String { "\(path) is there already, and a key is never replaced; choose another --out" }
}

struct ShowKey: Command {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print a private key's kind, key id and public half.",
        discussion: """
            Prints nothing that is secret. For a key in a token this is how its public half comes into a file:
              dray key show 'pkcs11:token=release;object=key1' --public-out key1.pub.pem
            The key id is the one that trust metadata names the key by (TUF 1.0 section 4.2).

            \(exitCodeHelp([.refused]))
            """)

    @Argument(help: ArgumentHelp("\(KeyOptions.keyHelp).", valueName: "key"), completion: .file())
    var key: String

    @Option(
        help: ArgumentHelp("Write the public key to this new file as well.", valueName: "file"), completion: .file())
    var publicOut: String?

    @OptionGroup(title: "Keys") var unlocking: KeyOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let file = publicOut.map { FilePath($0) }
        if let file, try file.exists() { throw KeyExists(path: file) }
        let key = try unlocking.key(key).publicKey
        try file?.replaceContents(with: Array(key.pem.utf8))
        let id = TrustKey(key).id.description
        return Outcome(
            text: "kind:   \(key.kind.name)\nkey id: \(id)\n\n\(key.pem.dropLast())",
            data: ["kind": key.kind.name, "keyID": id, "publicKey": key.pem],
            next: ["# a trust folder names the public key: dray trust init --release-key FILE"])
    }
}
