// SPDX-License-Identifier: Apache-2.0

/// The bytes of one blob from some offset to its end, as an upload asks for them, in one request or in several.
package protocol BlobBody {
    /// Writes the next bytes to the front of `buffer` and says how many; 0 only at the end.
    ///
    /// What it throws aborts the upload, so that the registry never has the blob, and comes out of the upload unchanged.
    /// No call follows the one that completes the promised size: a check of the whole belongs before the last byte is
    /// handed out.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}
