// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL
internal import Synchronization

/// What libcrypto computes with, in the whole process: libcurl and libarchive use the same library context.
package enum LibCrypto {
    private static let inForce = Mutex<FIPSModule?>(nil)

    /// The FIPS module that computes everything; `nil` where libcrypto itself does.
    package static var fipsModule: FIPSModule? { inForce.withLock { $0 } }

    /// libcrypto's version in words, for example "OpenSSL 3.0.19 27 Jan 2026".
    package static var version: String { unsafe String(cString: OpenSSL_version(OPENSSL_VERSION)) }

    /// Keeps libcrypto, and what uses it, from ever reading the configuration that `OPENSSL_CONF` or the system names: who
    /// starts a program must not choose its cryptography. Before any other use of libcrypto.
    package static func ignoreEnvironment() {
        let isDone = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_LOAD_CONFIG), nil)
        precondition(isDone == 1, "libcrypto can't start")
    }

    /// Lets a FIPS module compute everything from now on, or throws: then nothing may be computed at all. Before any other
    /// use of libcrypto. `file` holds exactly `configuration.text`.
    ///
    /// Asserted afterwards: the fips provider is there and the default one is not, `fips=yes` holds for every fetch, SHA-256
    /// comes from the module and MD5 from nowhere, the module's self-tests pass, and it gives random bytes.
    package static func startFIPS(_ configuration: FIPSConfiguration, file: String) throws(FIPSError) {
        ignoreEnvironment()
        try configuration.checkModule()
        guard unsafe OSSL_LIB_CTX_load_config(nil, file) == 1, unsafe OSSL_PROVIDER_available(nil, "fips") == 1 else {
            throw .notLoaded(configuration.modulePath, why: lastError())
        }
        let module = try FIPSModule(in: nil, configuration.modulePath)
        for other in ["default", "legacy"] {
            guard unsafe OSSL_PROVIDER_available(nil, other) == 0 else {
                throw .notInForce("OpenSSL's \(other) provider is there too")
            }
        }
        guard EVP_default_properties_is_fips_enabled(nil) == 1 else {
            throw .notInForce("fips=yes isn't the default")
        }
        var random: UInt8 = 0
        guard unsafe RAND_bytes(&random, 1) == 1 else { throw .notInForce("it gives no random bytes") }
        ERR_clear_error()
        inForce.withLock { $0 = module }
    }

    static func lastError() -> String {
        var text = [CChar](repeating: 0, count: 256)
        unsafe ERR_error_string_n(ERR_peek_last_error(), &text, text.count)
        ERR_clear_error()
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A FIPS module as it describes itself. Whether it is validated nothing here can tell.
package struct FIPSModule: Sendable, Equatable {
    /// For example "OpenSSL FIPS Provider".
    package let name: String
    package let version: String
    package let path: String

    /// The provider that computes SHA-256 in a library context, which must be `fips`, must know no MD5, and must pass its
    /// own tests once more.
    @safe
    init(in context: OpaquePointer?, _ path: String) throws(FIPSError) {
        defer { ERR_clear_error() }
        guard let sha256 = unsafe EVP_MD_fetch(context, "SHA256", nil) else {
            throw .notLoaded(path, why: LibCrypto.lastError())
        }
        defer { unsafe EVP_MD_free(sha256) }
        if let md5 = unsafe EVP_MD_fetch(context, "MD5", nil) {
            unsafe EVP_MD_free(md5)
            throw .notInForce("MD5 is offered")
        }
        guard let provider = unsafe EVP_MD_get0_provider(sha256),
            let shortName = unsafe OSSL_PROVIDER_get0_name(provider), unsafe String(cString: shortName) == "fips"
        else { throw .notInForce("SHA-256 doesn't come from the module") }
        guard unsafe OSSL_PROVIDER_self_test(provider) == 1 else { throw .notInForce("its self-tests fail") }
        name = unsafe FIPSModule.text(provider, OSSL_PROV_PARAM_NAME)
        version = unsafe FIPSModule.text(provider, OSSL_PROV_PARAM_VERSION)
        self.path = path
    }

    @unsafe
    private static func text(_ provider: OpaquePointer, _ key: String) -> String {
        unsafe dray_provider_text(provider, key).map { unsafe String(cString: $0) } ?? "unknown"
    }
}
