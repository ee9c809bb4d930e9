// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import Synchronization
package import SystemPackage
package import Trust

/// What `verify` has read and found good before, of one release: a file that grows by a line for every 64 MiB at the most, so
/// that a run that is killed goes on where it was (docs/media.md, "What verify remembers").
///
/// It only says what need not be read again by `verify`. Nothing that uses a block believes it.
package final class VerifyRecords: Sendable {
    /// What was found good in a file that is still the same.
    package struct Known: Sendable {
        let good: RangeSet<Int>
        let since: UTCTime
    }

    /// The most bytes of the file; one that is longer begins anew.
    static let fileLimit = 64 << 20

    private struct State {
        var entries: [RecordedFile.Place: RecordedFile]
        var systems: [FilePath: FileSystemID] = [:]
        var pending: [RecordedFile.Place: RecordedFile] = [:]
        var pendingBytes: UInt64 = 0
    }

    private final class Log: Sendable {
        let file: OpenFile
        let end: Mutex<UInt64>

        init(_ path: FilePath) throws(FileError) {
            file = try OpenFile.writing(path)
            end = Mutex(try file.status().size)
        }

        func append(_ bytes: [UInt8]) throws {
            try end.withLock { end in
                try file.write(bytes, at: end)
                end += UInt64(bytes.count)
            }
            try file.syncData()
        }
    }

    private let state: Mutex<State>
    private let log: Log
    private let lane = Lane("verify-records")
    private let now: UTCTime
    private let batch: UInt64

    /// Opens the records at `path`, making them where there are none; nobody else may have them open. What is not whole, or too
    /// much, is forgotten, and everything where `forgetting`. `batch`: bytes that may have been verified and not be recorded yet.
    /// Throws `FileError`.
    package init(_ path: FilePath, forgetting: Bool = false, now: UTCTime, batch: UInt64 = 64 << 20) throws {
        let (entries, isTidy) = try VerifyRecords.read(path, forgetting: forgetting)
        if !isTidy {
            let files = entries.values.sorted { ($0.place.volume, $0.place.path) < ($1.place.volume, $1.place.path) }
            try path.replaceContents(with: files.flatMap(\.line))
        }
        log = try Log(path)
        state = Mutex(State(entries: entries))
        (self.now, self.batch) = (now, batch)
    }

    private static func read(
        _ path: FilePath, forgetting: Bool
    ) throws -> (entries: [RecordedFile.Place: RecordedFile], isTidy: Bool) {
        guard !forgetting, let status = try path.statusIfPresent(), status.size <= UInt64(fileLimit) else {
            return ([:], false)
        }
        let bytes = try path.contents(limit: fileLimit)
        var entries: [RecordedFile.Place: RecordedFile] = [:]
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        for line in lines {
            guard let entry = RecordedFile(line: line) else { continue }  // the write that was interrupted
            entries[entry.place, default: entry].add(entry)
        }
        return (entries, entries.count == lines.count && (bytes.isEmpty || bytes.last == UInt8(ascii: "\n")))
    }

    // MARK: What is known

    /// Which of these blocks were found good in the file at `path`, if it is still that file.
    func known(_ volume: Int, path: FilePath, on medium: MediaFolder, blocks: Range<Int>) -> Known? {
        do throws(FileError) {
            guard let status = try path.statusIfPresent(followingLinks: false) else { return nil }
            let place = try place(volume, path, on: medium)
            guard let entry = state.withLock({ $0.entries[place] }), entry.isOf(status), !entry.good.isEmpty else {
                return nil
            }
            return Known(good: entry.good.intersection(RangeSet(blocks)), since: entry.time)
        } catch {
            return nil  // reading it will say why
        }
    }

    private func place(_ volume: Int, _ path: FilePath, on medium: MediaFolder) throws(FileError) -> RecordedFile.Place
    {
        let system: FileSystemID
        if let known = state.withLock({ $0.systems[medium.path] }) {
            system = known
        } else {
            system = try FileSystemID(of: path)
            state.withLock { $0.systems[medium.path] = system }
        }
        return RecordedFile.Place(volume: volume, path: try path.absolute().string, system: system)
    }

    /// What was found good of a volume in files other than these paths: on media that are not at hand. A file that has changed
    /// or was removed since counts no more.
    func elsewhere(_ volume: Int, except paths: Set<String>) -> [RecordedFile] {
        let own = Set(
            paths.map { path in
                do throws(FileError) { return try FilePath(path).absolute().string } catch { return path }
            })
        let entries = state.withLock { $0.entries.values.filter { $0.place.volume == volume && !$0.good.isEmpty } }
        return entries.filter { entry in
            guard !own.contains(entry.place.path) || isOtherMedium(entry) else { return false }
            return !entry.isOutdated
        }.sorted { $0.place.path < $1.place.path }
    }

    /// Whether another file system is mounted there now.
    private func isOtherMedium(_ entry: RecordedFile) -> Bool {
        do throws(FileError) {
            return try FileSystemID(of: FilePath(entry.place.path)) != entry.place.system
        } catch {
            return false
        }
    }

    // MARK: What is found

    /// Notes blocks that were found good; written and synced once there are enough of them.
    func add(_ good: RangeSet<Int>, of file: VolumeFile, _ status: FileStatus) {
        guard !good.isEmpty else { return }
        do throws(FileError) {
            let place = try place(file.number, file.path, on: file.medium)
            let entry = RecordedFile(place: place, status: status, time: now, good: good)
            let isFull = state.withLock { state in
                state.entries[place, default: entry].add(entry)
                state.pending[place, default: entry].add(entry)
                state.pendingBytes += UInt64(good.count) * UInt64(blockSize)
                return state.pendingBytes >= batch
            }
            if isFull { write() }
        } catch {
            // it went away; who reads it says so
        }
    }

    private func write() {
        let pending = state.withLock { state in
            defer { (state.pending, state.pendingBytes) = ([:], 0) }
            return state.pending.values.flatMap(\.line)
        }
        guard !pending.isEmpty else { return }
        lane.drain()  // one batch at a time, or the records fall behind what was read
        lane.add { [log] in try log.append(pending) }
    }

    /// Writes what is left and waits until it is on the disk.
    package func flush() {
        write()
        lane.drain()
    }

    /// Throws why something could not be written; the verification itself is not concerned.
    package func check() throws { try lane.check() }
}
