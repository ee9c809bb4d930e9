// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import Glibc
package import SystemPackage
internal import Trust

/// An advisory lock on a file, held until the value goes; the system drops it with the process.
package final class FileLock: Sendable {
    private let held: any Sendable
    private let atEnd: @Sendable () -> Void

    private final class OwnedFile: Sendable {
        let file: OpenFile

        init(_ path: FilePath) throws(FileError) { file = try OpenFile.writing(path) }
    }

    /// Takes the lock, making the file where it is missing. `saysWho`: the file is there for the lock alone, and holds a
    /// line about the holder. Throws `LoadError.busy`, with that line, when another process has it.
    package init(_ path: FilePath, saysWho: Bool = true) throws {
        let owned = try OwnedFile(path)
        (held, atEnd) = (owned, {})
        guard try FileLock.take(owned.file) else {
            let length = saysWho ? Int(min(try owned.file.status().size, 500)) : 0
            let holder = FileLock.printable(try owned.file.bytes(at: 0, length: length))
            throw LoadError.busy(path.string, holder: holder)
        }
        guard saysWho else { return }
        try owned.file.truncate(to: 0)
        try owned.file.write(
            Array("process \(getpid()) on \(FileLock.host), since \(UTCTime.now)\n".utf8), at: 0)
    }

    /// Waits up to half a second: a program that is being started holds a copy of every lock until it runs.
    private static func take(_ lock: borrowing OpenFile) throws -> Bool {
        for _ in 0..<10 {
            if try lock.lock() { return true }
            usleep(50_000)
        }
        return try lock.lock()
    }

    /// Holds something else that keeps others away; `atEnd` is called before that goes.
    init(holding other: some Sendable, atEnd: @escaping @Sendable () -> Void) {
        (held, self.atEnd) = (other, atEnd)
    }

    deinit { atEnd() }

    private static func printable(_ bytes: [UInt8]) -> String {
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }.filter { (0x20..<0x7F).contains($0) }
        return String(decoding: line, as: UTF8.self)
    }

    /// The machine's name.
    static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, name.count - 1) == 0 else { return "this machine" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
