// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// The one canonical form: members sorted by the bytes of their names, no white space, and of all characters only
    /// `"`, `\` and those below 0x20 escaped, newline as `\n`. A document read from it and written again is the same.
    package var canonicalBytes: [UInt8] { bytes(writingStringsBy: JSONValue.write) }

    /// Members sorted by the bytes of their names and no white space, each string as `string` writes it, quotes included: other
    /// clients' canonical form differs in that alone.
    package func bytes(writingStringsBy string: (String, inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes, string)
        return bytes
    }

    private func write(to bytes: inout [UInt8], _ string: (String, inout [UInt8]) -> Void) {
        switch self {
        case .object(let members): JSONValue.write(members, to: &bytes, string)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.write(to: &bytes, string)
            }
            bytes.append(UInt8(ascii: "]"))
        case .string(let text): string(text, &bytes)
        case .int(let value): bytes += Array(String(value).utf8)
        case .bool(let value): bytes += Array((value ? "true" : "false").utf8)
        case .null: bytes += Array("null".utf8)
        }
    }

    private static func write(
        _ members: [String: JSONValue], to bytes: inout [UInt8], _ string: (String, inout [UInt8]) -> Void
    ) {
        bytes.append(UInt8(ascii: "{"))
        let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (index, member) in sorted.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            string(member.key, &bytes)
            bytes.append(UInt8(ascii: ":"))
            member.value.write(to: &bytes, string)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0a: bytes += Array("\\n".utf8)
            case ..<0x20: bytes += Array("\\u00".utf8) + Array([byte].hex.utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
