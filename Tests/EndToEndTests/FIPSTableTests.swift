// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// How libcrypto is started, and what it must compute then.
struct FIPSRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The first argument of `crypto-probe`.
    let mode: String
    /// A shell line that changes `fips.cnf` or `fips.so` in its folder.
    var change = "true"
    var environment: [String: String] = [:]
    /// Exit status, and what the refusal says.
    var status: Int32 = 0
    var says = ""
    var works: Set<String> = []
    var refused: Set<String> = []

    static let approved: Set<String> = [
        "SHA256", "SHA384", "SHA512", "AES-256-GCM", "P-384", "P-256", "RSA-3072", "random", "signature",
        "protected key",
    ]
    static let unapproved: Set<String> = ["MD5", "BLAKE2", "ChaCha20", "secp256k1", "RSA-1024"]

    static func closed(_ name: String, _ change: String, says: String) -> [FIPSRow] {
        [
            FIPSRow(testDescription: "\(name): the tools refuse", mode: "fips", change: change, status: 14, says: says),
            FIPSRow(
                testDescription: "\(name): libcrypto itself computes nothing", mode: "raw", change: change,
                refused: approved.union(unapproved)),
        ]
    }

    static let all: [FIPSRow] =
        [
            FIPSRow(testDescription: "the module alone", mode: "fips", works: approved, refused: unapproved),
            FIPSRow(testDescription: "no FIPS", mode: "plain", works: approved.union(unapproved)),
            FIPSRow(
                testDescription: "OPENSSL_CONF points to a missing file", mode: "fips",
                environment: ["OPENSSL_CONF": "/nonexistent"], works: approved, refused: unapproved),
            FIPSRow(
                testDescription: "OPENSSL_CONF asks for the default provider", mode: "fips",
                environment: ["OPENSSL_CONF": "FOLDER/default.cnf"], works: approved, refused: unapproved),
            FIPSRow(
                testDescription: "OPENSSL_CONF forbids everything, and no FIPS", mode: "plain",
                environment: ["OPENSSL_CONF": "FOLDER/nothing.cnf"], works: approved.union(unapproved)),
            FIPSRow(
                testDescription: "OPENSSL_MODULES points elsewhere", mode: "fips",
                environment: ["OPENSSL_MODULES": "/nonexistent"], works: approved, refused: unapproved),
            FIPSRow(
                testDescription: "something was computed before", mode: "late", status: 14,
                says: "default provider is there too"),
            FIPSRow(
                testDescription: "a check was switched off in the configuration", mode: "fips",
                change: "sed -i 's/^security-checks = 1/security-checks = 0/' fips.cnf", status: 14,
                says: "was changed since it was written"),
            FIPSRow(
                testDescription: "no configuration", mode: "fips", change: "rm fips.cnf", status: 14,
                says: "is not there"),
        ]
        + [
            // Code that runs before the module's own check: it must not come to that.
            FIPSRow(
                testDescription: "one byte of the module's code changed: the tools refuse", mode: "fips",
                change: "printf x | dd of=fips.so bs=1 seek=$(($(stat -c %s fips.so) / 2)) conv=notrunc", status: 14,
                says: "its bytes have changed")
        ]
        + closed(
            "one letter of the module's name changed",
            "printf X | dd of=fips.so bs=1 conv=notrunc"
                + " seek=$(grep -abom1 'OpenSSL FIPS Provider' fips.so | head -n 1 | cut -d: -f1)",
            says: "its bytes have changed")
        + closed("the module is missing", "rm fips.so", says: "can't be read")
        + [
            FIPSRow(
                testDescription: "fips=yes without a provider: libcrypto itself computes nothing", mode: "raw",
                change: "sed -i '/^fips = /d' fips.cnf", refused: approved.union(unapproved)),
            FIPSRow(
                testDescription: "no sum of the module: libcrypto itself computes nothing", mode: "raw",
                change: "sed -i '/^module-mac/d' fips.cnf", refused: approved.union(unapproved)),
            FIPSRow(
                testDescription: "no sum of the module: the tools refuse", mode: "fips",
                change: "sed -i '/^module-mac/d' fips.cnf", status: 14, says: "was changed since it was written"),
        ]
}

@Suite struct FIPSTableTests {
    /// The module, its configuration, and configurations that somebody else would like to be read.
    private func folder() throws -> Shell {
        let (shell, module) = (Shell(), try FIPSModuleFile.path())
        let folder = shell.folder.path
        let install = [
            SourceTree.tool("dray-import").string, "crypto", "install", "--fips-module", "\(folder)/fips.so",
        ]
        try run(["cp", module.string, "\(folder)/fips.so"]).mustSucceed()
        try run(install + ["--state", "\(folder)/state"]).mustSucceed()
        try run(["mv", "\(folder)/state/crypto/fips.cnf", "\(folder)/fips.cnf"]).mustSucceed()
        let head = "openssl_conf = a\n[a]\n"
        try shell.write(Array("\(head)providers = b\n[b]\ndefault = c\n[c]\nactivate = 1\n".utf8), "default.cnf")
        try shell.write(Array("\(head)alg_section = b\n[b]\ndefault_properties = fips=yes\n".utf8), "nothing.cnf")
        return shell
    }

    /// Debian 12's OpenSSL salts with 8 bytes, which a FIPS module refuses: the password isn't to blame then.
    @Test func `says that the module refuses a key's protection`() throws {
        let shell = try folder()
        try #require(
            shell.run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -aes256 -pass pass:x -out k"))
        for (mode, says) in [("fips", "given key: not approved"), ("plain", "given key: works")] {
            let files = ["fips.cnf", "k"].map { shell.folder.appending($0).string }
            let result = try run([SourceTree.tool("crypto-probe").string, mode] + files)
            #expect(result.output.contains(says), "\(result.output)")
        }
    }

    @Test(arguments: FIPSRow.all) func row(_ row: FIPSRow) throws {
        let shell = try folder()
        try #require(shell.run(row.change))
        let environment = row.environment.mapValues { $0.replacing("FOLDER", with: shell.folder.path.string) }
        let result = try run(
            [SourceTree.tool("crypto-probe").string, row.mode, shell.folder.appending("fips.cnf").string],
            environment: environment)
        #expect(result.status == row.status, "\(result.output)\(result.errorOutput)")
        #expect(result.output.contains(row.says))
        let lines = Set(result.output.split(separator: "\n").map(String.init))
        for name in row.works { #expect(lines.contains("\(name): works")) }
        for name in row.refused { #expect(lines.contains("\(name): refused")) }
        if row.status == 0, row.mode == "fips" { #expect(lines.contains("module: OpenSSL FIPS Provider")) }
    }
}
