// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// How a medium was read back.
package enum ReadBack: String, Sendable {
    /// Past the page cache (O_DIRECT).
    case direct
    /// After the page cache was told to forget the file (POSIX_FADV_DONTNEED): the kernel may have kept some of it.
    case cacheDropped = "cache dropped"
    /// From a file system in memory (tmpfs), which is no medium.
    case memory
}

/// One large file on a medium while it is written and read back; used by several threads.
final class MediumFile: Sendable {
    let path: FilePath
    private let file: OpenFile
    private let direct: DirectFile
    private let reader: OpenFile?

    /// Opens the file, or makes it.
    init(_ path: FilePath) throws(FileError) {
        self.path = path
        file = try OpenFile.writing(path)
        direct = DirectFile(path)
        reader = OpenFile.readingDirectly(path)
    }

    var readBack: ReadBack { reader == nil ? .cacheDropped : .direct }

    func size() throws(FileError) -> UInt64 { try file.status().size }

    func reserve(_ length: UInt64) { file.reserve(from: 0, length: length) }

    /// Writes at a multiple of the alignment; what isn't whole sectors goes through the page cache.
    func write(_ bytes: RawSpan, at offset: UInt64) throws(FileError) {
        if bytes.byteCount % Buffer.alignment == 0 {
            do throws(FileError) {
                if try direct.write(bytes, at: offset) { return }
            } catch {
                // a file system may open with O_DIRECT and refuse the write; the buffered way then decides
                guard error.errno == .invalidArgument else { throw error }
            }
        }
        try file.write(bytes, at: offset)
        file.startWriteback(from: offset, length: UInt64(bytes.byteCount))
    }

    func sync() throws(FileError) { try file.syncData() }

    /// Before reading, where direct reading isn't possible.
    func forgetCache() { if reader == nil { file.dropFromCache() } }

    func truncate(to length: UInt64) throws(FileError) { try file.truncate(to: length) }

    /// Fills the buffer from the medium with what stands in these bytes; `false` where it has fewer or can't read them.
    func read(_ range: Range<UInt64>, into buffer: Buffer) throws(FileError) -> Bool {
        do throws(FileError) {
            if reader != nil {
                let length = (range.count + Buffer.alignment - 1) / Buffer.alignment * Buffer.alignment
                try reader?.readDirectly(into: buffer, at: range.lowerBound, length: length)
            } else {
                try file.read(into: buffer, at: range.lowerBound, length: range.count)
            }
        } catch {
            guard error.errno == .ioError else { throw error }
            return false
        }
        guard buffer.count >= range.count else { return false }
        buffer.count = range.count
        return true
    }
}
