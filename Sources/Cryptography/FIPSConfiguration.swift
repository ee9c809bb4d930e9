// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL
internal import Glibc

/// The file that makes libcrypto compute with one FIPS module: what `openssl fipsinstall` and its manual ask for, and no
/// word more. A file that differs from what this type writes doesn't count.
package struct FIPSConfiguration: Sendable, Equatable {
    /// The most bytes that a module may have; OpenSSL's have about two million.
    package static let moduleLimit = 64 << 20
    /// The most bytes that a configuration may have.
    package static let sizeLimit = 8 << 10

    /// The module's file, an absolute path.
    package let modulePath: String
    /// HMAC-SHA-256 of the module, 32 bytes, which it compares with its own bytes whenever it is loaded.
    private let mac: [UInt8]

    /// The key is public and the same for all (OpenSSL's fips provider, `FIPS_KEY_STRING`): the sum finds damage.
    private static let macKey: [UInt8] = [
        0xf4, 0x55, 0x66, 0x50, 0xac, 0x31, 0xd3, 0x54, 0x61, 0x61, 0x0b, 0xac, 0x4e, 0xd8, 0x1b, 0x1a,
        0x18, 0x1b, 0x2d, 0x8a, 0x43, 0xea, 0x28, 0x54, 0xcb, 0xae, 0x22, 0xca, 0x74, 0x56, 0x08, 0x13,
    ]

    /// The configuration for a module with these bytes. Throws `.unusablePath` for a path that is not absolute or holds more
    /// than letters, digits and `._+@-`, which would need quoting in OpenSSL's syntax; `.notLoaded` where HMAC can't be had.
    package init(module bytes: [UInt8], path: String) throws(FIPSError) {
        guard FIPSConfiguration.isUsable(path) else { throw .unusablePath(path) }
        modulePath = path
        mac = try FIPSConfiguration.mac(of: bytes)
    }

    /// Reads a file that `text` was written to. Throws `.configurationChanged` for any other.
    package init(parsing bytes: [UInt8], file: String) throws(FIPSError) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        func value(_ name: String) -> String? {
            lines.first { $0.hasPrefix("\(name) = ") }.map { String($0.dropFirst(name.count + 3)) }
        }
        let digits = (value("module-mac") ?? "").split(separator: ":").map { UInt8($0, radix: 16) }
        guard let path = value("module"), FIPSConfiguration.isUsable(path), digits.count == 32 else {
            throw .configurationChanged(file)
        }
        (modulePath, mac) = (path, digits.map { $0 ?? 0 })
        guard Array(text.utf8) == bytes else { throw .configurationChanged(file) }
    }

    private static func isUsable(_ path: String) -> Bool {
        path.hasPrefix("/") && path.wholeMatch(of: /[A-Za-z0-9.\/_+@-]{2,1024}/) != nil
    }

    /// In a library context of its own: where FIPS is to be in force nothing else may have been computed.
    private static func mac(of bytes: [UInt8]) throws(FIPSError) -> [UInt8] {
        let context = unsafe OSSL_LIB_CTX_new()
        defer { unsafe OSSL_LIB_CTX_free(context) }
        var (mac, count) = ([UInt8](repeating: 0, count: 32), 0)
        let made = unsafe EVP_Q_mac(
            context, "HMAC", nil, "SHA256", nil, macKey, macKey.count, bytes, bytes.count, &mac, mac.count, &count)
        guard unsafe made != nil, count == 32 else { throw .notLoaded("HMAC-SHA-256", why: LibCrypto.lastError()) }
        return mac
    }

    /// Throws unless the module on disk is the one that this was made for (`.moduleMissing`, `.moduleModified`). The module
    /// checks that too, but with code of its own, which a changed module could have changed as well.
    func checkModule() throws(FIPSError) {
        guard let file = unsafe fopen(modulePath, "rb") else {
            throw .moduleMissing(modulePath, why: unsafe String(cString: strerror(errno)))
        }
        defer { unsafe fclose(file) }
        var (bytes, part) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 18))
        while bytes.count <= FIPSConfiguration.moduleLimit {
            let count = unsafe fread(&part, 1, part.count, file)
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        guard unsafe ferror(file) == 0 else { throw .moduleMissing(modulePath, why: "it can't be read to its end") }
        guard try FIPSConfiguration.mac(of: bytes) == mac else { throw .moduleModified(modulePath) }
    }

    /// OpenSSL's syntax (config(5), fips_config(5)). No `install-status`: every load tests the module anew. Checks that a
    /// module is too old to know it passes over.
    package var text: String {
        """
        # Written by dray-import crypto install. Any change makes it count for nothing.
        config_diagnostics = 1
        openssl_conf = dray_start

        [dray_start]
        providers = dray_providers
        alg_section = dray_algorithms

        [dray_providers]
        fips = dray_fips
        base = dray_base

        [dray_algorithms]
        default_properties = fips=yes

        [dray_base]
        activate = 1

        [dray_fips]
        activate = 1
        module = \(modulePath)
        conditional-errors = 1
        security-checks = 1
        tls1-prf-ems-check = 1
        drbg-no-trunc-md = 1
        signature-digest-check = 1
        dsa-sign-disabled = 1
        rsa-pkcs15-padding-disabled = 1
        rsa-pss-saltlen-check = 1
        rsa-sign-x931-pad-disabled = 1
        tdes-encrypt-disabled = 1
        module-mac = \(mac.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: ":"))

        """
    }

    /// Loads the module in a library context of its own, where it tests itself, and gives what it says of itself. `file`
    /// holds `text`.
    package func probe(file: String) throws(FIPSError) -> FIPSModule {
        LibCrypto.ignoreEnvironment()
        let context = unsafe OSSL_LIB_CTX_new()
        defer { unsafe OSSL_LIB_CTX_free(context) }
        guard unsafe OSSL_LIB_CTX_load_config(context, file) == 1 else {
            throw .notLoaded(modulePath, why: LibCrypto.lastError())
        }
        return try FIPSModule(in: context, modulePath)
    }
}

/// Why no FIPS module is in force although one is demanded. Nothing may be computed then.
package enum FIPSError: Error, Equatable {
    /// No configuration has been written; where it would be.
    case notInstalled(String)
    /// The configuration is not as it was written.
    case configurationChanged(String)
    /// The configuration is of one module, the site's policy names another.
    case otherModule(String, wanted: String)
    case moduleMissing(String, why: String)
    /// The module's bytes are not those that it was installed with.
    case moduleModified(String)
    /// libcrypto or the module itself refused.
    case notLoaded(String, why: String)
    /// Loaded, but not alone in force.
    case notInForce(String)
    case unusablePath(String)
}

extension FIPSError: CustomStringConvertible {
    package var description: String {
        let reason =
            switch self {
            case .notInstalled(let file): "\(file) is not there"
            case .configurationChanged(let file): "\(file) was changed since it was written"
            case .otherModule(let module, let wanted):
                "the module installed is \(module), the site's policy names \(wanted)"
            case .moduleMissing(let path, let why): "the module \(path) can't be read (\(why))"
            case .moduleModified(let path):
                "the module \(path) is not the one that was installed: its bytes have changed"
            case .notLoaded(let path, let why): "the module \(path) can't be loaded (\(why))"
            case .notInForce(let why): "the module is loaded but not alone in force: \(why)"
            case .unusablePath(let path):
                "the module's path \(path) is not absolute, or has other characters than letters, digits and ._+@-/"
            }
        return "FIPS is demanded, and \(reason); nothing was read or computed. "
            + "Set the module up: dray-import crypto install --fips-module FILE"
    }
}
