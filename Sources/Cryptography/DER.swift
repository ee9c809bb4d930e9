// SPDX-License-Identifier: Apache-2.0

/// The few DER structures (X.690) that a token's raw values are put into.
enum DER {
    /// A tag, its length and its content.
    static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = content.count
        repeat {
            length.insert(UInt8(rest & 0xFF), at: 0)
            rest >>= 8
        } while rest > 0
        let isShort = content.count < 0x80
        return [tag] + (isShort ? length : [0x80 | UInt8(length.count)] + length) + content
    }

    static func sequence(_ parts: [UInt8]...) -> [UInt8] { element(0x30, parts.flatMap(\.self)) }

    /// An INTEGER of an unsigned big-endian number: no needless zeros, never negative.
    static func integer(_ number: some Collection<UInt8>) -> [UInt8] {
        var digits = Array(number.drop { $0 == 0 })
        if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
        return element(0x02, digits)
    }

    /// A BIT STRING of whole bytes.
    static func bits(_ bytes: [UInt8]) -> [UInt8] { element(0x03, [0] + bytes) }

    /// The content of the one OCTET STRING that `bytes` are, or `nil`.
    static func octets(of bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count > 2, bytes[0] == 0x04 else { return nil }
        let header = bytes[1] < 0x80 ? 2 : bytes[1] == 0x81 ? 3 : 4
        let content = Array(bytes.dropFirst(header))
        return element(0x04, content) == bytes ? content : nil
    }

    /// An ECDSA signature (RFC 3279 section 2.2.3) of the r and s that a token puts side by side.
    static func signature(joined: [UInt8]) -> [UInt8] {
        let half = joined.count / 2
        return sequence(integer(joined[..<half]), integer(joined[half...]))
    }

    /// What PKCS #1 v1.5 signs of a digest (RFC 8017 section 9.2).
    static func digestInfo(_ digest: [UInt8], _ hash: HashAlgorithm) -> [UInt8] {
        let last: UInt8 =
            switch hash {
            case .sha256: 1
            case .sha384: 2
            case .sha512: 3
            }
        let algorithm = element(0x06, [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last])
        return sequence(sequence(algorithm, element(0x05, [])), element(0x04, digest))
    }
}
