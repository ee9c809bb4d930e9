// SPDX-License-Identifier: Apache-2.0

/// The checksum that ends a gzip stream (RFC 1952, section 8), eight bytes a step.
struct CRC32 {
    private var register: UInt32 = 0xffff_ffff

    /// Of all bytes so far.
    var value: UInt32 { ~register }

    mutating func update(_ bytes: RawSpan) {
        let table = CRC32.table.span
        var crc = register
        var at = 0
        while at + 8 <= bytes.byteCount {
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self)
            let mixed = UInt64(littleEndian: word) ^ UInt64(crc)
            crc = 0
            for lane in 0..<8 { crc ^= table[(7 - lane) << 8 | Int(mixed >> UInt64(8 * lane) & 0xff)] }
            at += 8
        }
        while at < bytes.byteCount {
            let byte = unsafe bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)
            crc = crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)]
            at += 1
        }
        register = crc
    }

    /// Entry 256 k + b: what byte b does to the register k bytes later.
    private static let table: [UInt32] = {
        var table = [UInt32](repeating: 0, count: 8 << 8)
        for byte in 0..<256 {
            table[byte] = (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xedb8_8320 }
        }
        for index in 256..<table.count {
            let before = table[index - 256]
            table[index] = before >> 8 ^ table[Int(before & 0xff)]
        }
        return table
    }()
}
