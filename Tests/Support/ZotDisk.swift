// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import SystemPackage

/// Files of the stand-in: what fails is reported, and the caller knows what Zot says then.
enum ZotDisk {
    /// Makes a folder with its parents; false where that is impossible, for example for a name that is too long.
    static func makeFolder(_ path: FilePath) -> Bool {
        if unsafe mkdir(path.string, 0o700) == 0 || errno == EEXIST { return true }
        guard errno == ENOENT, !path.removingLastComponent().isEmpty else { return false }
        return makeFolder(path.removingLastComponent()) && (unsafe mkdir(path.string, 0o700) == 0 || errno == EEXIST)
    }

    /// Size and age of a regular file; `nil` when there is none.
    static func status(_ path: FilePath) -> (size: Int, age: Duration)? {
        var info = stat()
        guard unsafe stat(path.string, &info) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        let age: Duration =
            .seconds(now.tv_sec - info.st_mtim.tv_sec) + .nanoseconds(now.tv_nsec - info.st_mtim.tv_nsec)
        return (Int(info.st_size), age)
    }

    /// The names in a folder, sorted; none when there is no such folder.
    static func names(_ folder: FilePath) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
        } catch {
            return []
        }
    }

    /// The bytes of a file; `nil` when it can't be read.
    static func read(_ path: FilePath) -> [UInt8]? {
        do { return try contents(of: path) } catch { return nil }
    }

    /// Makes or replaces a file in one step, so that a kill leaves the old or the new one.
    static func replace(_ path: FilePath, _ bytes: [UInt8]) -> Bool {
        let fresh = FilePath("\(path).\(UInt64.random(in: 0...UInt64.max))")
        do { try write(bytes, to: fresh) } catch { return false }
        return move(fresh, path)
    }

    static func move(_ from: FilePath, _ to: FilePath) -> Bool { unsafe rename(from.string, to.string) == 0 }

    static func remove(_ path: FilePath) { _ = unsafe unlink(path.string) }

    /// Makes a hard link, which counts as new from now on; one that is there stays.
    static func link(_ from: FilePath, _ to: FilePath) -> Bool {
        guard unsafe Glibc.link(from.string, to.string) == 0 || errno == EEXIST else { return false }
        return unsafe utimensat(AT_FDCWD, to.string, nil, 0) == 0
    }
}
