// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI

extension OpenFile {
    /// The SHA-256 of a range, read in pieces of the buffer's size; `nil` where the file ends before.
    ///
    /// Throws `FileError`; the hasher can be used again all the same.
    func sha256(of range: Range<UInt64>, _ buffer: Buffer, _ hasher: Hasher) throws(FileError) -> Digest? {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let length = min(buffer.capacity, Int(range.upperBound - offset))
            do throws(FileError) {
                try read(into: buffer, at: offset, length: length)
            } catch {
                _ = hasher.finish()
                throw error
            }
            guard buffer.count == length else {
                _ = hasher.finish()
                return nil
            }
            buffer.withBytes { hasher.update($0) }
            offset += UInt64(length)
        }
        return Digest(hashed: hasher.finish())
    }
}
