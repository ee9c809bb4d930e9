// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import SystemPackage
import Trust

/// The keys of a publisher whose releases two of three keys sign, and of a thief.
struct HostileKeys: Sendable {
    let root, laterRoot, thief: PrivateKey
    let release: [PrivateKey]
    let laterRelease: [PrivateKey]
    let first: Root
    /// Root 1 as the site pinned it: a second signature would be other bytes.
    let pinned: [UInt8]

    init(product: String = "palette-enterprise") throws {
        (root, laterRoot, thief) = (try .generate(.p256), try .generate(.p256), try .generate(.p384))
        release = try (0..<3).map { _ in try .generate(.p384) }
        laterRelease = try (0..<3).map { _ in try .generate(.p384) }
        first = try Root(
            firstFor: product, rootKeys: [root.publicKey], releaseKeys: release.map(\.publicKey), releaseThreshold: 2,
            issued: MadePublisher.now, expires: .latest)
        pinned = try first.signed(by: [root])
    }

    /// What root number `version` says: the keys as they were, or all replaced.
    func root(_ version: Int64, later: Bool = false) throws -> Root {
        let header = MetadataHeader(version: version, issued: MadePublisher.now, expires: .latest)
        let signed = try Root(
            firstFor: first.product, rootKeys: [(later ? laterRoot : root).publicKey],
            releaseKeys: (later ? laterRelease : release).map(\.publicKey), releaseThreshold: 2,
            issued: MadePublisher.now, expires: .latest)
        let roles = Dictionary(uniqueKeysWithValues: Role.allCases.map { ($0, signed[$0]) })
        return try Root(header: header, product: first.product, roles: roles)
    }
}

