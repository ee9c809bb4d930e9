// SPDX-License-Identifier: Apache-2.0

/// The four top-level roles of TUF; there are no delegations.
package enum Role: String, Sendable, CaseIterable {
    case root, timestamp, snapshot, targets

    /// The most bytes that are read of a file of this role; the caller applies it before taking memory.
    ///
    /// The numbers are python-tuf's, so that whatever is accepted here is small enough there.
    package var byteLimit: Int {
        switch self {
        case .root: 512_000
        case .timestamp: 16_384
        case .snapshot: 2_000_000
        case .targets: 5_000_000
        }
    }

    /// The file's name in `trust/`; the timestamp, where a client begins, has no version in its name.
    package func fileName(version: Int64) -> String {
        self == .timestamp ? "timestamp.json" : "\(version).\(rawValue).json"
    }
}

/// The SHA-256 of a key object, always computed, never believed.
package struct KeyID: Hashable, Sendable, CustomStringConvertible {
    /// 64 lower-case hex digits.
    package let hex: String
    package var description: String { hex }

    init(digest: [UInt8]) { hex = digest.hex }

    /// The id that a dialect gives a key, of any length: ordinary TUF metadata names keys as it likes.
    package init(named text: String) { hex = text }
}

/// The keys of a role and how many of them must have signed; only distinct keys count.
package struct RoleKeys: Equatable, Sendable {
    package let keys: [TrustKey]
    /// Keys of another dialect; none in the strict one.
    let foreign: [DialectKey]
    package let threshold: Int

    init(keys: [TrustKey], threshold: Int) { (self.keys, foreign, self.threshold) = (keys, [], threshold) }

    /// The keys of a role as another dialect reads them, each key once. A threshold above their number can't be met.
    package init(foreign keys: [DialectKey], threshold: Int) {
        (self.keys, foreign, self.threshold) = ([], keys, threshold)
    }
}

/// The most that one file may hold of signatures, keys and root rotations.
package enum TrustLimits {
    /// Signatures of one file, so also the largest threshold.
    package static let signatures = 16
    /// Keys of one root.
    package static let keys = 64
    /// Roots after the pinned one.
    package static let rotations = 256
    /// Hex digits of one signature: RSA-8192.
    package static let signatureDigits = 2048
}
