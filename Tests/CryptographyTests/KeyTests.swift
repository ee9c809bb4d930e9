// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Support
import Testing

/// A key that `openssl` makes, and what reading its public half must give.
struct KeyCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// Writes `key.pem`, or `public.pem` itself.
    let script: String
    let use: KeyUse
    let expected: Result<KeyKind, KeyError>

    var testDescription: String { name }

    init(_ name: String, _ script: String, _ use: KeyUse = .trust, _ expected: Result<KeyKind, KeyError>) {
        (self.name, self.script, self.use, self.expected) = (name, script, use, expected)
    }

    static func curve(_ name: String, _ option: String = "") -> String {
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:\(name) \(option) -out key.pem"
    }

    static func rsa(_ bits: Int, _ option: String = "") -> String {
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:\(bits) \(option) -out key.pem"
    }

    static let all: [KeyCase] = [
        KeyCase("P-384", curve("P-384"), .trust, .success(.p384)),
        KeyCase("P-256", curve("P-256"), .vendor, .success(.p256)),
        KeyCase("RSA-3072", rsa(3072), .trust, .success(.rsa(bits: 3072))),
        KeyCase("RSA-2048 of a vendor", rsa(2048), .vendor, .success(.rsa(bits: 2048))),
        KeyCase("RSA-2048", rsa(2048), .trust, .failure(.rsaSize(bits: 2048, allowed: 3072...8192))),
        KeyCase("RSA-1024", rsa(1024), .vendor, .failure(.rsaSize(bits: 1024, allowed: 2048...8192))),
        KeyCase("exponent 3", rsa(3072, "-pkeyopt rsa_keygen_pubexp:3"), .trust, .failure(.rsaExponent)),
        KeyCase(
            "huge exponent", rsa(3072, "-pkeyopt rsa_keygen_pubexp:18446744073709551629"), .trust,
            .failure(.rsaExponent)),
        KeyCase(
            "explicit parameters", curve("P-384", "-pkeyopt ec_param_enc:explicit"), .trust,
            .failure(.explicitParameters)),
        KeyCase(
            "compressed point",
            curve("P-384") + " && openssl ec -in key.pem -pubout -conv_form compressed -out public.pem",
            .trust, .failure(.malformed)),
        KeyCase("P-224", curve("P-224"), .trust, .failure(.unsupportedCurve)),
        KeyCase("P-521", curve("P-521"), .trust, .failure(.unsupportedCurve)),
        KeyCase("secp256k1", curve("secp256k1"), .trust, .failure(.unsupportedCurve)),
        KeyCase("Ed25519", "openssl genpkey -algorithm ED25519 -out key.pem", .vendor, .failure(.ed25519)),
        KeyCase("X25519", "openssl genpkey -algorithm X25519 -out key.pem", .trust, .failure(.unsupportedAlgorithm)),
        KeyCase("nothing", ": >public.pem", .trust, .failure(.noPEM)),
        KeyCase("garbage", "head -c 3000 /dev/urandom >public.pem", .trust, .failure(.noPEM)),
        KeyCase("a text that is too long", "yes | head -c 20000 >public.pem", .trust, .failure(.noPEM)),
        KeyCase(
            "a private key", curve("P-384") + " && cp key.pem public.pem", .trust,
            .failure(.wrongLabel("PRIVATE KEY", expected: "PUBLIC KEY"))),
        KeyCase(
            "two keys", curve("P-384") + " && openssl pkey -in key.pem -pubout >k && cat k k >public.pem", .trust,
            .failure(.severalKeys)),
        KeyCase(
            "trailing bytes in the DER",
            curve("P-384") + " && { openssl pkey -in key.pem -pubout -outform DER; printf 0; } >k.der"
                + " && { echo -----BEGIN PUBLIC KEY-----; base64 k.der; echo -----END PUBLIC KEY-----; } >public.pem",
            .trust, .failure(.malformed)),
        KeyCase(
            "trailing bytes in the DER of RSA",
            rsa(3072) + " && { openssl pkey -in key.pem -pubout -outform DER; printf 0; } >k.der"
                + " && { echo -----BEGIN PUBLIC KEY-----; base64 k.der; echo -----END PUBLIC KEY-----; } >public.pem",
            .trust, .failure(.malformed)),
        KeyCase(
            "a point off the curve",
            curve("P-384")
                + " && openssl pkey -in key.pem -pubout -outform DER | head -c 119 >k.der && printf 0 >>k.der"
                + " && { echo -----BEGIN PUBLIC KEY-----; base64 k.der; echo -----END PUBLIC KEY-----; } >public.pem",
            .trust, .failure(.malformed)),
    ]
}

