// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Support
import Testing

@Suite struct ProtectionTests {
    let openssl = Shell()
    let password = Secret("correct horse".utf8)

    @Test(arguments: [
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -aes256 -pass pass:'correct horse'",
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -aes128 -pass pass:'correct horse'",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
            + " | openssl pkcs8 -topk8 -scrypt -passout pass:'correct horse'",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
            + " | openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 1000000 -passout pass:'correct horse'",
    ]) func `reads what openssl has protected`(_ script: String) throws {
        #expect(
            openssl.run(
                "\(script) >key.pem && openssl pkey -in key.pem -passin pass:'correct horse' -pubout -out public.pem"))
        let pem = try openssl.read("key.pem")
        let key = try PrivateKey(pem: pem, password: password)
        #expect(Array(key.publicKey.pem.utf8) == (try openssl.read("public.pem")))
        #expect(throws: KeyError.encrypted) { try PrivateKey(pem: pem) }
        for wrong in ["", "correct hors", "correct horse "] {
            #expect(throws: KeyError.wrongPassword) { try PrivateKey(pem: pem, password: Secret(wrong.utf8)) }
        }
    }

    @Test func `writes what openssl reads, with a strong count`() throws {
        let key = try PrivateKey.generate()
        let pem = try key.withPEM(protectedBy: password) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        try openssl.write(pem, "key.pem")
        #expect(openssl.run("openssl pkey -in key.pem -passin pass:'correct horse' -pubout -out public.pem"))
        #expect(Array(key.publicKey.pem.utf8) == (try openssl.read("public.pem")))
        #expect(openssl.run("openssl asn1parse -in key.pem"))
        let structure = String(decoding: try openssl.read("log"), as: UTF8.self)
        for part in ["PBES2", "PBKDF2", ":0927C0", "hmacWithSHA256", "aes-256-cbc"] {  // 0x0927C0: 600,000
            #expect(structure.contains(part), "\(part)")
        }
        #expect(try PrivateKey(pem: pem, password: password).publicKey == key.publicKey)
    }

    @Test(arguments: [
        ("openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES", KeyError.unsupportedProtection),
        ("openssl pkcs8 -topk8 -v2 des-ede3-cbc", .unsupportedProtection),
        ("openssl ec -aes256", .unsupportedProtection),
        ("openssl pkcs8 -topk8 -scrypt -scrypt_p 9", .protectionCost),
    ]) func `refuses a protection before any work`(_ script: String, _ expected: KeyError) throws {
        let made = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | \(script) -passout pass:x"
        #expect(openssl.run("{ \(made); } >key.pem"))
        #expect(throws: expected) { try PrivateKey(pem: try openssl.read("key.pem"), password: Secret("x".utf8)) }
    }

    /// An iteration count is nowhere near the password's own bytes: it is patched in place.
    @Test func `refuses an iteration count of hours`() throws {
        let made = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
        let protected = "openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 600000 -passout pass:x -outform DER"
        #expect(openssl.run("\(made) | \(protected) >key.der"))
        var der = try openssl.read("key.der")
        let count = try #require(der.indices.dropLast(4).first { der[$0...].starts(with: [2, 3, 0x09, 0x27, 0xC0]) })
        der.replaceSubrange((count + 2)..<(count + 5), with: [0x4C, 0x4B, 0x41])  // 5,000,001
        try openssl.write(der, "key.der")
        #expect(
            openssl.run(
                "{ echo -----BEGIN ENCRYPTED PRIVATE KEY-----; base64 key.der; echo -----END ENCRYPTED PRIVATE KEY-----; }"
                    + " >key.pem"))
        #expect(throws: KeyError.protectionCost) {
            try PrivateKey(pem: try openssl.read("key.pem"), password: Secret("x".utf8))
        }
    }

    @Test func `takes a secret's bytes and shows none`() throws {
        #expect(password.withBytes { $0.byteCount } == 13)
        #expect(password == Secret("correct horse".utf8) && password != Secret("correct horsf".utf8))
        #expect("\(password)" == "a secret" && String(reflecting: password) == "a secret")
        let full = Secret(repeatElement(1, count: 2000))
        #expect(full.count == Secret.capacity && !full.append(1))
    }
}
