// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
internal import Synchronization
internal import Trust

/// What a copy that isn't finished knows of its media, in the local state folder: which files each was to get, and which it has.
/// It goes when all media are done, so that the same command then reads everything again.
final class CopyJournal: Sendable {
    /// One medium.
    struct Entry: Sendable, Equatable {
        let number: Int
        /// Names of volumes and parity files.
        var planned: [String]
        var isDone = false
        /// The length and the time of change of each file that was read back, when it was.
        var verified: [String: Stamp] = [:]
    }

    struct Stamp: Sendable, Equatable {
        let size: UInt64
        let modified: Int64
    }

    /// The most bytes that are read.
    private static let limit = 64 << 20

    private let path: FilePath
    private let entries: Mutex<[Entry]>

    /// Reads what is there; a file that can't be read as a journal counts as none, and is replaced.
    ///
    /// `key`: what tells this copy from others of the same release, the absolute places of the media.
    init(_ state: FilePath, _ release: Digest, key: String) throws {
        let folder = state.appending("copy")
        try folder.createDirectories()
        path = folder.appending("\(release.hex.prefix(16))-\(Digest(of: Array(key.utf8)).hex.prefix(16)).json")
        guard try path.exists() else {
            entries = Mutex([])
            return
        }
        let bytes = try path.contents(limit: CopyJournal.limit)
        entries = Mutex((try? CopyJournal.parsed(bytes)) ?? [])
    }

    var media: [Entry] { entries.withLock { $0 } }

    /// The entry of medium `number`.
    func entry(_ number: Int) -> Entry? { entries.withLock { $0.first { $0.number == number } } }

    /// Changes one medium's entry, makes it where there is none, and makes that durable.
    func update(_ number: Int, _ change: (inout Entry) -> Void) throws {
        try entries.withLock { entries in
            let place = entries.firstIndex { $0.number == number } ?? entries.count
            if place == entries.count { entries.append(Entry(number: number, planned: [])) }
            change(&entries[place])
            try path.replaceContents(with: CopyJournal.json(entries).canonicalBytes)
        }
    }

    /// The copy is complete.
    func remove() throws {
        try path.removeFile()
        try path.removingLastComponent().syncDirectory()
    }

    private static func json(_ entries: [Entry]) -> JSONValue {
        [
            "format": "dray-copy-journal 1",
            "media": .array(
                entries.map { entry in
                    [
                        "number": .int(Int64(entry.number)), "planned": .array(entry.planned.map(JSONValue.string)),
                        "done": .bool(entry.isDone),
                        "verified": .object(
                            entry.verified.mapValues { [.int(Int64(clamping: $0.size)), .int($0.modified / 1000)] }),
                    ]
                }),
        ]
    }

    private static func parsed(_ bytes: [UInt8]) throws -> [Entry] {
        let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: limit, values: 1_000_000)))
        guard try document["format"].string() == "dray-copy-journal 1" else { return [] }
        return try document["media"].elements().map { medium in
            var entry = Entry(
                number: Int(try medium["number"].int()),
                planned: try medium["planned"].elements().map { try $0.string() },
                isDone: try medium["done"].bool())
            for (name, stamp) in try medium["verified"].members() {
                let numbers = try stamp.elements()
                guard numbers.count == 2 else { continue }
                entry.verified[name] = Stamp(size: UInt64(try numbers[0].int()), modified: try numbers[1].int() * 1000)
            }
            return entry
        }
    }
}

extension CopyJournal.Stamp {
    /// Of a file that is there. Microseconds: a journal has no larger numbers.
    init(_ status: FileStatus) { (size, modified) = (status.size, status.modified / 1000 * 1000) }
}