@Suite struct KeyTests {
    let openssl = Shell()

    @Test(arguments: KeyCase.all) func `takes or refuses a public key`(_ key: KeyCase) throws {
        #expect(openssl.run("\(key.script)\n[ -e public.pem ] || openssl pkey -in key.pem -pubout -out public.pem"))
        let pem = try openssl.read("public.pem")
        switch key.expected {
        case .success(let kind):
            let read = try PublicKey(pem: pem, for: key.use)
            #expect(read.kind == kind)
            #expect(Array(read.pem.utf8) == pem)
        case .failure(let error):
            #expect(throws: error) { try PublicKey(pem: pem, for: key.use) }
        }
    }

    @Test(arguments: [
        ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -aes256 -pass pass:x", KeyError.encrypted),
        ("openssl ecparam -name secp384r1 -genkey -noout | openssl ec -aes256 -passout pass:x", .encrypted),
        ("openssl genpkey -algorithm ED25519", .ed25519),
        ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1", .unsupportedCurve),
        (
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 | openssl pkey -pubout",
            .wrongLabel("PUBLIC KEY", expected: "PRIVATE KEY")
        ),
        ("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", .rsaSize(bits: 2048, allowed: 3072...8192)),
        ("echo -----BEGIN PRIVATE KEY-----; echo AAAA; echo -----END PRIVATE KEY-----", .malformed),
        ("echo hello", .noPEM),
    ]) func `refuses a private key without asking for anything`(_ script: String, _ expected: KeyError) throws {
        #expect(openssl.run("{ \(script); } >key.pem"))
        #expect(throws: expected) { try PrivateKey(pem: try openssl.read("key.pem")) }
    }

    @Test(arguments: [
        "openssl ecparam -name secp384r1 -genkey",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "openssl genrsa -traditional 3072",
    ]) func `reads private keys as openssl writes them`(_ script: String) throws {
        #expect(openssl.run("\(script) >key.pem && openssl pkey -in key.pem -pubout -out public.pem"))
        let key = try PrivateKey(pem: try openssl.read("key.pem"))
        #expect(Array(key.publicKey.pem.utf8) == (try openssl.read("public.pem")))
    }

    @Test func `refuses a private key whose public half is another's`() throws {
        // in SEC1 form the public point is the last 97 bytes
        #expect(
            openssl.run(
                """
                for n in 1 2; do openssl ecparam -name secp384r1 -genkey -noout | openssl ec -outform DER >$n.der; done
                { head -c -97 1.der; tail -c 97 2.der; } >mixed.der
                { echo -----BEGIN EC PRIVATE KEY-----; base64 mixed.der; echo -----END EC PRIVATE KEY-----; } >key.pem
                """))
        #expect(throws: KeyError.inconsistent) { try PrivateKey(pem: try openssl.read("key.pem")) }
    }

    @Test(arguments: PrivateKey.NewKind.allCases) func `writes a private key that openssl reads`(
        _ kind: PrivateKey.NewKind
    ) throws {
        let key = try PrivateKey.generate(kind)
        try key.withPEM { pem in try openssl.write(unsafe pem.withUnsafeBytes { unsafe Array($0) }, "key.pem") }
        #expect(openssl.run("openssl pkey -in key.pem -check -pubout -out public.pem; grep -q 'BEGIN PRIVATE' key.pem"))
        #expect(openssl.run("sed -n '/BEGIN/,$p' public.pem >p && mv p public.pem"))
        #expect(try PublicKey(pem: try openssl.read("public.pem")) == key.publicKey)
        #expect(try PrivateKey(pem: try openssl.read("key.pem")).publicKey == key.publicKey)
    }

    @Test func `never prints a private key`() throws {
        let key = try PrivateKey.generate()
        var dumped = ""
        dump(key, to: &dumped)
        #expect("\(key) \(String(reflecting: key)) \(dumped)" == "a private key a private key - a private key\n")
    }
}
