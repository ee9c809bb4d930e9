// SPDX-License-Identifier: Apache-2.0

/// The tar that archive volumes decode to (POSIX.1-2017 pax, "ustar Interchange Format").
enum TarHeader {
    /// Bytes of a header and of the unit that content is padded to.
    static let blockLength = 512
    /// The bytes that end an archive.
    static let trailerLength = 1024
    /// The first size that 11 octal digits can't hold.
    private static let largeSize: UInt64 = 1 << 33

    /// The header of a regular file of `size` bytes; 1,536 bytes with a pax record from 8 GiB on, else 512.
    static func file(_ name: String, size: UInt64) -> [UInt8] {
        guard size >= largeSize else { return header(name, size: size, type: "0") }
        let record = paxRecord("size", String(size))
        let padding = [UInt8](repeating: 0, count: blockLength - record.count)
        return header("pax/size", size: UInt64(record.count), type: "x") + record + padding
            + header(name, size: 0, type: "0")
    }

    /// The bytes after `size` bytes of content, up to the next header.
    static func padding(after size: UInt64) -> Int { Int((512 - size % 512) % 512) }

    /// Header, content and padding of a member.
    static func memberLength(size: UInt64) -> UInt64 {
        size + UInt64(padding(after: size)) + (size >= largeSize ? 1536 : 512)
    }

    // The length that a pax record begins with counts itself.
    private static func paxRecord(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n"
        var length = rest.utf8.count + 1
        while String(length).utf8.count + rest.utf8.count != length { length += 1 }
        return Array("\(length)\(rest)".utf8)
    }

    private static func header(_ name: String, size: UInt64, type: Character) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: blockLength)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { bytes[offset + index] = byte }
        }
        func octal(_ value: UInt64, width: Int) -> String {
            let digits = String(value, radix: 8)
            return String(repeating: "0", count: width - digits.utf8.count) + digits
        }
        put(name, at: 0)
        put(octal(0o644, width: 7), at: 100)
        put(octal(0, width: 7), at: 108)
        put(octal(0, width: 7), at: 116)
        put(octal(size, width: 11), at: 124)
        put(octal(0, width: 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar\u{0}00", at: 257)
        put(octal(0, width: 7), at: 329)
        put(octal(0, width: 7), at: 337)
        put(octal(bytes.reduce(0) { $0 + UInt64($1) }, width: 6) + "\u{0} ", at: 148)
        return bytes
    }
}
