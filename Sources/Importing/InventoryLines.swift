// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
package import OCI
package import SystemPackage
package import Trust

/// Reads an inventory line by line (docs/format.md, "Inventory"), and hashes what it reads.
package struct InventoryLines: ~Copyable {
    /// The most bytes of a line: 4,096 names and what belongs to them.
    static let lineLimit = 2 << 20
    private static let pieceLength = 1 << 20

    private let file: OpenFile
    private let size: UInt64
    private var offset: UInt64 = 0
    private var pending: [UInt8] = []
    /// Bytes of `pending` that were given out.
    private var taken = 0
    private let hasher = Hasher()
    private var lines = 0

    package init(_ path: FilePath) throws {
        let opened = try OpenFile.reading(path)
        size = try opened.status().size
        file = opened
    }

    /// Whether a file begins as an inventory does; nothing of it is believed.
    package static func isInventory(_ path: FilePath) throws -> Bool {
        let file = try OpenFile.reading(path)
        let start = Array("{\"format\":\"dray-inventory".utf8)
        return try file.status().size >= UInt64(start.count) && file.bytes(at: 0, length: start.count) == start
    }

    /// The next line's document; `nil` after the last. Throws `InventoryError.unreadable` for a line that is none.
    package mutating func next() throws -> JSONCursor? {
        while true {
            if let end = pending[taken...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { taken = end + 1 }
                lines += 1
                do throws(JSONError) {
                    let limits = JSONLimits.document(bytes: InventoryLines.lineLimit, depth: 8, values: 100_000)
                    return JSONCursor(try JSONValue(parsing: Array(pending[taken..<end]), limits))
                } catch {
                    throw InventoryError.unreadable(file.path, line: lines, "\(error)")
                }
            }
            pending.removeFirst(taken)
            taken = 0
            guard offset < size else {
                guard pending.isEmpty else {
                    throw InventoryError.unreadable(file.path, line: lines + 1, "it has no end")
                }
                return nil
            }
            guard pending.count < InventoryLines.lineLimit else {
                throw InventoryError.unreadable(file.path, line: lines + 1, "it is too long")
            }
            let bytes = try file.bytes(at: offset, length: Int(min(size - offset, UInt64(InventoryLines.pieceLength))))
            hasher.update(unsafe bytes.span.bytes)
            pending += bytes
            offset += UInt64(bytes.count)
        }
    }

    /// SHA-256 of the file, once all of it was read.
    package consuming func digest() -> Digest { Digest(hashed: hasher.finish()) }
}
