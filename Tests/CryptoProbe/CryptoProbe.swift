// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Cryptography
import Glibc

/// Starts libcrypto in one way and prints what it computes then, a line for each algorithm: a library context is global, so
/// each row of the FIPS table needs a process.
///
///     crypto-probe fips FILE    as the tools do it
///     crypto-probe late FILE    the same, after something was computed already
///     crypto-probe raw FILE     the file alone, without our checks
///     crypto-probe plain        no FIPS
///
/// A further argument is a key file to read, its password is "x".
@main
struct CryptoProbe {
    static func main() {
        let arguments = CommandLine.arguments
        do throws(FIPSError) {
            try start(arguments[1], file: arguments.dropFirst(2).first ?? "")
        } catch {
            print("start: \(error)")
            exit(14)
        }
        for (name, works) in algorithms { print("\(name): \(works() ? "works" : "refused")") }
        if let file = arguments.dropFirst(3).first { print("given key: \(reading(file))") }
        print("module: \(LibCrypto.fipsModule?.name ?? "none")")
    }

    private static func start(_ mode: String, file: String) throws(FIPSError) {
        LibCrypto.ignoreEnvironment()
        switch mode {
        case "raw": print("loaded: \(unsafe OSSL_LIB_CTX_load_config(nil, file) == 1)")
        case "late":
            _ = digest("SHA256")
            try startFIPS(file)
        case "fips": try startFIPS(file)
        default: break
        }
    }

    private static func startFIPS(_ file: String) throws(FIPSError) {
        let bytes = contents(of: file, limit: FIPSConfiguration.sizeLimit)
        guard !bytes.isEmpty else { throw .notInstalled(file) }
        let configuration = try FIPSConfiguration(parsing: bytes, file: file)
        try LibCrypto.startFIPS(configuration, file: file)
    }

    /// Reads a key file that is protected by the password "x".
    private static func reading(_ file: String) -> String {
        do throws(KeyError) {
            _ = try PrivateKey(pem: contents(of: file, limit: 16_384), password: Secret("x".utf8))
            return "works"
        } catch { return error == .protectionNotApproved ? "not approved" : error.description }
    }

    private static func contents(of file: String, limit: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        guard let opened = unsafe fopen(file, "rb") else { return [] }
        defer { unsafe fclose(opened) }
        return Array(bytes.prefix(unsafe fread(&bytes, 1, limit, opened)))
    }

    private static let algorithms: [(String, @Sendable () -> Bool)] = [
        ("SHA256", { digest("SHA256") }), ("SHA384", { digest("SHA384") }), ("SHA512", { digest("SHA512") }),
        ("MD5", { digest("MD5") }), ("BLAKE2", { digest("BLAKE2B-512") }),
        ("AES-256-GCM", { cipher("AES-256-GCM") }), ("ChaCha20", { cipher("ChaCha20-Poly1305") }),
        ("P-384", { curve("P-384") }), ("P-256", { curve("P-256") }), ("secp256k1", { curve("secp256k1") }),
        ("RSA-3072", { rsa(3072) }), ("RSA-1024", { rsa(1024) }), ("random", random),
        ("signature", signature), ("protected key", protectedKey),
    ]

    private static func digest(_ name: String) -> Bool {
        let method = unsafe EVP_MD_fetch(nil, name, nil)
        defer { unsafe EVP_MD_free(method) }
        return unsafe method != nil
    }

    private static func cipher(_ name: String) -> Bool {
        let method = unsafe EVP_CIPHER_fetch(nil, name, nil)
        defer { unsafe EVP_CIPHER_free(method) }
        return unsafe method != nil
    }

    private static func random() -> Bool {
        var byte: UInt8 = 0
        return unsafe RAND_bytes(&byte, 1) == 1
    }

    private static func curve(_ name: String) -> Bool {
        unsafe generates("EC") { context in unsafe EVP_PKEY_CTX_set_group_name(context, name) == 1 }
    }

    private static func rsa(_ bits: Int32) -> Bool {
        unsafe generates("RSA") { context in unsafe EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) == 1 }
    }

    @unsafe
    private static func generates(_ kind: String, _ set: (OpaquePointer) -> Bool) -> Bool {
        guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, kind, nil) else { return false }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        defer { unsafe EVP_PKEY_free(key) }
        return unsafe EVP_PKEY_keygen_init(context) == 1 && set(context) && EVP_PKEY_generate(context, &key) == 1
    }

    /// Our own signing and checking; only where hashing works, which stops the process otherwise.
    private static func signature() -> Bool {
        guard digest("SHA384") else { return false }
        do {
            let key = try PrivateKey.generate()
            try key.publicKey.verify(signature: key.sign([1, 2, 3]), over: [1, 2, 3])
            return true
        } catch { return false }
    }

    private static func protectedKey() -> Bool {
        guard digest("SHA384") else { return false }
        do {
            let (key, password) = (try PrivateKey.generate(), Secret("correct horse".utf8))
            let pem = try key.withPEM(protectedBy: password) { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
            return try PrivateKey(pem: pem, password: password).publicKey == key.publicKey
        } catch { return false }
    }
}
