// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Reads one document, strictly: no duplicate names, no fractions, exponents, -0 or leading zeros, nothing after it.
    package init(parsing bytes: [UInt8], _ limits: JSONLimits) throws(JSONError) {
        guard bytes.count <= limits.bytes else { throw .tooLong(limit: limits.bytes) }
        var parser = JSONParser(bytes: bytes, limits: limits)
        self = try parser.document()
    }
}

/// One walk over a document, front to back.
private struct JSONParser {
    let bytes: [UInt8]
    let limits: JSONLimits
    var offset = 0
    var values = 0

    init(bytes: [UInt8], limits: JSONLimits) { (self.bytes, self.limits) = (bytes, limits) }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try self.value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw fault(.trailingBytes) }
        return value
    }

    func fault(_ fault: JSONFault) -> JSONError {
        .syntax(offset < bytes.count ? fault : .unexpectedEnd, offset: offset)
    }

    var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    mutating func skipSpace() {
        guard !limits.isMetadata else { return }
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { offset += 1 }
    }

    /// Passes over the byte if it is the next one after white space.
    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard next == byte else { return false }
        offset += 1
        return true
    }

    mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard take(byte) else { throw fault(.unexpectedByte) }
    }

    mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        values += 1
        guard values <= limits.values else { throw fault(.tooManyValues) }
        switch next {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case .some(UInt8(ascii: "-")), .some(0x30...0x39): return .int(try integer())
        default: throw fault(.unexpectedByte)
        }
    }

    mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in text.description.utf8 {
            guard next == byte else { throw fault(.unexpectedByte) }
            offset += 1
        }
        return value
    }

    mutating func object(depth: Int) throws(JSONError) -> [String: JSONValue] {
        guard depth <= limits.depth else { throw fault(.depth) }
        offset += 1
        var members: [String: JSONValue] = [:]
        if take(UInt8(ascii: "}")) { return members }
        repeat {
            skipSpace()
            let start = offset
            guard next == UInt8(ascii: "\"") else { throw fault(.unexpectedByte) }
            let name = try string()
            try expect(UInt8(ascii: ":"))
            // names that differ only in how Unicode composes a character count as equal: no file system keeps them apart
            guard members.updateValue(try value(depth: depth), forKey: name) == nil else {
                throw .syntax(.duplicateName, offset: start)
            }
        } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
        return members
    }

    mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        guard depth <= limits.depth else { throw fault(.depth) }
        offset += 1
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return elements }
        repeat { elements.append(try value(depth: depth)) } while take(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        return elements
    }

    mutating func integer() throws(JSONError) -> Int64 {
        let start = offset
        let negative = next == UInt8(ascii: "-")
        if negative { offset += 1 }
        let digits = offset
        var value: Int64 = 0
        while let byte = next, byte >= 0x30, byte <= 0x39 {
            offset += 1
            value = value * 10 + Int64(byte - 0x30)
            guard value <= JSONValue.largestInteger else { throw .syntax(.number, offset: start) }
        }
        let count = offset - digits
        let isFraction = next == UInt8(ascii: ".") || next == UInt8(ascii: "e") || next == UInt8(ascii: "E")
        let isPadded = count > 0 && bytes[digits] == 0x30 && (count > 1 || negative)
        guard count > 0, !isFraction, !isPadded else { throw .syntax(.number, offset: start) }
        return negative ? -value : value
    }
}

extension JSONParser {
    mutating func string() throws(JSONError) -> String {
        let start = offset
        offset += 1
        var text: [UInt8] = []
        while let byte = next, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") {
                text += try escape()
            } else {
                guard byte >= 0x20, !limits.isMetadata || byte < 0x7f else { throw fault(.string) }
                text.append(byte)
                offset += 1
            }
        }
        guard next != nil else { throw fault(.unexpectedEnd) }
        offset += 1
        guard let string = String(validating: text, as: UTF8.self) else { throw .syntax(.string, offset: start) }
        return string
    }

    /// The bytes that one escape stands for; metadata knows the newline only.
    private mutating func escape() throws(JSONError) -> [UInt8] {
        let start = offset
        offset += 1
        guard let byte = next else { throw fault(.unexpectedEnd) }
        offset += 1
        switch (byte, limits.isMetadata) {
        case (UInt8(ascii: "n"), _): return [0x0a]
        case (UInt8(ascii: "\""), false), (UInt8(ascii: "\\"), false), (UInt8(ascii: "/"), false): return [byte]
        case (UInt8(ascii: "b"), false): return [0x08]
        case (UInt8(ascii: "t"), false): return [0x09]
        case (UInt8(ascii: "f"), false): return [0x0c]
        case (UInt8(ascii: "r"), false): return [0x0d]
        case (UInt8(ascii: "u"), false): return try scalar(startingAt: start)
        default: throw .syntax(.string, offset: start)
        }
    }

    /// The UTF-8 of `\uXXXX`, or of two that make a surrogate pair; NUL is refused, C strings end there.
    private mutating func scalar(startingAt start: Int) throws(JSONError) -> [UInt8] {
        var code = try codeUnit(start)
        if code >> 10 == 0x36 {  // the high half of a pair
            guard next == UInt8(ascii: "\\"), offset + 1 < bytes.count, bytes[offset + 1] == UInt8(ascii: "u") else {
                throw .syntax(.string, offset: start)
            }
            offset += 2
            let low = try codeUnit(start)
            guard low >> 10 == 0x37 else { throw .syntax(.string, offset: start) }
            code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
        }
        guard code != 0, let scalar = Unicode.Scalar(code) else { throw .syntax(.string, offset: start) }
        return Array(String(Character(scalar)).utf8)
    }

    private mutating func codeUnit(_ start: Int) throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw .syntax(.string, offset: start)
            }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }
}
