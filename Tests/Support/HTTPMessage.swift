// SPDX-License-Identifier: Apache-2.0

/// The head of a request as it came.
struct HTTPRequest: Sendable {
    let method: String
    /// Path and query.
    let target: String
    /// Names in lower case; of a name that comes twice, the last value.
    let headers: [String: String]

    /// The path with its percent escapes.
    var path: String { String(target.prefix { $0 != "?" }) }

    /// The values of a query parameter, in order, decoded.
    func query(_ name: String) -> [String] {
        target.dropFirst(path.count + 1).split(separator: "&").compactMap { pair in
            let key = pair.prefix { $0 != "=" }
            guard percentDecoded(key) == name else { return nil }
            return percentDecoded(pair.dropFirst(key.count + 1))
        }
    }
}

/// What a server says to a request.
struct HTTPAnswer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Bytes of a file that follow as the body; `body` is empty then.
    var file: (path: String, offset: Int, count: Int)?

    init(_ status: Int, _ headers: [(name: String, value: String)] = [], body: String = "") {
        (self.status, self.headers, self.body) = (status, headers, Array(body.utf8))
    }

    subscript(_ name: String) -> String? {
        get { headers.first { $0.name.lowercased() == name.lowercased() }?.value }
        set {
            headers.removeAll { $0.name.lowercased() == name.lowercased() }
            if let newValue { headers.append((name, newValue)) }
        }
    }

    /// Status line and headers. Like Go's server: no length where there can be no body.
    func head(closes: Bool) -> String {
        var text = "HTTP/1.1 \(status) \(status < 400 ? "OK" : "Error")\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if status != 204, self["Content-Length"] == nil {
            text += "Content-Length: \(file?.count ?? body.count)\r\n"
        }
        return text + (closes ? "Connection: close\r\n\r\n" : "\r\n")
    }
}

/// Text with its percent escapes resolved and `+` as it is; an escape that is none stays.
func percentDecoded(_ text: some StringProtocol) -> String {
    guard text.contains("%") else { return String(text) }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// A JSON string with its quotes.
func jsonText(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": out += "\\\(scalar)"
        case _ where scalar.value < 32:
            let hex = String(scalar.value, radix: 16)
            out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}
