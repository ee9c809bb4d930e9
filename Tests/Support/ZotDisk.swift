// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

/// Files of the stand-in: what fails is reported, and the caller knows what Zot says then. Paths are text: `FilePath`
/// takes milliseconds for each in a debug build.
enum ZotDisk {
    /// The folder that a path is in.
    static func parent(_ path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? ""
    }

    /// Makes a folder with its parents; false where that is impossible, for example for a name that is too long.
    static func makeFolder(_ path: String) -> Bool {
        if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST { return true }
        let parent = parent(path)
        guard errno == ENOENT, !parent.isEmpty else { return false }
        return makeFolder(parent) && (unsafe mkdir(path, 0o700) == 0 || errno == EEXIST)
    }

    /// Size and age of a regular file; `nil` when there is none.
    static func status(_ path: String) -> (size: Int, age: Duration)? {
        var info = stat()
        guard unsafe stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let age: Duration =
            .seconds(now.tv_sec - info.st_mtim.tv_sec) + .nanoseconds(now.tv_nsec - info.st_mtim.tv_nsec)
        return (Int(info.st_size), age)
    }

    /// The names in a folder, sorted; none when there is no such folder.
    static func names(_ folder: String) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        } catch {
            return []
        }
    }

    /// The bytes of a file; `nil` when it can't be read.
    static func read(_ path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        guard let size = status(path)?.size else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        var done = 0
        while done < size {
            let count = unsafe bytes.withUnsafeMutableBytes { memory in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[done...])
                return unsafe Glibc.read(file, rest.baseAddress, rest.count)
            }
            guard count > 0 else { return nil }
            done += count
        }
        return bytes
    }

    /// Makes a file that is not there.
    static func make(_ path: String, _ bytes: [UInt8]) -> Bool {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return unsafe bytes.withUnsafeBytes { unsafe append($0, to: file) }
    }

    /// Writes all of it.
    static func append(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = unsafe Glibc.write(file, rest.baseAddress, rest.count)
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Makes or replaces a file in one step, so that a kill leaves the old or the new one.
    static func replace(_ path: String, _ bytes: [UInt8]) -> Bool {
        let fresh = "\(path).\(UInt64.random(in: 0...UInt64.max))"
        return make(fresh, bytes) && move(fresh, path)
    }

    static func move(_ from: String, _ to: String) -> Bool { unsafe rename(from, to) == 0 }

    static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// Makes a hard link, which counts as new from now on; one that is there stays.
    static func link(_ from: String, _ to: String) -> Bool {
        guard unsafe Glibc.link(from, to) == 0 || errno == EEXIST else { return false }
        return unsafe utimensat(AT_FDCWD, to, nil, 0) == 0
    }
}
