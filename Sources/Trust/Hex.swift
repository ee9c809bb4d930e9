// SPDX-License-Identifier: Apache-2.0

extension Sequence where Element == UInt8 {
    /// Two lower-case hex digits a byte. The target `OCI` has the same for its digests; `Trust` doesn't depend on it.
    var hex: String {
        var digits: [UInt8] = []
        for byte in self {
            for nibble in [byte >> 4, byte & 15] { digits.append(nibble < 10 ? 48 + nibble : 87 + nibble) }
        }
        return String(decoding: digits, as: UTF8.self)
    }
}

extension [UInt8] {
    /// The bytes that lower-case hex digits name; `nil` for an odd count or any other character.
    init?(hex digits: some Collection<UInt8>) {
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for (index, digit) in digits.enumerated() {
            let nibble: UInt8
            switch digit {
            case 48...57: nibble = digit - 48
            case 97...102: nibble = digit - 87
            default: return nil
            }
            if index.isMultiple(of: 2) { bytes.append(nibble << 4) } else { bytes[index / 2] |= nibble }
        }
        self = bytes
    }
}
