// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// Which ranges of a file or device are written, kept durably while media come one at a time. It is never ahead of the data, and
/// nothing is believed of it in the end: the whole is compared with the signed digest.
struct ExtractJournal {
    /// Bytes after which progress is made durable.
    static let interval: UInt64 = 64 << 20
    private static let limit = 32 << 20

    private let path: FilePath
    private let header: String
    /// What is durable, and was saved.
    var ranges = ByteRanges()

    /// The journal beside a partial file.
    init(beside staged: FilePath, _ wanted: Extraction.Wanted) throws {
        try self.init(FilePath(staged.string + ".ranges"), wanted)
    }

    /// Reads it; one of something else, and one that is no journal, counts as none.
    init(_ path: FilePath, _ wanted: Extraction.Wanted) throws {
        self.path = path
        header = "dray-extract 1 \(wanted.digest) \(wanted.size)"
        guard try path.exists() else { return }
        let lines = String(decoding: try path.contents(limit: Self.limit), as: UTF8.self).split(separator: "\n")
        guard lines.first == header[...], lines.last == "end" else { return }
        for line in lines.dropFirst().dropLast() {
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            guard numbers.count == 2, numbers[0] < numbers[1], numbers[1] <= wanted.size else {
                ranges = ByteRanges()
                return
            }
            ranges.insert(numbers[0]..<numbers[1])
        }
    }

    /// Makes `fresh` what is done. `sync` makes the data durable and is called first: where that throws nothing was noted.
    mutating func save(_ fresh: ByteRanges, after sync: () throws -> Void) throws {
        try sync()
        guard fresh != ranges else { return }
        let lines = fresh.ranges.map { "\($0.lowerBound) \($0.upperBound)\n" }.joined()
        try path.replaceContents(with: Array("\(header)\n\(lines)end\n".utf8))
        ranges = fresh
    }

    /// Forgets all of it.
    mutating func remove() throws {
        ranges = ByteRanges()
        guard try path.exists() else { return }
        try path.removeFile()
        let folder = path.removingLastComponent()
        try (folder.isEmpty ? "." : folder).syncDirectory()
    }
}
