// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Trust

/// Makes genuine and false metadata; writes files without the product's own code, so that they may be wrong.
enum Forge {
    static let now = time("2026-06-01T00:00:00Z")
    static let issued = time("2026-05-01T00:00:00Z")
    static let expires = time("2027-11-01T00:00:00Z")

    static func time(_ text: String) -> UTCTime { UTCTime(text) ?? .latest }

    /// A file with this body, signed by these keys; a key's id may be given instead of computed.
    static func sign(_ body: String, by keys: [PrivateKey], ids: [String]? = nil) throws -> [UInt8] {
        let message = Array(body.utf8).replacingEscapes()
        let signatures = try keys.enumerated().map { index, key in
            let digits = hex(try key.sign(message))
            return "{\"keyid\":\"\(ids?[index] ?? TrustKey(key.publicKey).id.hex)\",\"sig\":\"\(digits)\"}"
        }
        return Array("{\"signatures\":[\(signatures.joined(separator: ","))],\"signed\":\(body)}".utf8)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// The signed part of a file.
    static func body(_ file: [UInt8]) -> String {
        let start = file.firstRange(of: Array("],\"signed\":".utf8))?.upperBound ?? 0
        return String(decoding: file[start...].dropLast(), as: UTF8.self)
    }

    /// A file with one text in its body replaced, signed again.
    static func altered(_ file: [UInt8], _ old: String, _ new: String, by keys: [PrivateKey]) throws -> [UInt8] {
        let body = Forge.body(file)
        let parts = body.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        return try sign(parts.joined(separator: new), by: keys)
    }
}

extension [UInt8] {
    fileprivate func replacingEscapes() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for byte in self {
            if byte == UInt8(ascii: "n"), bytes.last == UInt8(ascii: "\\") {
                bytes[bytes.count - 1] = 10
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}

/// The keys of one publisher, and what it publishes with them.
struct Publisher {
    var rootKeys: [PrivateKey]
    var releaseKeys: [PrivateKey]
    var rootThreshold = 1
    var releaseThreshold = 1
    static let product = "palette-enterprise"

    init(rootKeys: Int = 1, rootThreshold: Int = 1, releaseKeys: Int = 1, releaseThreshold: Int = 1) throws {
        self.rootKeys = try (0..<rootKeys).map { _ in try .generate(.p256) }
        self.releaseKeys = try (0..<releaseKeys).map { _ in try .generate(.p384) }
        (self.rootThreshold, self.releaseThreshold) = (rootThreshold, releaseThreshold)
    }

    func root(product: String = product, expires: UTCTime = Forge.expires) throws -> Root {
        try Root(
            firstFor: product, rootKeys: rootKeys.map(\.publicKey), rootThreshold: rootThreshold,
            releaseKeys: releaseKeys.map(\.publicKey), releaseThreshold: releaseThreshold, issued: Forge.issued,
            expires: expires)
    }

    /// Root number `version` with this publisher's keys, signed by them and by those of the root before.
    func root(
        version: Int64, signedAlsoBy others: [PrivateKey] = [], own: Bool = true, expires: UTCTime = Forge.expires
    ) throws -> [UInt8] {
        let first = try root()
        let header = MetadataHeader(version: version, issued: Forge.issued, expires: expires)
        let roles = Dictionary(uniqueKeysWithValues: Role.allCases.map { ($0, first[$0]) })
        let root = try Root(header: header, product: Self.product, roles: roles)
        return try root.signed(by: (own ? rootKeys : []) + others)
    }

    func pinned(expires: UTCTime = Forge.expires) throws -> TrustedRoot {
        try TrustedRoot(pinned: root(expires: expires).signed(by: rootKeys))
    }

    static let volume = TargetFile(length: 5, sha256: Hasher.hash(Array("hello".utf8)))

    func publish(
        _ version: String = "4.7.27", under root: TrustedRoot? = nil, after previous: TrustedMetadata? = nil,
        delisting: Set<String> = [], issued: UTCTime = Forge.issued, expires: UTCTime = Forge.expires,
        by keys: [PrivateKey]? = nil
    ) throws -> TrustedMetadata {
        let document = Array(version.utf8)
        let release = TargetFile(
            length: Int64(document.count), sha256: Hasher.hash(document), sha512: Hasher.hash(document, .sha512))
        let publication = Publication(
            of: SignedRelease(product: Self.product, edition: "palette", version: version),
            files: ["release.json": release, "volumes/a.001.tar.zst": Self.volume], after: previous,
            delisting: delisting)
        return try publication.signed(
            under: root ?? pinned(), after: previous, issued: issued, expires: expires, by: keys ?? releaseKeys)
    }
}

/// The bytes on a medium, and how an importer walks them.
struct Medium {
    var roots: [[UInt8]] = []
    var timestamp: [UInt8]
    var snapshot: [UInt8]
    var targets: [UInt8]

    init(_ metadata: TrustedMetadata) {
        (timestamp, snapshot, targets) = (metadata.timestamp.bytes, metadata.snapshot.bytes, metadata.targets.bytes)
    }

    /// A medium whose targets are these bytes, everything else genuine.
    init(targets: [UInt8], version: Int64 = 1, timestampVersion: Int64 = 1, by keys: [PrivateKey]) throws {
        let header = MetadataHeader(version: version, issued: Forge.issued, expires: Forge.expires)
        let snapshot = try Snapshot(header: header, targets: Link(version: version, to: targets)).signed(by: keys)
        try self.init(
            targets: targets, snapshot: snapshot, version: version, timestampVersion: timestampVersion, by: keys)
    }

    init(
        targets: [UInt8], snapshot: [UInt8], version: Int64 = 1, timestampVersion: Int64 = 1, by keys: [PrivateKey]
    ) throws {
        let header = MetadataHeader(version: timestampVersion, issued: Forge.issued, expires: Forge.expires)
        (self.targets, self.snapshot) = (targets, snapshot)
        timestamp = try Timestamp(header: header, snapshot: Link(version: version, to: snapshot)).signed(by: keys)
    }

    @discardableResult
    func verify(
        from pinned: TrustedRoot, now: UTCTime = Forge.now, since accepted: AcceptedFiles? = nil
    ) throws -> TrustedMetadata {
        var root = pinned
        for bytes in roots { try root.extend(with: bytes) }
        return try root.verified(timestamp: timestamp, now: now, since: accepted).verified(snapshot: snapshot)
            .verified(targets: targets)
    }
}
