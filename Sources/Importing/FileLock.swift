// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage

/// An advisory lock on a file, held until the value goes; the system drops it with the process.
package final class FileLock: Sendable {
    private let file: OpenFile

    /// Takes the lock, making the file where it is missing. Throws `LoadError.busy` when another process has it.
    package init(_ path: FilePath) throws {
        file = try OpenFile.writing(path)
        guard try file.lock() else { throw LoadError.busy(path.string) }
    }
}
