// SPDX-License-Identifier: Apache-2.0

/// How metadata files are written down. The rules on thresholds, links, versions, expiry and rotation are the same for all
/// dialects; what differs is which bytes of a file are signed, and what its members are called.
///
/// The product reads `strict` alone, which no caller has to name. `dray-tuf-client`, which the product doesn't link, makes
/// another one for ordinary TUF metadata.
package struct Dialect: Sendable {
    /// Reads what an envelope signs; asked only after the signatures were checked, but for a pinned root.
    package typealias Reading<Content> = @Sendable (Envelope) throws(TrustError) -> Content

    /// Splits a file of a role into its signatures and its signed bytes; its name is for messages.
    package typealias Splitting = @Sendable (_ bytes: [UInt8], Role, _ file: String) throws(TrustError) -> Envelope

    let envelope: Splitting
    let root: Reading<Root>
    let timestamp: Reading<Timestamp>
    let snapshot: Reading<Snapshot>
    let targets: Reading<Targets>

    /// A dialect of these readers, each of which throws `TrustError.malformed` for content that it doesn't take.
    package init(
        envelope: @escaping Splitting, root: @escaping Reading<Root>, timestamp: @escaping Reading<Timestamp>,
        snapshot: @escaping Reading<Snapshot>, targets: @escaping Reading<Targets>
    ) {
        (self.envelope, self.root, self.timestamp) = (envelope, root, timestamp)
        (self.snapshot, self.targets) = (snapshot, targets)
    }

    /// The fixed grammar and the one canonical form of docs/decisions/0002-canonical-metadata.md.
    static let strict = Dialect(
        envelope: { (bytes, role, file) throws(TrustError) in
            try Envelope(parsing: bytes, limit: role.byteLimit, file: file)
        },
        root: { (envelope) throws(TrustError) in try Root(content: envelope) },
        timestamp: { (envelope) throws(TrustError) in try Timestamp(content: envelope) },
        snapshot: { (envelope) throws(TrustError) in try Snapshot(content: envelope) },
        targets: { (envelope) throws(TrustError) in try Targets(content: envelope) })
}

/// A key of a dialect that has other kinds of keys than `TrustKey`: its id, and whether a signature is its own.
package struct DialectKey: Sendable {
    package let id: KeyID
    let isSigner: @Sendable (_ message: [UInt8], _ signature: [UInt8]) -> Bool

    /// `isSigner` says whether the signature is this key's over the message, whatever either of them holds.
    package init(_ id: KeyID, isSigner: @escaping @Sendable (_ message: [UInt8], _ signature: [UInt8]) -> Bool) {
        (self.id, self.isSigner) = (id, isSigner)
    }
}

extension DialectKey: Equatable {
    package static func == (left: DialectKey, right: DialectKey) -> Bool { left.id == right.id }
}
