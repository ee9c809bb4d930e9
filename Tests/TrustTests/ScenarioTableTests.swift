// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Support
import Testing
import Trust

/// The files of a medium by name, as far as trust looks at them.
struct MediumFiles {
    var files: [String: [UInt8]]
    /// Names that python-tuf is asked for beside these; `name=file` for a file that stands under another name.
    var targets = ["release.json", "volumes/a.001.tar.zst"]

    init(_ set: TrustedMetadata) {
        files = [
            "release.json": Array(set.targets.content.release.version.utf8),
            "volumes/a.001.tar.zst": Array("hello".utf8),
        ]
        for (name, bytes) in set.files { files["trust/\(name)"] = bytes }
    }

    /// Walks `trust/` as the importer does, then compares the targets. The set where nothing is wrong, else the error's case.
    func verify(_ root: TrustedRoot, _ now: UTCTime, since accepted: AcceptedFiles?) -> Result<
        TrustedMetadata, TrustError
    > {
        Result { () throws(TrustError) in
            var root = root
            while let next = files["trust/\(root.nextName)"] { try root.extend(with: next) }
            let timestamp = try root.verified(timestamp: files["trust/timestamp.json"] ?? [], now: now, since: accepted)
            let snapshot = try timestamp.verified(snapshot: files["trust/\(timestamp.snapshotName)"] ?? [])
            let set = try snapshot.verified(targets: files["trust/\(snapshot.targetsName)"] ?? [])
            for name in targets {
                let words = name.split(separator: "=").map(String.init)
                let (file, bytes) = (set.targets.content.files[words[0]], files[words[words.count - 1]] ?? [])
                try LinkContent(length: file?.length, sha256: file?.sha256, sha512: file?.sha512).check(
                    bytes, file: name)
            }
            return set
        }
    }
}

/// A row: what a site that has seen some media says of the next one.
struct TableRow: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// `ok` with the versions of root, timestamp, snapshot and targets, or the error's case.
    let ours: String
    /// python-tuf's exception, or the same `ok`.
    let theirs: String
    let build: @Sendable (Cast) throws -> [MediumFiles]
    var now = Forge.now

    init(
        _ name: String, _ ours: String, _ theirs: String, now: UTCTime = Forge.now,
        _ build: @escaping @Sendable (Cast) throws -> [MediumFiles]
    ) {
        (testDescription, self.ours, self.theirs, self.now, self.build) = (name, ours, theirs, now, build)
    }
}

/// Two of three sign; two releases under root 1, one under root 3 whose release keys are others.
struct Cast: Sendable {
    let publisher, renewed: Publisher
    let first, second, restarted: TrustedMetadata
    let roots: [[UInt8]]

    init() throws {
        publisher = try Publisher(rootKeys: 3, rootThreshold: 2, releaseKeys: 3, releaseThreshold: 2)
        var renewed = publisher
        renewed.rootKeys = try (0..<3).map { _ in try .generate(.p256) }
        renewed.releaseKeys = try (0..<3).map { _ in try .generate(.p256) }
        self.renewed = renewed
        first = try publisher.publish("4.7.26")
        second = try publisher.publish("4.7.27", after: first)
        roots = [
            try #require(first.root.files[1]), try publisher.root(version: 2),
            try renewed.root(version: 3, signedAlsoBy: publisher.rootKeys),
        ]
        var root = first.root
        for next in roots.dropFirst() { try root.extend(with: next) }
        restarted = try renewed.publish("5.0.0", under: root)
    }

    /// A medium that has one file changed.
    func changed(_ set: TrustedMetadata, _ name: String, _ change: (inout [UInt8]) throws -> Void) rethrows
        -> MediumFiles
    {
        var medium = MediumFiles(set)
        try change(&medium.files[name, default: []])
        return medium
    }
}

