// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
package import OCI

extension Digest {
    /// Takes what a SHA-256 `Hasher` gave.
    package init(hashed bytes: [UInt8]) {
        guard let digest = Digest(bytes: bytes) else { preconditionFailure("not the 32 bytes of a SHA-256") }
        self = digest
    }

    /// The digest of `bytes`.
    package init(of bytes: [UInt8]) { self.init(hashed: Hasher.hash(bytes)) }

    /// The digest of `bytes`.
    package init(of bytes: RawSpan) { self.init(hashed: Hasher.hash(bytes)) }
}
