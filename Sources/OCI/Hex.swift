// SPDX-License-Identifier: Apache-2.0

extension Sequence where Element == UInt8 {
    /// Two lower-case hex digits a byte.
    package var lowercaseHex: String {
        var text = ""
        for byte in self {
            for nibble in [byte >> 4, byte & 15] {
                text.unicodeScalars.append(Unicode.Scalar(nibble < 10 ? 48 + nibble : 87 + nibble))
            }
        }
        return text
    }
}

extension [UInt8] {
    /// The bytes that lower-case hex digits name; `nil` for an odd count or any other character.
    package init?(lowercaseHex text: some StringProtocol) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text.utf8 {
            let nibble: UInt8
            switch character {
            case 48...57: nibble = character - 48
            case 97...102: nibble = character - 87
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        guard high == nil else { return nil }
        self = bytes
    }
}
