// SPDX-License-Identifier: Apache-2.0

import Trust

extension JSONValue {
    /// The OLPC canonical form (TUF section 4.2.1 refers to it), which is what ordinary metadata's signatures are over: members
    /// sorted, no white space, and in strings nothing escaped but `"` and `\`. It need not be JSON.
    var signedBytes: [UInt8] { bytes(writingStringsBy: JSONValue.write) }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
