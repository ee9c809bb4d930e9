// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Writes past the page cache, where the file system offers it.
package struct DirectFile: ~Copyable, Sendable {
    private let file: OpenFile?

    /// Opens an existing file; never fails, as `write` then says that nothing was written.
    package init(_ path: FilePath) { file = OpenFile.writingDirectly(path) }

    /// Writes bytes whose address, count and offset are aligned; `false` when the file system has no direct writing.
    package func write(_ bytes: RawSpan, at offset: UInt64) throws(FileError) -> Bool {
        guard file != nil else { return false }
        try file?.write(bytes, at: offset)
        return true
    }
}
