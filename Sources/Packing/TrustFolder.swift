// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import Files
package import SystemPackage
package import Trust

/// The publisher's folder of one product: every root, and the newest timestamp, snapshot and targets. Locked while open.
package struct TrustFolder: ~Copyable {
    private let path: FilePath
    private let lock: OpenFile
    package let root: TrustedRoot
    /// What was published last; `nil` before the first release.
    package private(set) var published: TrustedMetadata?

    /// Makes the folder with the first root of a product.
    ///
    /// Throws `PackError.rootExists` when there is one, `TrustError` for unusable keys.
    package static func create(
        _ path: FilePath, product: String, rootKeys: [PrivateKey], releaseKeys: [PublicKey], issued: UTCTime,
        expires: UTCTime
    ) throws {
        try path.createDirectories()
        let file = path.appending(Role.root.fileName(version: 1))
        guard try !file.exists() else {
            throw PackError.rootExists(path)
        }
        let root = try Root(
            firstFor: product, rootKeys: rootKeys.map(\.publicKey), releaseKeys: releaseKeys, issued: issued,
            expires: expires)
        try file.replaceContents(with: root.signed(by: rootKeys))
    }

    /// Opens the folder and checks everything in it with the importer's code; whether it has expired is not asked.
    package init(_ path: FilePath) throws {
        guard try path.appending(Role.root.fileName(version: 1)).exists() else {
            throw PackError.trustUnusable(path, why: "it has no 1.root.json; make it with dray trust init")
        }
        let lock = try OpenFile.writing(path.appending(".lock"))
        guard try lock.lock() else { throw PackError.alreadyRunning(path) }
        let (root, published) = try TrustFolder.load(path)
        self.path = path
        self.lock = lock
        self.root = root
        self.published = published
    }

    private static func load(_ path: FilePath) throws -> (TrustedRoot, TrustedMetadata?) {
        let media = MediaFolder(path)
        var root = try TrustedRoot(pinned: try TrustFolder.read(media, Role.root.fileName(version: 1), .root, path))
        while let next = try media.contents(of: root.nextName, limit: Role.root.byteLimit) {
            try root.extend(with: next)
        }
        guard let timestamp = try media.contents(of: "timestamp.json", limit: Role.timestamp.byteLimit) else {
            return (root, nil)
        }
        let first = try root.verified(timestamp: timestamp, now: UTCTime(secondsSince1970: 0))
        let second = try first.verified(snapshot: try TrustFolder.read(media, first.snapshotName, .snapshot, path))
        return (root, try second.verified(targets: try TrustFolder.read(media, second.targetsName, .targets, path)))
    }

    private static func read(_ media: MediaFolder, _ name: String, _ role: Role, _ path: FilePath) throws -> [UInt8] {
        guard let bytes = try media.contents(of: name, limit: role.byteLimit) else {
            throw PackError.trustUnusable(path, why: "\(name) is missing; restore the folder from its backup")
        }
        return bytes
    }

    /// Signs the next versions for a release and stores them, durable, the timestamp last.
    package mutating func publish(
        _ publication: Publication, issued: UTCTime, expires: UTCTime, keys: [PrivateKey]
    ) throws -> TrustedMetadata {
        let next = try publication.signed(under: root, after: published, issued: issued, expires: expires, by: keys)
        for (name, bytes) in next.files where !name.hasSuffix(".root.json") && name != "timestamp.json" {
            try path.appending(name).replaceContents(with: bytes)
        }
        try path.appending("timestamp.json").replaceContents(with: next.timestamp.bytes)
        published = next
        return next
    }
}
