// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// The hash functions that Dray uses, all from libcrypto.
package enum HashAlgorithm: String, Sendable, CaseIterable {
    case sha256, sha384, sha512

    /// The number of bytes of a digest.
    package var byteCount: Int {
        switch self {
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }
}

/// One running hash. Feed it with `update`, end it with `finish`, which also makes it ready for the next message.
///
/// libcrypto's allocation failures stop the process: nothing that follows could be trusted.
@safe
package final class Hasher: @unchecked Sendable {  // the context is used by one lane at a time, never by two at once
    private let context: OpaquePointer
    private let algorithm: HashAlgorithm

    package init(_ algorithm: HashAlgorithm = .sha256) {
        guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("libcrypto: out of memory") }
        unsafe self.context = context
        self.algorithm = algorithm
        start()
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    private func start() {
        let method = unsafe FetchedHash.method(of: algorithm)
        guard unsafe EVP_DigestInit_ex2(context, method, nil) == 1 else {
            preconditionFailure("libcrypto offers no \(algorithm.rawValue); check the OpenSSL configuration")
        }
    }

    /// Appends bytes to the message.
    package func update(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { buffer in
            let done = unsafe EVP_DigestUpdate(context, buffer.baseAddress, buffer.count)
            precondition(done == 1, "libcrypto: hashing failed")
        }
    }

    /// Appends bytes to the message.
    package func update(_ bytes: [UInt8]) { update(unsafe bytes.span.bytes) }

    /// The digest of everything given since the last `finish`; the next message begins.
    package func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: algorithm.byteCount)
        let done = unsafe EVP_DigestFinal_ex(context, &digest, nil)
        precondition(done == 1, "libcrypto: hashing failed")
        start()
        return digest
    }

    /// The digest of one message.
    package static func hash(_ bytes: RawSpan, _ algorithm: HashAlgorithm = .sha256) -> [UInt8] {
        let hasher = Hasher(algorithm)
        hasher.update(bytes)
        return hasher.finish()
    }

    /// The digest of one message.
    package static func hash(_ bytes: [UInt8], _ algorithm: HashAlgorithm = .sha256) -> [UInt8] {
        hash(unsafe bytes.span.bytes, algorithm)
    }
}

/// Each method fetched once: an implicit fetch a message costs more than hashing a small chunk.
@safe
private enum FetchedHash {
    nonisolated(unsafe) static let sha256 = unsafe EVP_MD_fetch(nil, "SHA256", nil)
    nonisolated(unsafe) static let sha384 = unsafe EVP_MD_fetch(nil, "SHA384", nil)
    nonisolated(unsafe) static let sha512 = unsafe EVP_MD_fetch(nil, "SHA512", nil)

    static func method(of algorithm: HashAlgorithm) -> OpaquePointer? {
        switch algorithm {
        case .sha256: unsafe sha256
        case .sha384: unsafe sha384
        case .sha512: unsafe sha512
        }
    }
}
