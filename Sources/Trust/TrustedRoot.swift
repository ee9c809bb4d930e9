// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// The newest root of a chain that begins at a pinned one: where every verification starts.
///
/// The order is a matter of types: `TrustedRoot`, `TrustedTimestamp`, `TrustedSnapshot`, `TrustedMetadata`; each is made by
/// the one before it, and by nothing else. None of them reads a file.
package struct TrustedRoot: Sendable {
    /// The newest root.
    package private(set) var root: Root
    /// The bytes of every root of the chain, by version.
    package private(set) var files: [Int64: [UInt8]]
    /// The ids of the keys that signed the newest root.
    package private(set) var signers: [KeyID]
    /// The newest time that a root says it was signed at.
    private var issued: UTCTime
    private let pinned: Int64
    /// How this root and all that it leads to are read.
    let dialect: Dialect

    /// Starts from a root that is trusted because the caller has it from another way than the medium.
    ///
    /// With a `fingerprint`, the 32 bytes of a SHA-256, it must be that of these bytes. The root must be signed by its own
    /// keys. Whether it has expired is not asked: a newer one may follow.
    package init(pinned bytes: [UInt8], fingerprint: [UInt8]? = nil, file: String = "1.root.json") throws(TrustError) {
        let actual = Hasher.hash(bytes)
        if let fingerprint, fingerprint != actual {
            throw .fingerprint(file: file, expected: fingerprint.hex, actual: actual.hex)
        }
        try self.init(pinned: bytes, file: file, reading: .strict)
    }

    /// Starts from a root that the caller vouches for, in any dialect.
    package init(pinned bytes: [UInt8], file: String = "root.json", reading dialect: Dialect) throws(TrustError) {
        let envelope = try dialect.envelope(bytes, .root, file)
        // the fingerprint or the caller vouches for these bytes: they say which keys must have signed them
        root = try dialect.root(envelope)
        self.dialect = dialect
        signers = try envelope.signers(.root, root[.root])
        (files, issued, pinned) = ([root.header.version: bytes], root.header.issued, root.header.version)
    }

    /// The name in `trust/` of the root that may follow; where there is none, the chain has ended.
    package var nextName: String { Role.root.fileName(version: root.header.version + 1) }

    /// Adds the next root: signed by a threshold of this one's root keys and of its own, its version one more, for the same
    /// product. When it throws, nothing has changed.
    package mutating func extend(with bytes: [UInt8]) throws(TrustError) {
        let file = nextName
        guard root.header.version - pinned < Int64(TrustLimits.rotations) else {
            throw .tooManyRoots(limit: TrustLimits.rotations)
        }
        let envelope = try dialect.envelope(bytes, .root, file)
        _ = try envelope.signers(.root, root[.root])
        let next = try dialect.root(envelope)
        guard next.header.version == root.header.version + 1 else {
            throw .rootVersion(file: file, expected: root.header.version + 1, found: next.header.version)
        }
        let signers = try envelope.signers(.root, next[.root])
        guard next.product == root.product else {
            throw .otherProduct(file: file, expected: root.product, found: next.product)
        }
        (root, self.signers, issued) = (next, signers, max(issued, next.header.issued))
        files[next.header.version] = bytes
    }

    /// Refuses a medium's root that isn't the very file that the chain has under its version; others it doesn't know.
    package func check(_ bytes: [UInt8], isVersion version: Int64) throws(TrustError) {
        guard let known = files[version], known != bytes else { return }
        throw .otherRoot(file: Role.root.fileName(version: version))
    }

    /// The time to judge by: the clock's, unless a root was signed later than that.
    func time(_ now: UTCTime) -> UTCTime { max(now, issued) }
}

extension Root {
    /// The id of the release key that made a detached signature, such as that of `SHA256SUMS`: any one of them will do.
    ///
    /// It is what `openssl dgst -sha384 -verify` takes of a P-384 key (`-sha256` of P-256 and RSA).
    package func verifyDetached(
        signature: [UInt8], over message: [UInt8], file: String = "SHA256SUMS"
    ) throws(TrustError) -> KeyID {
        for key in self[.targets].keys {
            do throws(KeyError) {
                try key.key.verify(signature: signature, over: message, padding: .openSSLDefault)
                return key.id
            } catch { continue }  // another key may have made it
        }
        throw .detachedSignature(file: file)
    }
}

extension PrivateKey {
    /// A detached signature as `Root.verifyDetached` takes it.
    package func signDetached(_ message: [UInt8]) throws(KeyError) -> [UInt8] {
        try sign(message, padding: .openSSLDefault)
    }
}
