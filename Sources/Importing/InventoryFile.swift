// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// An inventory as it is written: JSON lines (docs/format.md, "Inventory"), beside its place until it is whole.
final class InventoryFile {
    static let format = "dray-inventory 1"
    private static let flushLength = 1 << 20

    private let path: FilePath
    private let staged: FilePath
    private let file: OpenFile
    private var pending: [UInt8] = []
    private(set) var length: UInt64 = 0

    /// Begins the file beside `path`; what an interrupted run left there goes.
    init(_ path: FilePath) throws {
        self.path = path
        staged = path.removingLastComponent().appending(".\(path.lastComponent?.string ?? "inventory").new")
        try staged.removeFile()
        file = try OpenFile.creating(staged)
        pending.reserveCapacity(InventoryFile.flushLength + (64 << 10))
    }

    func append(_ line: [String: JSONValue]) throws {
        pending += JSONValue.object(line).canonicalBytes
        pending.append(UInt8(ascii: "\n"))
        if pending.count >= InventoryFile.flushLength { try flush() }
    }

    /// Makes the file durable and gives it its name.
    func finish() throws {
        try flush()
        try file.syncData()
        try staged.rename(to: path)
        let folder = path.removingLastComponent()
        try (folder.isEmpty ? FilePath(".") : folder).syncDirectory()
    }

    /// Removes what was written.
    func discard() throws { try staged.removeFile() }

    private func flush() throws {
        try file.write(pending, at: length)
        length += UInt64(pending.count)
        pending.removeAll(keepingCapacity: true)
    }
}
