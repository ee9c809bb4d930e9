// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// The file behind a volume: direct writes of whole buffers where the file system takes them, else buffered ones with
/// early write-back. Used by the disk lane, and by the constructor before the lane has work.
final class VolumeOutput: Sendable {
    private let file: OpenFile
    private let direct: DirectFile

    init(_ path: FilePath) throws(FileError) {
        file = try OpenFile.writing(path)
        file.dropCache()  // what is read again to go on is what the medium has
        direct = DirectFile(path)
    }

    /// Writes a buffer at a multiple of the buffer size. A last, shorter one is padded for the direct write; `finish` cuts
    /// the padding off.
    func write(_ buffer: Buffer, at offset: UInt64) throws(FileError) {
        let padded = (buffer.count + Buffer.alignment - 1) / Buffer.alignment * Buffer.alignment
        do throws(FileError) {
            if try writeDirectly(buffer, count: padded, at: offset) { return }
        } catch {
            // A file system may open with O_DIRECT and refuse the write; the buffered way then decides.
            guard error.errno == .invalidArgument else { throw error }
        }
        let failure: FileError? = buffer.withBytes { bytes in
            do throws(FileError) {
                try file.write(bytes, at: offset)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        file.startWriteback(from: offset, length: UInt64(buffer.count))
    }

    private func writeDirectly(_ buffer: Buffer, count: Int, at offset: UInt64) throws(FileError) -> Bool {
        let failure: FileError?? = buffer.withBytes(0..<count) { bytes in
            do throws(FileError) {
                return try direct.write(bytes, at: offset) ? .some(nil) : nil
            } catch {
                return .some(error)
            }
        }
        guard let written = failure else { return false }
        if let error = written { throw error }
        return true
    }

    func reserve(from offset: UInt64, length: UInt64) { file.reserve(from: offset, length: length) }

    func sync() throws(FileError) { try file.syncData() }

    func finish(length: UInt64) throws(FileError) {
        try file.truncate(to: length)
        try file.syncData()
    }

    func read(into buffer: Buffer, at offset: UInt64, length: Int) throws(FileError) {
        try file.read(into: buffer, at: offset, length: length)
    }
}
