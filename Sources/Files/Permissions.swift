// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

extension FilePath {
    /// Whether anybody may run what is there (any x bit); a symbolic link at the end is not followed.
    package func isExecutable() throws(FileError) -> Bool {
        guard let mode = mode(of: string) else { throw .last("examine", self) }
        return mode & 0o111 != 0
    }
}

// Outside the extension: `FilePath` has members of its own named after the call and its structure.
private func mode(of path: String) -> mode_t? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status.st_mode : nil
}
