// SPDX-License-Identifier: Apache-2.0

package import Files
internal import Glibc
package import SystemPackage

extension FilePath {
    /// Writes a file that isn't there yet: it appears whole, and what stands under its name is never replaced. Throws
    /// `FileError`, `EEXIST` where something is there.
    package func createContents(_ bytes: [UInt8]) throws(FileError) {
        let folder = removingLastComponent()
        let staged = folder.appending(".\(lastComponent?.string ?? "file").\(getpid())")
        try staged.replaceContents(with: bytes)
        var why = unsafe Glibc.link(staged.string, string) == 0 ? nil : Errno(rawValue: errno)
        // FAT and some network mounts know no links.
        if why == .notPermitted || why == .notSupported { why = try takePlace(of: staged) ? nil : .fileExists }
        try staged.removeFile()
        if let why { throw FileError("create", self, why) }
        try (folder.isEmpty ? FilePath(".") : folder).syncDirectory()
    }

    private func takePlace(of staged: FilePath) throws(FileError) -> Bool {
        guard try statusIfPresent(followingLinks: false) == nil else { return false }
        try staged.rename(to: self)
        return true
    }
}
