// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// An open regular file with one owner; closed when it goes.
package struct OpenFile: ~Copyable, Sendable {
    private let descriptor: FileDescriptor
    /// The name it was opened under, for messages.
    package let path: FilePath

    private init(descriptor: FileDescriptor, path: FilePath) {
        (self.descriptor, self.path) = (descriptor, path)
    }

    deinit { _ = Glibc.close(descriptor.rawValue) }

    /// Opens a file of the user's own (a path typed by a person, symbolic links allowed) for reading.
    package static func reading(_ path: FilePath) throws(FileError) -> OpenFile {
        try opened(path, O_RDONLY | O_CLOEXEC, "open")
    }

    /// Creates `path`, or opens it as it is, for reading and writing; mode 0644 unless given.
    package static func writing(_ path: FilePath, mode: UInt32 = 0o644) throws(FileError) -> OpenFile {
        try opened(path, O_RDWR | O_CREAT | O_CLOEXEC, "create", mode: mode)
    }

    /// Creates `path`, which must not exist, for reading and writing.
    package static func creating(_ path: FilePath, mode: UInt32 = 0o644) throws(FileError) -> OpenFile {
        try opened(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, "create", mode: mode)
    }

    /// Opens an existing file for direct writing past the page cache, or `nil` where the file system refuses.
    static func writingDirectly(_ path: FilePath) -> OpenFile? {
        let raw = unsafe Glibc.open(path.string, O_WRONLY | O_CLOEXEC | dray_o_direct)
        return raw < 0 ? nil : OpenFile(descriptor: FileDescriptor(rawValue: raw), path: path)
    }

    /// Opens an existing file for reading past the page cache, or `nil` where the file system refuses.
    package static func readingDirectly(_ path: FilePath) -> OpenFile? {
        let raw = unsafe Glibc.open(path.string, O_RDONLY | O_CLOEXEC | dray_o_direct)
        return raw < 0 ? nil : OpenFile(descriptor: FileDescriptor(rawValue: raw), path: path)
    }

    /// Opens a folder, for its lock.
    package static func folder(_ path: FilePath) throws(FileError) -> OpenFile {
        try opened(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, "open the folder")
    }

    private static func opened(
        _ path: FilePath, _ flags: Int32, _ verb: String, mode: UInt32 = 0
    ) throws(FileError) -> OpenFile {
        let raw = unsafe path.withPlatformString { name in unsafe Glibc.open(name, flags, mode) }
        guard raw >= 0 else { throw .last(verb, path) }
        return OpenFile(descriptor: FileDescriptor(rawValue: raw), path: path)
    }

    /// Takes over an open descriptor.
    static func owning(_ raw: Int32, path: FilePath) -> OpenFile {
        OpenFile(descriptor: FileDescriptor(rawValue: raw), path: path)
    }

    /// What the file system says about the open file.
    package func status() throws(FileError) -> FileStatus {
        var status = stat()
        guard unsafe fstat(descriptor.rawValue, &status) == 0 else { throw .last("examine", path) }
        return FileStatus(status)
    }

    /// Fills `buffer`, from its byte `start` on, with up to `length` bytes from `offset` of the file; fewer only at the
    /// end of the file. Sets `buffer.count` to the end of what was read.
    package func read(
        into buffer: Buffer, from start: Int = 0, at offset: UInt64, length: Int
    ) throws(FileError) {
        precondition(start >= 0 && start + length <= buffer.capacity)
        var done = 0
        while done < length {
            let count = unsafe buffer.withMemory { memory in
                unsafe pread(
                    descriptor.rawValue, memory.baseAddress.map { unsafe $0 + start + done }, length - done,
                    off_t(offset) + off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            if count == 0 { break }
            done += count
        }
        buffer.count = start + done
    }

    /// As `read`, in one call, as direct reading wants it: `length` and `offset` are multiples of `Buffer.alignment`, and fewer
    /// bytes than that come only from the end of the file.
    package func readDirectly(into buffer: Buffer, at offset: UInt64, length: Int) throws(FileError) {
        precondition(length <= buffer.capacity)
        while true {
            let count = unsafe buffer.withMemory { memory in
                unsafe pread(descriptor.rawValue, memory.baseAddress, length, off_t(offset))
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            buffer.count = count
            return
        }
    }

    /// Lets the page cache forget what it holds of the file and is on the medium already: the next read asks the medium.
    package func dropFromCache() { _ = posix_fadvise(descriptor.rawValue, 0, 0, POSIX_FADV_DONTNEED) }

    /// The bytes from `offset`, exactly `length` of them; throws when the file ends before.
    package func bytes(at offset: UInt64, length: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: length)
        var done = 0
        while done < length {
            let count = unsafe bytes.withUnsafeMutableBytes { memory in
                unsafe pread(
                    descriptor.rawValue, memory.baseAddress.map { unsafe $0 + done }, length - done,
                    off_t(offset) + off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { throw FileError("read past the end of", path, .ioError) }
            done += count
        }
        return bytes
    }

    /// Writes all of `bytes` at `offset`.
    package func write(_ bytes: RawSpan, at offset: UInt64) throws(FileError) {
        let failure: FileError? = unsafe bytes.withUnsafeBytes { source in
            var done = 0
            while done < source.count {
                let count = unsafe pwrite(
                    descriptor.rawValue, source.baseAddress.map { unsafe $0 + done }, source.count - done,
                    off_t(offset) + off_t(done))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else {
                    var error = FileError.last("write", path)
                    if error.isOutOfSpace { error.missingBytes = UInt64(source.count - done) }
                    return error
                }
                done += count
            }
            return nil
        }
        if let failure { throw failure }
    }

    /// Writes all of `bytes` at `offset`.
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(FileError) {
        try write(unsafe bytes.span.bytes, at: offset)
    }

    /// Waits until the data (and what is needed to read it back) is on the medium.
    package func syncData() throws(FileError) {
        guard fdatasync(descriptor.rawValue) == 0 else { throw .last("sync", path) }
    }

    /// Sets the length; a longer file gets zeros.
    package func truncate(to length: UInt64) throws(FileError) {
        guard ftruncate(descriptor.rawValue, off_t(length)) == 0 else { throw .last("set the length of", path) }
    }

    /// Asks for space without changing the length. Where there is not as much, or the file system can't, nothing
    /// happens: the write that needs the space will say so.
    package func reserve(from offset: UInt64, length: UInt64) {
        _ = dray_reserve(descriptor.rawValue, Int64(offset), Int64(length))
    }

    /// Starts writing a range back to the medium without waiting, so that a final sync has little left to do.
    package func startWriteback(from offset: UInt64, length: UInt64) {
        _ = dray_start_writeback(descriptor.rawValue, Int64(offset), Int64(length))
    }

    /// Lets the page cache forget the pages of the file that are written back: what is read next comes from the medium. Advice only.
    package func dropCache() { _ = posix_fadvise(descriptor.rawValue, 0, 0, POSIX_FADV_DONTNEED) }

    /// Takes the exclusive advisory lock of this file until it closes; `false` if another process has it.
    package func lock() throws(FileError) -> Bool {
        if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw .last("lock", path) }
        return false
    }
}

/// What the file system says about a file.
package struct FileStatus: Sendable, Hashable {
    /// Bytes.
    package let size: UInt64
    package let isRegular: Bool
    package let isDirectory: Bool
    package let isSymbolicLink: Bool
    /// Bytes that it takes on the medium: fewer than its size where it has holes.
    package let allocated: UInt64
    /// Nanoseconds since 1970, of the last change of the data.
    package let modified: Int64
    /// Nanoseconds since 1970, of the last change of the data or of what the file system says about it.
    package let changed: Int64
    package let linkCount: UInt64
    package let isBlockDevice: Bool
    /// The number that all files of its file system have.
    package let fileSystem: DeviceNumber
    /// Of a device: its own number.
    package let device: DeviceNumber
    package let inode: UInt64

    /// What stands at a path; `nil` leaves the reason in `errno`.
    init?(at path: String, followingLinks: Bool) {
        var status = stat()
        guard (followingLinks ? unsafe stat(path, &status) : unsafe lstat(path, &status)) == 0 else { return nil }
        self.init(status)
    }

    init(_ status: stat) {
        size = UInt64(status.st_size)
        allocated = UInt64(status.st_blocks) << 9
        isRegular = status.st_mode & S_IFMT == S_IFREG
        isDirectory = status.st_mode & S_IFMT == S_IFDIR
        isSymbolicLink = status.st_mode & S_IFMT == S_IFLNK
        modified = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
        changed = Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec)
        linkCount = UInt64(status.st_nlink)
        isBlockDevice = status.st_mode & S_IFMT == S_IFBLK
        (fileSystem, device) = (DeviceNumber(status.st_dev), DeviceNumber(status.st_rdev))
        inode = UInt64(status.st_ino)
    }
}

extension FileStatus {
    /// Whether the block device that the file is on has been taken away: what is left answers `EIO` as bad sectors do.
    package var isDeviceGone: Bool {
        var status = stat()
        guard !fileSystem.isAnonymous, unsafe stat("/sys/dev/block", &status) == 0 else { return false }
        return unsafe stat("/sys/dev/block/\(fileSystem)", &status) != 0 && errno == ENOENT
    }
}
