// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
internal import OCI
internal import Synchronization
internal import SystemPackage

/// What is known of the files in `files/`, whose names say nothing of their bytes: the digest that was proved when a file
/// got its name, good for as long as its size and time stay the same.
final class FileRecords: Sendable {
    struct Record: Codable, Equatable, Sendable {
        let digest: Digest
        let size: Int64
        /// Nanoseconds since 1970.
        let modified: Int64
    }

    private let folder: MirrorFolder
    private let records: Mutex<[String: Record]>

    private var path: FilePath { folder.path.appending(".mirror/files.json") }

    /// Reads what an earlier run noted; a record that can't be read is none, and the file is fetched again.
    init(_ folder: MirrorFolder) throws {
        self.folder = folder
        records = Mutex([:])
        guard try path.exists() else { return }
        let bytes = Data(try path.contents(limit: 16 << 20))
        guard let known = try? JSONDecoder().decode([String: Record].self, from: bytes) else { return }
        records.withLock { $0 = known }
    }

    /// The record of a file that is there as it was when the record was made.
    func record(of name: String) -> Record? {
        guard let record = records.withLock({ $0[name] }), record == (try? current(name, record.digest)) else {
            return nil
        }
        return record
    }

    /// Notes a file that has just got its name.
    func note(_ name: String, _ digest: Digest) throws {
        let record = try current(name, digest)
        records.withLock { $0[name] = record }
        try save()
    }

    /// Writes the records.
    func save() throws {
        let known = records.withLock { $0 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try path.replaceContents(with: [UInt8](try encoder.encode(known)))
    }

    private func current(_ name: String, _ digest: Digest) throws -> Record {
        let status = try OpenFile.reading(folder.files.appending(name)).status()
        return Record(digest: digest, size: Int64(status.size), modified: status.modified)
    }
}
