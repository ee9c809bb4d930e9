// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import Files
internal import Glibc
package import SystemPackage
package import Trust

/// The publisher's folder of one product: every root, and the newest timestamp, snapshot and targets. Locked while open.
package struct TrustFolder: ~Copyable {
    let path: FilePath
    private let lock: OpenFile
    package private(set) var state: PublishedTrust

    package var root: TrustedRoot { state.root }
    /// What was published last; `nil` before the first release.
    package var published: TrustedMetadata? { state.published }

    /// Makes the folder with the first root of a product.
    ///
    /// Throws `PackError.rootExists` when there is one, `SigningError.tooFewKeys`, `TrustError` for unusable keys.
    package static func create(
        _ path: FilePath, product: String, rootKeys: [PrivateKey], releaseKeys: [PublicKey], issued: UTCTime,
        expires: UTCTime
    ) throws {
        let root = try Root(
            firstFor: product, rootKeys: rootKeys.map(\.publicKey), releaseKeys: releaseKeys, issued: issued,
            expires: expires)
        try create(path, Proposal(first: root).signed(by: rootKeys, now: issued).root)
    }

    /// Makes the folder with a first root that was signed. Throws `PackError.rootExists` when there is another one.
    package static func create(_ path: FilePath, _ root: TrustedRoot) throws {
        try path.createDirectories()
        let lock = try locked(path)
        let name = Role.root.fileName(version: 1)
        let there = try MediaFolder(path).contents(of: name, limit: Role.root.byteLimit)
        guard there == nil || there == root.files[1] else { throw PackError.rootExists(path) }
        if let bytes = root.files[1], there == nil { try path.appending(name).replaceContents(with: bytes) }
        _ = consume lock
    }

    /// Opens the folder and checks everything in it with the importer's code; whether it has expired is not asked.
    package init(_ path: FilePath) throws {
        try TrustFolder.requireRoot(path)
        let lock = try TrustFolder.locked(path)
        state = try PublishedTrust(reading: MediaFolder(path))
        self.path = path
        self.lock = lock
    }

    /// Reads the folder without its lock: files are replaced whole and the timestamp last, so what is read is one state.
    package static func look(_ path: FilePath) throws -> PublishedTrust {
        try requireRoot(path)
        return try PublishedTrust(reading: MediaFolder(path))
    }

    private static func requireRoot(_ path: FilePath) throws {
        guard try path.appending(Role.root.fileName(version: 1)).exists() else {
            throw PackError.trustUnusable(path, why: "it has no 1.root.json; make it with dray trust init")
        }
    }

    private static func locked(_ path: FilePath) throws -> OpenFile {
        let lock = try OpenFile.writing(path.appending(".lock"))
        guard try TrustFolder.take(lock) else { throw PackError.alreadyRunning(path) }
        return lock
    }

    // MARK: Versions

    /// One above the highest that any file of the role has, published or not: no version is ever used twice.
    package func nextVersions() throws -> SetVersions {
        let highest = try highestVersions()
        return SetVersions(
            targets: highest.targets + 1, snapshot: highest.snapshot + 1, timestamp: highest.timestamp + 1)
    }

    /// The highest version of any file of each role; 0 where there is none.
    func highestVersions() throws -> SetVersions {
        let names = try path.entries()
        return SetVersions(
            targets: TrustFolder.highest(.targets, in: names), snapshot: TrustFolder.highest(.snapshot, in: names),
            timestamp: published?.timestamp.content.header.version ?? 0)
    }

    private static func highest(_ role: Role, in names: [String]) -> Int64 {
        names.compactMap { TrustFolder.version(of: role, in: $0) }.max() ?? 0
    }

    /// The version that a file's name has; `nil` for any name but `V.<role>.json`.
    static func version(of role: Role, in name: String) -> Int64? {
        guard let digits = name.split(separator: ".").first, let version = Int64(digits), version > 0,
            version <= JSONValue.largestInteger, role.fileName(version: version) == name
        else { return nil }
        return version
    }

    // MARK: Writing

    /// Stores what was signed, durable: roots, targets, snapshot, and the timestamp, which makes the set count, last.
    ///
    /// Cut off at any moment the folder opens again, with what was published before or with all of this.
    package mutating func store(_ root: TrustedRoot, _ set: TrustedMetadata?) throws {
        for version in root.files.keys.sorted() where state.root.files[version] == nil {
            if let bytes = root.files[version] { try write(Role.root.fileName(version: version), bytes) }
        }
        if let set {
            try write(set.targets.content.fileName, set.targets.bytes)
            try write(set.snapshot.content.fileName, set.snapshot.bytes)
            try write("timestamp.json", set.timestamp.bytes)
        }
        state = try PublishedTrust(reading: MediaFolder(path))
    }

    private func write(_ name: String, _ bytes: [UInt8]) throws {
        try path.appending(name).replaceContents(with: bytes)
    }

    /// Signs with the keys at hand and stores. Throws as `Proposal.signed` and `store`.
    package mutating func carryOut(_ proposal: Proposal, by keys: [PrivateKey], now: UTCTime) throws -> TrustedMetadata?
    {
        let signed = try proposal.signed(by: keys, now: now)
        try store(signed.root, signed.set)
        return signed.set
    }

    /// The file of a role and version; `nil` where there is none.
    func file(_ role: Role, _ version: Int64) throws(FileError) -> [UInt8]? {
        try MediaFolder(path).contents(of: role.fileName(version: version), limit: role.byteLimit)
    }
}

extension TrustFolder {
    /// Waits up to a second: a program that is being started holds a copy of every lock until it runs, and `trust status` holds
    /// it for a moment only.
    private static func take(_ lock: borrowing OpenFile) throws -> Bool {
        for _ in 0..<20 {
            if try lock.lock() { return true }
            usleep(50_000)
        }
        return try lock.lock()
    }
}
