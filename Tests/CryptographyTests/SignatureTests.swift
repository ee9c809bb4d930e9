// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Support
import Testing

@Suite struct SignatureTests {
    let openssl = Shell()
    let message = Array("what was signed\n".utf8)

    @Test(arguments: [(PrivateKey.NewKind.p384, "sha384"), (.p256, "sha256")])
    func `signs so that openssl accepts it`(_ kind: PrivateKey.NewKind, _ hash: String) throws {
        let key = try PrivateKey.generate(kind)
        try openssl.write(Array(key.publicKey.pem.utf8), "public.pem")
        try openssl.write(message, "message")
        try openssl.write(key.sign(message), "signature")
        let check = "openssl dgst -\(hash) -verify public.pem -signature signature message"
        #expect(openssl.run(check))
        #expect(!openssl.run("echo >>message; \(check)"))
    }

    @Test(arguments: [
        ("EC -pkeyopt ec_paramgen_curve:P-384", HashAlgorithm.sha384, "", SignaturePadding.modern),
        ("EC -pkeyopt ec_paramgen_curve:P-256", .sha256, "", .openSSLDefault),
        ("RSA -pkeyopt rsa_keygen_bits:2048", .sha256, "", .openSSLDefault),
        (
            "RSA -pkeyopt rsa_keygen_bits:3072", .sha384,
            "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest", .modern
        ),
    ]) func `accepts what openssl signed, over the bytes and over their digest`(
        _ algorithm: String, _ hash: HashAlgorithm, _ options: String, _ padding: SignaturePadding
    ) throws {
        try openssl.write(message, "message")
        #expect(
            openssl.run(
                """
                openssl genpkey -algorithm \(algorithm) -out key.pem && openssl pkey -in key.pem -pubout -out public.pem &&
                openssl dgst -\(hash.rawValue) -sign key.pem \(options) -out signature message
                """))
        let key = try PublicKey(pem: try openssl.read("public.pem"), for: .vendor)
        let signature = try openssl.read("signature")
        try key.verify(signature: signature, over: message, hash: hash, padding: padding)
        let digest = Hasher.hash(message, hash)
        try key.verify(signature: signature, digest: digest, hash: hash, padding: padding)
        #expect(throws: KeyError.signatureMismatch) {
            try key.verify(signature: signature, over: message + [0], hash: hash, padding: padding)
        }
        #expect(throws: KeyError.wrongScheme) {
            try key.verify(signature: signature, digest: digest + [0], hash: hash, padding: padding)
        }
    }

    @Test func `an RSA signature of one padding is none of the other`() throws {
        #expect(openssl.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem"))
        let key = try PrivateKey(pem: try openssl.read("key.pem"))
        let signature = try key.sign(message, padding: .openSSLDefault)
        try key.publicKey.verify(signature: signature, over: message, padding: .openSSLDefault)
        #expect(throws: KeyError.signatureMismatch) { try key.publicKey.verify(signature: signature, over: message) }
    }

    /// Signatures that are no strict DER of (r, s) with both inside 1..<n.
    static let malformed: [(String, @Sendable ([UInt8]) -> [UInt8])] = [
        ("nothing", { _ in [] }),
        ("a trailing byte", { $0 + [0] }),
        ("cut by a byte", { $0.dropLast() }),
        ("r = 0", { _ in [0x30, 6, 2, 1, 0, 2, 1, 1] }),
        ("s = 0", { _ in [0x30, 6, 2, 1, 1, 2, 1, 0] }),
        ("r = s = 1", { _ in [0x30, 6, 2, 1, 1, 2, 1, 1] }),
        ("negative r", { _ in [0x30, 6, 2, 1, 0xff, 2, 1, 1] }),
        ("s = n", { _ in [0x30, 0x36, 2, 1, 1, 2, 49, 0] + order }),
        ("a long form of its length", { [0x30, 0x81] + $0.dropFirst() }),
        ("a padded r", { [0x30, $0[1] + 1, 2, $0[3] + 1, 0] + $0.dropFirst(4) }),
        ("a bit flipped", { $0.dropLast() + [($0.last ?? 0) ^ 1] }),
        ("many bytes", { _ in [UInt8](repeating: 0x30, count: 100_000) }),
    ]

    /// The order of P-384 (SP 800-186 section 3.2.1.4).
    static let order: [UInt8] =
        [UInt8](repeating: 0xff, count: 24) + [
            0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
            0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
        ]

    @Test(arguments: malformed.indices) func `refuses a signature that is not strict`(_ index: Int) throws {
        let key = try PrivateKey.generate()
        var signature = try key.sign(message)
        while signature[1] > 0x65 { signature = try key.sign(message) }  // so that r can grow by a byte in every case
        try key.publicKey.verify(signature: signature, over: message)
        #expect(throws: KeyError.signatureMismatch, "\(SignatureTests.malformed[index].0)") {
            try key.publicKey.verify(signature: SignatureTests.malformed[index].1(signature), over: message)
        }
    }

    @Test func `signs and checks on many threads at once`() async throws {
        let key = try PrivateKey.generate(.p256)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<64 {
                group.addTask {
                    let message = [UInt8](repeating: UInt8(number), count: number)
                    try key.publicKey.verify(signature: key.sign(message), over: message)
                }
            }
            try await group.waitForAll()
        }
    }
}
