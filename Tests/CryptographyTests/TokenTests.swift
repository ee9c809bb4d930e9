// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Dispatch
import Glibc
import Support
import Synchronization
import SystemPackage
import Testing

/// The tokens of this test process: `dray` with a key of each kind, `other` empty, `twins` with two keys of one label.
enum Tokens {
    static let kinds = ["P-384", "P-256", "rsa3072"]

    static let shared = Result {
        let token = try SoftToken()
        unsafe folder = strdup(token.folder.path.string)
        atexit { if let path = unsafe Tokens.folder { _ = unsafe system("rm -rf \(String(cString: path))") } }
        for (index, kind) in kinds.enumerated() { _ = try token.make(kind, label: kind, id: "0\(index + 1)") }
        try token.addToken("other")
        try token.addToken("twins")
        for id in ["0a", "0b"] {
            try token.add(token.folder.appending("P-256.pem"), label: "twin", id: id, token: "twins")
        }
        token.useInThisProcess()
        return token
    }

    nonisolated(unsafe) private static var folder: UnsafeMutablePointer<CChar>?
}

@Suite struct TokenTests {
    let token: SoftToken
    let openssl = Shell()
    let message = Array("what a release key signs".utf8)

    init() throws { token = try Tokens.shared.get() }

    func open(_ uri: String, pin: String = SoftToken.pin) throws -> PrivateKey {
        try PrivateKey(token: PKCS11URI(uri), module: SoftToken.module.string) { _ in Secret(Array(pin.utf8)) }
    }

    /// What `openssl dgst` says of a signature, with the public key as `openssl` wrote it before the key went into the token.
    func opensslAccepts(_ signature: [UInt8], _ kind: String, _ hash: String, _ options: String = "") throws -> Bool {
        try openssl.write(signature, "sig")
        try openssl.write(message, "message")
        let key = token.folder.appending("\(kind).pub.pem")
        return openssl.run("openssl dgst -\(hash) -verify \(key) \(options) -signature sig message")
    }

    @Test(arguments: Tokens.kinds) func `signs so that openssl accepts it`(_ kind: String) throws {
        let key = try open("pkcs11:token=dray;object=\(kind)")
        #expect(Array(key.publicKey.pem.utf8) == (try contents(of: token.folder.appending("\(kind).pub.pem"))))
        let pss = kind == "rsa3072" ? "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest" : ""
        for (hash, name) in [(nil, key.publicKey.kind.hash.rawValue), (HashAlgorithm.sha512, "sha512")] {
            let signature = try key.sign(message, hash: hash)
            #expect(try opensslAccepts(signature, kind, name, pss))
            try key.publicKey.verify(signature: signature, over: message, hash: hash)
        }
    }

    @Test func `signs with PKCS 1 padding as openssl does by default`() throws {
        let key = try open("pkcs11:token=dray;object=rsa3072")
        for hash in HashAlgorithm.allCases {
            let signature = try key.sign(message, hash: hash, padding: .openSSLDefault)
            #expect(try opensslAccepts(signature, "rsa3072", hash.rawValue))
        }
    }

    @Test func `signs on several threads with one key`() throws {
        let key = try open("pkcs11:token=dray;id=%01;type=private")
        let made = Mutex<[[UInt8]]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            guard let signature = try? key.sign(message) else { return }  // counted below
            made.withLock { $0.append(signature) }
        }
        let signatures = made.withLock { $0 }
        #expect(Set(signatures).count == 8)
        for signature in signatures { try key.publicKey.verify(signature: signature, over: message) }
    }

    @Test func `never gives the key out`() throws {
        let key = try open("pkcs11:token=dray;object=P-384")
        #expect(throws: KeyError.token(.staysInToken)) { try key.withPEM { _ in } }
        #expect("\(key)" == "a private key")
    }

    @Test func `names the tokens that it sees when none fits`() throws {
        let error = #expect(throws: KeyError.self) { try open("pkcs11:token=absent;object=P-384") }
        let text = try #require(error?.description)
        #expect(text.contains("no token fits") && text.contains("\"dray\"") && text.contains("\"other\""))
    }

    @Test func `names the keys that it sees when none fits`() throws {
        let error = #expect(throws: KeyError.self) { try open("pkcs11:token=dray;object=absent") }
        let text = try #require(error?.description)
        #expect(text.contains("no private key") && text.contains("\"P-384\" (id=%01)"))
    }

    @Test func `wants one token and one key`() throws {
        let several = #expect(throws: KeyError.self) { try open("pkcs11:manufacturer=SoftHSM%20project;object=P-384") }
        #expect(several?.description.contains("several tokens") == true)
        let twins = #expect(throws: KeyError.self) { try open("pkcs11:token=twins;object=twin") }
        #expect(twins?.description.contains("several private keys") == true)
        #expect(try open("pkcs11:token=twins;object=twin;id=%0b").publicKey.kind == .p256)
    }

    @Test func `says that the PIN was wrong and that tries run out`() throws {
        let error = #expect(throws: KeyError.self) { try open("pkcs11:token=other;object=x", pin: "9999") }
        #expect(error == .token(.wrongPIN(.few)))
        #expect(error?.description.contains("9999") == false)
        #expect(throws: KeyError.token(.noKey(seen: []))) { try open("pkcs11:token=other;object=x") }
    }

    @Test(arguments: ["/nonexistent/module.so", "/etc/passwd", "libcrypto.so.3"])
    func `says why a module can't be used`(_ module: String) throws {
        let uri = try PKCS11URI("pkcs11:token=dray?module-path=\(module)")
        let error = #expect(throws: KeyError.self) { try PrivateKey(token: uri) { _ in Secret([]) } }
        #expect(error?.description.contains(module) == true)
        #expect(error?.description.contains("--pkcs11-module") == true)
    }

    @Test func `passes on that nobody knows the PIN`() throws {
        struct Nobody: Error {}
        let uri = try PKCS11URI("pkcs11:token=other;object=P-384")
        #expect(throws: Nobody.self) {
            try PrivateKey(token: uri, module: SoftToken.module.string) { _ in throw Nobody() }
        }
    }
}