extension TableRow {
    /// The table of the reference's section 1.3, in its order.
    static let all: [TableRow] = [
        TableRow("a fresh release", "ok 1 1 1 1", "ok 1 1 1 1") { [MediumFiles($0.first)] },
        TableRow("the next release", "ok 1 2 2 2", "ok 1 2 2 2") { [MediumFiles($0.first), MediumFiles($0.second)] },
        TableRow("the same release again", "ok 1 2 2 2", "ok 1 2 2 2") {
            [MediumFiles($0.second), MediumFiles($0.second)]
        },
        TableRow("older genuine metadata", "rollback", "BadVersionNumberError") {
            [MediumFiles($0.second), MediumFiles($0.first)]
        },
        TableRow("an older release that the newest targets still list", "ok 1 2 2 2", "ok 1 2 2 2") { cast in
            var old = MediumFiles(cast.first)
            for (name, bytes) in cast.second.files { old.files["trust/\(name)"] = bytes }  // what the site has kept
            old.targets = ["releases/4.7.26/release.json=release.json"]
            return [MediumFiles(cast.second), old]
        },
        TableRow("a volume of another release", "linkMismatch", "LengthOrHashMismatchError") {
            [$0.changed($0.second, "volumes/a.001.tar.zst") { $0 = Array("other".utf8) }]
        },
        TableRow("one byte of a volume flipped", "linkMismatch", "LengthOrHashMismatchError") {
            [$0.changed($0.second, "volumes/a.001.tar.zst") { $0[4] ^= 1 }]
        },
        TableRow("the targets of another release, renamed", "linkMismatch", "LengthOrHashMismatchError") { cast in
            [cast.changed(cast.second, "trust/2.targets.json") { $0 = cast.first.targets.bytes }]
        },
        TableRow("a volume one byte short", "linkMismatch", "LengthOrHashMismatchError") {
            [$0.changed($0.second, "volumes/a.001.tar.zst") { $0.removeLast() }]
        },
        TableRow("one of two signatures", "threshold", "UnsignedMetadataError") { cast in
            [
                try cast.changed(cast.first, "trust/timestamp.json") { bytes in
                    bytes = try Forge.sign(Forge.body(bytes), by: [cast.publisher.releaseKeys[0]])
                }
            ]
        },
        TableRow("expired", "expired", "ExpiredMetadataError", now: Forge.expires) { [MediumFiles($0.first)] },
        TableRow("two rotations on the medium, keys replaced, versions restarted", "ok 3 1 1 1", "ok 3 1 1 1") {
            [MediumFiles($0.second), MediumFiles($0.restarted)]
        },
        TableRow("a later medium by the revoked keys, without the new roots", "threshold", "UnsignedMetadataError") {
            [MediumFiles($0.restarted), MediumFiles($0.second)]
        },
        TableRow("a root that its new keys alone signed", "threshold", "UnsignedMetadataError") { cast in
            [try cast.changed(cast.restarted, "trust/2.root.json") { $0 = try cast.renewed.root(version: 2) }]
        },
        TableRow("root 2 missing, root 3 there", "threshold", "UnsignedMetadataError") { cast in
            var medium = MediumFiles(cast.restarted)
            medium.files["trust/2.root.json"] = nil
            return [medium]
        },
        TableRow("a root that lists an ML-DSA key too", "malformed", "DeserializationError") { cast in
            [
                try cast.changed(cast.restarted, "trust/2.root.json") { bytes in
                    let id = String(repeating: "0", count: 64)
                    let key =
                        "\"\(id)\":{\"keytype\":\"ml-dsa\",\"keyval\":{\"public\":\"x\"},\"scheme\":\"ml-dsa-87\"},"
                    bytes = try Forge.altered(bytes, "\"keys\":{", "\"keys\":{\(key)", by: cast.publisher.rootKeys)
                }
            ]
        },
        // Known: python-tuf checks signatures over what it parsed, we over the text as it stands.
        TableRow("a member name twice", "threshold", "ok 1 1 1 1") {
            [
                $0.changed($0.first, "trust/timestamp.json") { bytes in
                    let text = String(decoding: bytes, as: UTF8.self)
                    bytes = Array(text.replacing(",\"version\":1,", with: ",\"version\":1,\"version\":1,").utf8)
                }
            ]
        },
        // Known too: true is 1 in Python.
        TableRow("a threshold of true", "malformed", "ok 2 1 1 1") { cast in
            var renewed = cast.publisher
            renewed.releaseThreshold = 1
            var root = cast.first.root
            try root.extend(with: renewed.root(version: 2))
            var medium = MediumFiles(try renewed.publish("4.7.26", under: root))
            medium.files["trust/2.root.json"] = try Forge.altered(
                renewed.root(version: 2), "\"threshold\":1", "\"threshold\":true", by: renewed.rootKeys)
            return [medium]
        },
    ]
}

@Suite(.enabled(if: PythonTUF.isExpected, "python-tuf is missing: scripts/setup --test")) struct ScenarioTableTests {
    private static let cast = Result { () throws -> Cast in try Cast() }

    @Test(arguments: TableRow.all) func `both judge it as the table says`(_ row: TableRow) throws {
        let cast = try Self.cast.get()
        let media = try row.build(cast)
        #expect(try ours(media, row) == row.ours)
        #expect(try theirs(media, row, cast) == row.theirs)
    }

    private func ours(_ media: [MediumFiles], _ row: TableRow) throws -> String {
        var (root, accepted) = (try Self.cast.get().first.root, AcceptedFiles?.none)
        var verdict = ""
        for medium in media {
            switch medium.verify(root, row.now, since: accepted) {
            case .success(let set):
                (root, accepted) = (set.root, set.accepted)
                let versions = [
                    set.root.root.header.version, set.timestamp.content.header.version,
                    set.snapshot.content.header.version, set.targets.content.header.version,
                ]
                verdict = "ok " + versions.map(String.init).joined(separator: " ")
            case .failure(let error): verdict = Mirror(reflecting: error).children.first?.label ?? "\(error)"
            }
        }
        return verdict
    }

    private func theirs(_ media: [MediumFiles], _ row: TableRow, _ cast: Cast) throws -> String {
        let shell = Shell()
        try shell.write(cast.roots[0], "pinned.json")
        var lines = ""
        for (number, medium) in media.enumerated() {
            shell.run("mkdir -p \(number)/trust \(number)/volumes")
            for (name, bytes) in medium.files { try shell.write(bytes, "\(number)/\(name)") }
            let targets = medium.targets.joined(separator: " ")
            lines += "@\(row.now.secondsSince1970) state \(number) pinned.json \(targets)\n"
        }
        try shell.write(Array(lines.utf8), "media")
        #expect(shell.run("\(PythonTUF.interpreter) \(PythonTUF.script) - <media"))
        let last = String(decoding: try shell.read("log"), as: UTF8.self).split(separator: "\n").last ?? ""
        return last.hasPrefix("ok") ? String(last) : String(last.prefix { $0 != " " })
    }
}
