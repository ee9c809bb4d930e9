// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// The blocks of a volume that were found good in one file, as that file was then.
struct RecordedFile: Sendable {
    /// Which file of which volume.
    struct Place: Hashable, Sendable {
        let volume: Int
        /// From the root of the file system.
        let path: String
        let system: FileSystemID
    }

    let place: Place
    /// Inode, length and times: a file of which one differs is another.
    private(set) var identity: String
    /// When a block was found good last.
    private(set) var time: UTCTime
    private(set) var good: RangeSet<Int>

    init(place: Place, status: FileStatus, time: UTCTime, good: RangeSet<Int>) {
        (self.place, identity) = (place, RecordedFile.identity(status))
        (self.time, self.good) = (time, good)
    }

    var path: FilePath { FilePath(place.path) }

    private static func identity(_ status: FileStatus) -> String {
        "\(status.inode):\(status.size):\(status.modified):\(status.changed)"
    }

    func isOf(_ status: FileStatus) -> Bool { identity == RecordedFile.identity(status) }

    /// Takes what a later line says; one about another state of the file replaces all before.
    mutating func add(_ later: RecordedFile) {
        if identity == later.identity { good.formUnion(later.good) } else { good = later.good }
        (identity, time) = (later.identity, later.time)
    }

    /// Whether the same file system is mounted there now and the file is gone from it or another.
    var isOutdated: Bool {
        do throws(FileError) {
            var folder = path.removingLastComponent()
            while try !folder.exists(), !folder.removingLastComponent().isEmpty,
                folder != folder.removingLastComponent()
            {
                folder = folder.removingLastComponent()
            }
            guard try FileSystemID(of: folder) == place.system else { return false }
            return try path.statusIfPresent(followingLinks: false).map { !isOf($0) } ?? true
        } catch {
            return false  // nothing can be said about it
        }
    }

    // MARK: As a line of the file

    private static let checkDigits = 16

    /// The check, a space, JSON, a line feed.
    var line: [UInt8] {
        let document: JSONValue = [
            "volume": .int(Int64(place.volume)), "path": .string(place.path),
            "system": .string(place.system.description),
            "file": .string(identity), "time": .string(time.description),
            "good": .array(good.ranges.map { [.int(Int64($0.lowerBound)), .int(Int64($0.upperBound))] }),
        ]
        let bytes = document.canonicalBytes
        return RecordedFile.check(bytes) + [UInt8(ascii: " ")] + bytes + [UInt8(ascii: "\n")]
    }

    private static func check(_ bytes: [UInt8]) -> [UInt8] { Array(Digest(of: bytes).hex.utf8.prefix(checkDigits)) }

    /// Reads a line without its end; `nil` for anything that was not written so.
    init?(line: some Collection<UInt8>) {
        let bytes = Array(line.dropFirst(RecordedFile.checkDigits + 1))
        guard !bytes.isEmpty, line.prefix(RecordedFile.checkDigits).elementsEqual(RecordedFile.check(bytes)) else {
            return nil
        }
        do throws(JSONError) {
            let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: VerifyRecords.fileLimit)))
            place = Place(
                volume: Int(try document["volume"].int()), path: try document["path"].string(),
                system: FileSystemID(description: try document["system"].string()))
            identity = try document["file"].string()
            guard let time = UTCTime(try document["time"].string()) else { return nil }
            self.time = time
            good = RangeSet()
            for pair in try document["good"].elements() {
                let ends = try pair.elements()
                guard ends.count == 2 else { return nil }
                let first = try ends[0].int()
                good.insert(contentsOf: Int(first)..<Int(try ends[1].int(in: first...JSONValue.largestInteger)))
            }
        } catch {
            return nil
        }
    }
}