/// Signed files as text, so that they may say anything.
enum Forged {
    /// The file with this body; the keys' ids may be given instead of computed.
    static func file(_ body: [UInt8], by keys: [PrivateKey], ids: [String]? = nil) throws -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(body.count)
        for byte in body {
            if byte == UInt8(ascii: "n"), message.last == UInt8(ascii: "\\") {
                message[message.count - 1] = 10
            } else {
                message.append(byte)
            }
        }
        let signatures = try keys.enumerated().map { index, key in
            let id = ids?[index] ?? TrustKey(key.publicKey).id.hex
            return #"{"keyid":"\#(id)","sig":"\#(hex(try key.sign(message)))"}"#
        }
        return Array(#"{"signatures":[\#(signatures.joined(separator: ","))],"signed":"#.utf8) + body + [0x7d]
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The signed part of a file.
    static func body(_ file: [UInt8]) -> [UInt8] {
        let start = file.firstRange(of: Array(#"],"signed":"#.utf8))?.upperBound ?? 0
        return Array(file[start...].dropLast())
    }
}

/// What a row puts on a medium: genuine, but for what it changes.
struct HostileMedium {
    typealias Change = @Sendable ([UInt8]) throws -> [UInt8]
    let keys: HostileKeys
    var versions = MadePublisher.Versions(6)
    var issued = MadePublisher.now
    var expires = UTCTime.latest
    /// Whether the supported releases name this one.
    var isListed = true
    /// Who signs all roles but those in `signers`.
    var releaseSigners: [PrivateKey]
    var signers: [Role: [PrivateKey]] = [:]
    var ids: [Role: [String]] = [:]
    /// Changes to what is signed, and to the file after that.
    var bodies: [Role: Change] = [:]
    var files: [Role: Change] = [:]
    /// Files of `trust/` beside the three.
    var others: [String: [UInt8]]
    /// Shell commands in the bundle's folder when all is written.
    var script = ""

    init(_ keys: HostileKeys) throws {
        self.keys = keys
        releaseSigners = Array(keys.release.prefix(2))
        others = ["1.root.json": keys.pinned]
    }

    /// Replaces the first such text in what a role signs.
    mutating func say(_ role: Role, _ old: String, _ new: String) {
        bodies[role] = { try $0.replacing(old, with: new) }
    }

    /// Adds root 2, after a change of its text, signed by the keys of root 1 unless others are named.
    mutating func addRoot(
        _ version: Int64 = 2, named name: String? = nil, later: Bool = false, by signers: [PrivateKey]? = nil,
        _ change: Change = { $0 }
    ) throws {
        let genuine = try keys.root(version, later: later).signed(by: [later ? keys.laterRoot : keys.root])
        others[name ?? "\(version).root.json"] = try Forged.file(
            try change(Forged.body(genuine)), by: signers ?? [keys.root] + (later ? [keys.laterRoot] : []))
    }

    /// Root 2 with all keys replaced, and everything else signed by the new ones from version 1 on.
    mutating func rotate() throws {
        try addRoot(later: true)
        releaseSigners = Array(keys.laterRelease.prefix(2))
        versions = .init(1)
    }

    private func signed(_ role: Role, _ genuine: [UInt8]) throws -> [UInt8] {
        let by = signers[role] ?? releaseSigners
        let body = try bodies[role]?(Forged.body(genuine)) ?? Forged.body(genuine)
        let file = try Forged.file(body, by: by, ids: ids[role])
        return try files[role]?(file) ?? file
    }

    /// Everything in `trust/`.
    private func trust(_ listed: [String: TargetFile]) throws -> [String: [UInt8]] {
        func header(_ version: Int64) -> MetadataHeader {
            MetadataHeader(version: version, issued: issued, expires: expires)
        }
        var all = listed
        if isListed { all[Targets.listing(of: "1.0.0")] = listed["release.json"] }
        let release = SignedRelease(product: keys.first.product, edition: "palette", version: "1.0.0")
        let by = Array(keys.release.prefix(1))
        let targets = Targets(header: header(versions.targets), release: release, files: all)
        let targetsFile = try signed(.targets, targets.signed(by: by))
        let snapshot = Snapshot(
            header: header(versions.snapshot), targets: Link(version: versions.targets, to: targetsFile))
        let snapshotFile = try signed(.snapshot, snapshot.signed(by: by))
        let timestamp = Timestamp(
            header: header(versions.timestamp), snapshot: Link(version: versions.snapshot, to: snapshotFile))
        var files = others
        files[targets.fileName] = targetsFile
        files[snapshot.fileName] = snapshotFile
        files["timestamp.json"] = try signed(.timestamp, timestamp.signed(by: by))
        return files
    }

    /// Signs what lies in a bundle's folder, in place of all that is signed there.
    func write(to bundle: FilePath) throws {
        let text = String(decoding: try bundle.appending("SHA256SUMS").contents(limit: 1 << 20), as: UTF8.self)
        let names = text.split(separator: "\n").map { String($0.dropFirst(66)) }.filter { !$0.hasPrefix("trust/") }
        var (digests, listed) = ([String: Digest](), [String: TargetFile]())
        for name in names {
            let bytes = try bundle.appending(name).contents(limit: 1 << 26)
            digests[name] = Digest(of: bytes)
            listed[name] = TargetFile(
                length: Int64(bytes.count), sha256: Hasher.hash(bytes),
                sha512: name.hasPrefix("volumes/") ? nil : Hasher.hash(bytes, .sha512))
        }
        let trust = try trust(listed)
        for (name, bytes) in trust { digests["trust/\(name)"] = Digest(of: bytes) }
        let sorted = digests.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let sums = Array(sorted.map { "\($0.value.hex)  \($0.key)\n" }.joined().utf8)
        let signature = try releaseSigners[0].signDetached(sums)
        for place in [bundle, bundle.appending("copies")] {
            try place.appending("trust").removeTree()
            try place.appending("trust").createDirectories()
            for (name, bytes) in trust { try Support.write(bytes, to: place.appending("trust").appending(name)) }
            try Support.write(sums, to: place.appending("SHA256SUMS"))
            try Support.write(signature, to: place.appending("SHA256SUMS.sig"))
        }
        guard !script.isEmpty else { return }
        let done = try run(["sh", "-ec", script.replacing("$dir", with: bundle.string)])
        guard done.status == 0 else { throw NotMade(why: done.errorOutput) }
    }

    struct NotMade: Error { let why: String }
}

extension [UInt8] {
    /// These bytes with the first such text replaced; it must be there.
    func replacing(_ old: String, with new: String) throws -> [UInt8] {
        guard let range = firstRange(of: Array(old.utf8)) else { throw HostileMedium.NotMade(why: "no \(old)") }
        return self[..<range.lowerBound] + Array(new.utf8) + self[range.upperBound...]
    }
}
