// SPDX-License-Identifier: Apache-2.0

/// The header blocks of one tar member (POSIX.1-2017, pax, "ustar Interchange Format"), without time or owner.
struct TarHeader {
    static let block = 512
    /// A size that its 11 octal digits hold.
    static let maximumSize: UInt64 = (8 << 30) - 1

    /// Separated by `/`, relative, without one at its end.
    let path: String
    let isDirectory: Bool
    let isExecutable: Bool
    /// Bytes.
    let size: UInt64

    /// Zeros after the data up to the next block.
    static func padding(after size: UInt64) -> Int { Int((UInt64(block) - size % UInt64(block)) % UInt64(block)) }

    /// One block, or three when the name is too long for it or not ASCII: then a pax header stands before.
    var bytes: [UInt8] {
        let name = Array((path + (isDirectory ? "/" : "")).utf8)
        let mode = isDirectory || isExecutable ? 0o755 : 0o644
        let type: UInt8 = isDirectory ? 0x35 : 0x30
        if name.allSatisfy({ $0 < 128 }), let parts = TarHeader.split(name) {
            return TarHeader.block(parts.name, prefix: parts.prefix, mode: mode, size: size, type: type)
        }
        let record = TarHeader.paxRecord("path", name)
        let pax = TarHeader.block(
            Array("././@PaxHeader".utf8), prefix: [], mode: 0o644, size: UInt64(record.count), type: 0x78)
        let zeros = [UInt8](repeating: 0, count: TarHeader.padding(after: UInt64(record.count)))
        let short = name.map { $0 < 128 ? $0 : 0x5f }.prefix(100)
        return pax + record + zeros
            + TarHeader.block(Array(short), prefix: [], mode: mode, size: size, type: type)
    }

    /// The name cut so that both fields can hold it, with the longest prefix, as GNU tar does; `nil` where none fits.
    private static func split(_ name: [UInt8]) -> (prefix: [UInt8], name: [UInt8])? {
        if name.count <= 100 { return ([], name) }
        let slash = name.dropLast().prefix(156).lastIndex(of: 0x2f)
        guard let slash, name.count - slash - 1 <= 100 else { return nil }
        return (Array(name[..<slash]), Array(name[(slash + 1)...]))
    }

    /// "LENGTH key=value\n", the length counting itself.
    private static func paxRecord(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = Array(" \(key)=".utf8) + value + [0x0a]
        var length = rest.count
        while length != rest.count + String(length).utf8.count { length = rest.count + String(length).utf8.count }
        return Array(String(length).utf8) + rest
    }

    private static func block(
        _ name: [UInt8], prefix: [UInt8], mode: Int, size: UInt64, type: UInt8
    ) -> [UInt8] {
        func octal(_ value: UInt64, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return [UInt8](repeating: 0x30, count: digits - text.utf8.count) + Array(text.utf8) + [0]
        }
        var block = [UInt8](repeating: 0, count: TarHeader.block)
        func put(_ bytes: [UInt8], _ at: Int) { block.replaceSubrange(at..<at + bytes.count, with: bytes) }
        put(name, 0)
        put(octal(UInt64(mode), 7), 100)
        put(octal(0, 7), 108)
        put(octal(0, 7), 116)
        put(octal(size, 11), 124)
        put(octal(0, 11), 136)
        put([UInt8](repeating: 0x20, count: 8), 148)
        put([type], 156)
        put(Array("ustar\u{0}00".utf8), 257)
        put(octal(0, 7), 329)
        put(octal(0, 7), 337)
        put(prefix, 345)
        put(octal(block.reduce(0) { $0 + UInt64($1) }, 6) + [0x20], 148)
        return block
    }
}
