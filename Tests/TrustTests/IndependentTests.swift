// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Glibc
import Support
import Testing
import Trust

/// The TUF reference client, where it is installed.
enum PythonTUF {
    private static let project = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    static let interpreter = variable("DRAY_TEST_PYTHON") ?? "\(project)/.build/python/bin/python3"
    static let script = "\(project)/Tests/python/check_tuf.py"

    /// In CI a missing interpreter is a failure, elsewhere the tests are left out.
    static var isExpected: Bool {
        let isInstalled = unsafe access(interpreter, X_OK) == 0
        return isInstalled || variable("CI") != nil
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

@Suite(
    .enabled(
        if: PythonTUF.isExpected,
        "python-tuf is missing: python3 -m venv .build/python && .build/python/bin/pip install -r Tests/python/requirements.txt"
    ))
struct PythonTUFTests {
    let shell = Shell()

    /// Puts a set and its targets into `folder` as a medium has them.
    private func put(_ set: TrustedMetadata, _ folder: String) throws {
        shell.run("mkdir -p \(folder)/trust \(folder)/volumes")
        for (name, bytes) in set.files { try shell.write(bytes, "\(folder)/trust/\(name)") }
        try shell.write(Array(set.targets.content.release.version.utf8), "\(folder)/release.json")
        try shell.write(Array("hello".utf8), "\(folder)/volumes/a.001.tar.zst")
    }

    /// What python-tuf says of a medium: the first line, or its first word where it refuses.
    private func verdict(_ folder: String, state: String = "state") throws -> String {
        let targets = "release.json volumes/a.001.tar.zst"
        shell.run(
            "\(PythonTUF.interpreter) \(PythonTUF.script) \(state) \(folder) pinned.json \(targets)")
        let line = String(decoding: try shell.read("log"), as: UTF8.self).split(separator: "\n").first ?? ""
        return line.hasPrefix("ok") ? String(line) : String(line.prefix { $0 != " " })
    }

    @Test func `accepts our metadata from the first release through a change of keys`() throws {
        let publisher = try Publisher(rootKeys: 3, rootThreshold: 2, releaseKeys: 3, releaseThreshold: 2)
        let first = try publisher.publish("4.7.26")
        try shell.write(try #require(first.root.files[1]), "pinned.json")
        try put(first, "1")
        #expect(try verdict("1") == "ok 1 1 1 1")
        let second = try publisher.publish("4.7.27", after: first)
        try put(second, "2")
        #expect(try verdict("2") == "ok 1 2 2 2")
        var renewed = publisher
        renewed.releaseKeys = [try .generate(), try .generate(.p256), try OtherKey.rsa()]
        renewed.releaseThreshold = 3
        var root = second.root
        try root.extend(with: renewed.root(version: 2))
        try put(renewed.publish("4.7.28", under: root), "3")
        #expect(try verdict("3") == "ok 2 1 1 1")
        #expect(try verdict("2") == "UnsignedMetadataError")
    }

    @Test func `refuses what we refuse`() throws {
        let publisher = try Publisher()
        let first = try publisher.publish("4.7.26")
        let second = try publisher.publish("4.7.27", after: first)
        try shell.write(try #require(first.root.files[1]), "pinned.json")
        try put(second, "new")
        #expect(try verdict("new") == "ok 1 2 2 2")
        try put(first, "old")
        #expect(try verdict("old") == "BadVersionNumberError")
        try put(second, "mixed")
        try shell.write(first.targets.bytes, "mixed/trust/2.targets.json")
        #expect(try verdict("mixed", state: "fresh1") == "LengthOrHashMismatchError")
        try put(second, "volume")
        try shell.write(Array("hellO".utf8), "volume/volumes/a.001.tar.zst")
        #expect(try verdict("volume", state: "fresh2") == "LengthOrHashMismatchError")
        try put(first, "foreign")
        let other = try Publisher().publish("4.7.26")
        try shell.write(other.timestamp.bytes, "foreign/trust/timestamp.json")
        #expect(try verdict("foreign", state: "fresh3") == "UnsignedMetadataError")
    }

    @Test func `computes the key ids that we compute`() throws {
        let key = try PrivateKey.generate()
        try shell.write(Array(key.publicKey.pem.utf8), "key.pem")
        let code = """
            from securesystemslib.signer import SSlibKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
            print(SSlibKey.from_crypto(load_pem_public_key(open("key.pem", "rb").read())).keyid)
            """
        try shell.write(Array(code.utf8), "id.py")
        #expect(shell.run("\(PythonTUF.interpreter) id.py"))
        #expect(String(decoding: try shell.read("log"), as: UTF8.self) == TrustKey(key.publicKey).id.hex + "\n")
    }
}

@Suite struct OpenSSLTests {
    @Test func `sed and openssl alone check a signature`() throws {
        let publisher = try Publisher()
        let set = try publisher.publish()
        let shell = Shell()
        try shell.write(set.targets.bytes, "targets.json")
        try shell.write(try #require(set.root.files[1]), "root.json")
        let id = set.targets.signers[0].hex
        // the release key out of the root, the signature and the signed bytes out of the targets
        let recipe = """
            sed -E 's/.*"\(id)":\\{"keytype":"[a-z]*","keyval":\\{"public":"([^"]*)".*/\\1/; s/\\\\n/\\n/g' root.json >key.pem
            sed -E 's/.*"keyid":"\(id)","sig":"([0-9a-f]*)".*/\\1/' targets.json | tr -d '\\n' |
              sed 's/../\\\\x&/g' | xargs -0 printf '%b' >signature
            printf '%b' "$(sed -E 's/^.*\\],"signed":(.*)\\}$/\\1/' targets.json)" >signed
            openssl dgst -sha384 -verify key.pem -signature signature signed
            """
        #expect(shell.run(recipe))
        try shell.write(
            Array(String(decoding: set.targets.bytes, as: UTF8.self).utf8.map { $0 == 0x35 ? 0x36 : $0 }),
            "targets.json")
        #expect(!shell.run(recipe))
    }

    @Test func `openssl checks a detached signature as README-VERIFY says`() throws {
        let publisher = try Publisher()
        let shell = Shell()
        let sums = Array("00  release.json\n".utf8)
        try shell.write(sums, "SHA256SUMS")
        try shell.write(publisher.releaseKeys[0].signDetached(sums), "SHA256SUMS.sig")
        try shell.write(Array(try publisher.root().releaseKeys[0].pem.utf8), "release.pub.pem")
        let check = "openssl dgst -sha384 -verify release.pub.pem -signature SHA256SUMS.sig SHA256SUMS"
        #expect(shell.run(check))
        #expect(!shell.run("echo >>SHA256SUMS; \(check)"))
    }
}
