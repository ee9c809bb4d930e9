// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
package import Cryptography
package import Files
package import SystemPackage

/// How a command's private keys are unlocked. The key itself is the command's own option, whose value `key(_:)` reads.
package struct KeyOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp("The password of a protected key file: the first line of this file.", valueName: "file"),
        completion: .file())
    package var passwordFile: String?

    @Option(
        help: ArgumentHelp("The PIN of a token: the first line of this file.", valueName: "file"), completion: .file())
    package var pinFile: String?

    @Option(
        name: .customLong("pkcs11-module"),
        help: ArgumentHelp(
            "The module of a token (a key of the form pkcs11:...); p11-kit's modules unless given.", valueName: "file"),
        completion: .file())
    package var module: String?

    package init() {}

    /// What a `--key` option's help says.
    package static let keyHelp = "Private key: a PEM file, or a token's pkcs11:token=...;object=... (RFC 7512)"

    /// The key that the value of a `--key` option names. Asks at the terminal for a password or PIN that no file gives.
    ///
    /// Throws `FileError`, `UnusableKey`, `QuestionError` where nobody can be asked, `Interrupted`.
    package func key(_ argument: String) throws -> PrivateKey {
        try PrivateKey(
            argument: argument, passwordFile: passwordFile.map { FilePath($0) }, pinFile: pinFile.map { FilePath($0) },
            module: module)
    }
}

extension PrivateKey {
    /// The most bytes of a key file; a text that is longer is no key.
    private static let fileLimit = 1 << 20

    /// The key that the value of a `--key` option names: a PEM file, at most 1 MiB, or a `pkcs11:` URI (RFC 7512). Passwords
    /// and PINs come from the files or, where there is none, from the terminal.
    ///
    /// Throws `FileError`, `UnusableKey`, `QuestionError` where nobody can be asked, `Interrupted`.
    package init(
        argument: String, passwordFile: FilePath? = nil, pinFile: FilePath? = nil, module: String? = nil
    ) throws {
        do {
            try self.init(unlocking: argument, passwordFile, pinFile, module)
        } catch let error as KeyError {
            throw UnusableKey(argument: argument, reason: error)
        }
    }

    private init(
        unlocking argument: String, _ passwordFile: FilePath?, _ pinFile: FilePath?, _ module: String?
    ) throws {
        guard !PKCS11URI.isURI(argument) else {
            let uri = try PKCS11URI(argument)
            try self.init(token: uri, module: module) { request in
                if let file = uri.pinFile.map({ FilePath($0) }) ?? pinFile { return try Secret(firstLineOf: file) }
                let warning = request.isLastTry ? " (last try before it locks itself)" : ""
                return try Terminal.secret("PIN of the token \(request.token)\(warning)", option: "--pin-file FILE")
            }
            return
        }
        let file = FilePath(argument)
        var pem = try file.contents(limit: PrivateKey.fileLimit)
        defer { pem.wipe() }
        do {
            try self.init(pem: pem, password: try passwordFile.map { try Secret(firstLineOf: $0) })
        } catch KeyError.encrypted where passwordFile == nil {
            try self.init(
                pem: pem, password: try Terminal.secret("Password of \(file)", option: "--password-file FILE"))
        }
    }
}

/// A private key can't be used; which one, and why.
package struct UnusableKey: ClassifiedError, Equatable {
    package let argument: String
    package let reason: KeyError

    package var failure: Failure { .usage }
    package var description: String { "the key \(argument) can't be used: \(reason)" }
}
