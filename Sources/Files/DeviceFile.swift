// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// An open block device that nobody else may use meanwhile, read and written past the page cache.
package struct DeviceFile: ~Copyable {
    private let descriptor: FileDescriptor
    package let path: FilePath
    /// Bytes.
    package let size: UInt64
    /// Bytes of a logical sector: offsets, lengths and addresses are multiples of it.
    package let sector: Int

    /// Throws `FileError`: `EBUSY` while it is mounted, swap, or part of something else, for whoever in whatever container.
    package init(_ path: FilePath) throws(FileError) {
        let raw = unsafe Glibc.open(path.string, O_RDWR | O_EXCL | O_CLOEXEC | dray_o_direct)
        guard raw >= 0 else { throw .last("open", path) }
        var (size, sector): (UInt64, UInt32) = (0, 0)
        guard unsafe dray_device_size(raw, &size, &sector) == 0, sector > 0, Int(sector) <= Buffer.alignment else {
            let error = FileError.last("ask the size of", path)
            _ = Glibc.close(raw)
            throw error
        }
        (descriptor, self.path, self.size, self.sector) = (FileDescriptor(rawValue: raw), path, size, Int(sector))
    }

    deinit { _ = Glibc.close(descriptor.rawValue) }

    /// Fills `buffer` from its start on with `length` bytes from `offset`, both aligned, all of them inside the device.
    package func read(into buffer: Buffer, at offset: UInt64, length: Int) throws(FileError) {
        precondition(length <= buffer.capacity)
        var done = 0
        while done < length {
            let count = unsafe buffer.withMemory { memory in
                unsafe pread(
                    descriptor.rawValue, memory.baseAddress.map { unsafe $0 + done }, length - done,
                    off_t(offset) + off_t(done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .last("read", path) }
            guard count > 0 else { throw FileError("read past the end of", path, .ioError) }
            done += count
        }
        buffer.count = length
    }

    /// Writes a range of `buffer`, aligned, at an aligned offset inside the device.
    package func write(_ buffer: Buffer, _ range: Range<Int>, at offset: UInt64) throws(FileError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= buffer.capacity)
        var done = range.lowerBound
        while done < range.upperBound {
            let count = unsafe buffer.withMemory { memory in
                unsafe pwrite(
                    descriptor.rawValue, memory.baseAddress.map { unsafe $0 + done }, range.upperBound - done,
                    off_t(offset) + off_t(done - range.lowerBound))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .last("write", path) }
            done += count
        }
    }

    /// Waits until all of it is on the medium, the device's own cache included.
    package func sync() throws(FileError) {
        guard fsync(descriptor.rawValue) == 0 else { throw .last("sync", path) }
    }

    /// Lets the page cache forget what it has of the device: what is read next comes from there.
    package func dropCache() throws(FileError) {
        guard dray_drop_device_cache(descriptor.rawValue) == 0 else { throw .last("drop the cached pages of", path) }
    }

    /// Lets the kernel see the partitions that were written. It may not be able to, which a stick that is pulled next doesn't mind.
    package func readPartitionsAgain() { _ = dray_read_partitions_again(descriptor.rawValue) }
}

extension FilePath {
    /// Takes away what is mounted here. Throws `FileError`, `EBUSY` while something uses it.
    package func unmount() throws(FileError) {
        guard unsafe dray_unmount(string) == 0 else { throw .last("unmount", self) }
    }
}
