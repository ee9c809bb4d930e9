// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// A file operation that the system refused, with what it was doing and where.
package struct FileError: Error, Equatable {
    /// The verb of the sentence, for example "read" or "create the folder".
    package let operation: String
    package let path: FilePath
    package let errno: Errno
    /// How many bytes the operation lacked, when `errno` says that space ran out and the number is known.
    package var missingBytes: UInt64?

    package init(_ operation: String, _ path: FilePath, _ errno: Errno, missingBytes: UInt64? = nil) {
        (self.operation, self.path, self.errno, self.missingBytes) = (operation, path, errno, missingBytes)
    }

    /// The error of the system call that has just failed.
    static func last(_ operation: String, _ path: FilePath) -> FileError {
        FileError(operation, path, Errno(rawValue: Glibc.errno))
    }

    /// Whether the file system or the quota is full.
    package var isOutOfSpace: Bool { errno == .noSpace || errno == Errno(rawValue: EDQUOT) }

    /// Whether the device under the file system is no longer there.
    package var isMediumGone: Bool { errno == Errno(rawValue: ENODEV) || errno == Errno(rawValue: ENXIO) }

    /// Whether the device could not give the bytes: pulled, or a bad sector.
    package var isMediumUnreadable: Bool { errno == .ioError || isMediumGone }

    /// Whether there is no such file or folder.
    package var isMissing: Bool { errno == .noSuchFileOrDirectory }
}

extension FileError: CustomStringConvertible {
    package var description: String {
        let advice: String
        if isOutOfSpace {
            let amount = missingBytes.map { "\($0) more bytes are needed; " } ?? ""
            advice = "; \(amount)make room there and run the same command again"
        } else if isMediumUnreadable {
            advice = "; check the medium's connection and run the same command again"
        } else if errno == .permissionDenied {
            advice = "; check who may use it"
        } else if errno == .readOnlyFileSystem {
            advice = "; it is mounted read-only: choose another folder, or mount it for writing"
        } else if errno == .fileTooLarge && operation == "write" {
            advice = "; the file system there takes no longer file: choose another one"
        } else {
            advice = ""
        }
        return "can't \(operation) \(path): \(errno)\(advice)"
    }
}
