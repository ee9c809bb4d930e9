// SPDX-License-Identifier: Apache-2.0

/// A blob's body across the requests that send it: one body serves consecutive chunks, and is made anew only for an
/// offset at which it doesn't stand.
final class BodyCursor {
    /// Bytes from the blob's start that have been handed out.
    private(set) var position: Int64 = 0
    private let make: (Int64) throws -> any BlobBody
    private var body: (any BlobBody)?

    init(_ make: @escaping (Int64) throws -> any BlobBody) { self.make = make }

    /// Itself, standing at `offset`. Throws what making a body throws.
    func standing(at offset: Int64) throws -> BodyCursor {
        if body == nil || position != offset {
            body = nil
            body = try make(offset)
            position = offset
        }
        return self
    }

    /// Reads as `BlobBody` does; a body that threw is not asked again.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        do {
            let count = try unsafe body?.read(into: buffer) ?? 0
            position += Int64(count)
            return count
        } catch {
            body = nil
            throw error
        }
    }
}
