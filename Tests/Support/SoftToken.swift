// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A PKCS #11 token of SoftHSM in a folder of its own.
///
/// A process knows the tokens of one folder: SoftHSM reads its configuration once. Children get it by `environment`.
package struct SoftToken: Sendable {
    package static let module: FilePath = "/usr/lib/softhsm/libsofthsm2.so"
    package static let pin = "1234"

    package let folder = TemporaryFolder()
    package let label: String

    /// Makes the folder and a token in it.
    package init(_ label: String = "dray") throws {
        self.label = label
        try Support.run(["mkdir", folder.appending("tokens").string]).mustSucceed()
        let text =
            "directories.tokendir = \(folder.appending("tokens"))\nobjectstore.backend = file\nlog.level = ERROR\n"
        try write(Array(text.utf8), to: folder.appending("softhsm2.conf"))
        try write(Array("\(SoftToken.pin)\n".utf8), to: pinFile)
        try addToken(label)
    }

    package var environment: [String: String] { ["SOFTHSM2_CONF": folder.appending("softhsm2.conf").string] }
    package var pinFile: FilePath { folder.appending("pin") }

    /// One more token in the folder, with the same PIN.
    package func addToken(_ label: String) throws {
        try softhsm(["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", SoftToken.pin])
    }

    /// Puts a private key, PKCS #8 PEM, with its public half into the token; `id` in hex digits.
    package func add(_ pem: FilePath, label: String, id: String, token: String? = nil) throws {
        try softhsm([
            "--import", pem.string, "--token", token ?? self.label, "--label", label, "--id", id,
            "--pin", SoftToken.pin,
        ])
    }

    /// Makes an elliptic key, or RSA (`rsa3072`), by `openssl`, puts it into the token and gives its public half in PEM.
    package func make(_ kind: String, label: String, id: String) throws -> FilePath {
        let (pem, publicPEM) = (folder.appending("\(label).pem"), folder.appending("\(label).pub.pem"))
        let options =
            kind.hasPrefix("rsa")
            ? ["RSA", "-pkeyopt", "rsa_keygen_bits:\(kind.dropFirst(3))"]
            : ["EC", "-pkeyopt", "ec_paramgen_curve:\(kind)"]
        try Support.run(["openssl", "genpkey", "-out", pem.string, "-algorithm"] + options).mustSucceed()
        try Support.run(["openssl", "pkey", "-in", pem.string, "-pubout", "-out", publicPEM.string]).mustSucceed()
        try add(pem, label: label, id: id)
        return publicPEM
    }

    /// The URI of a key by its label, with module and PIN.
    package func uri(_ object: String) -> String {
        "pkcs11:token=\(label);object=\(object)?module-path=\(SoftToken.module)&pin-source=file:\(pinFile)"
    }

    /// Lets this process use the folder; before its first use of SoftHSM.
    package func useInThisProcess() {
        environment.forEach { name, value in unsafe setenv(name, value, 1) }
    }

    private func softhsm(_ arguments: [String]) throws {
        try Support.run(["softhsm2-util"] + arguments, environment: environment).mustSucceed()
    }
}

/// A program that a test needs has failed.
package struct ProgramFailed: Error, CustomStringConvertible {
    package let description: String
}

extension CommandResult {
    /// Throws what the program said unless it ended with 0.
    package func mustSucceed() throws {
        guard status == 0 else { throw ProgramFailed(description: "status \(status): \(errorOutput)\(output)") }
    }
}
