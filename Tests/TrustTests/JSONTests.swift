// SPDX-License-Identifier: Apache-2.0

import Testing
import Trust

@Suite struct JSONTests {
    private func document(_ text: String, depth: Int = 16, values: Int = 1000) throws -> JSONValue {
        try JSONValue(parsing: Array(text.utf8), .document(bytes: 1 << 20, depth: depth, values: values))
    }

    @Test func `reads values of every kind`() throws {
        let text = """
             {"a": [1, -2, 9007199254740991, 0], "\\u00e4\\ud83d\\ude00": "\\"\\\\\\/\\b\\f\\n\\r\\t", "c": {}, "d": [],
              "e": true, "f": false, "g": null}\t\r\n
            """
        #expect(
            try document(text) == [
                "a": [1, -2, 9_007_199_254_740_991, 0], "ä😀": "\"\\/\u{8}\u{c}\n\r\t", "c": [:], "d": [], "e": true,
                "f": false, "g": .null,
            ])
    }

    @Test(arguments: [
        ("", JSONFault.unexpectedEnd, 0), (" ", .unexpectedEnd, 1), ("{", .unexpectedEnd, 1), ("[1", .unexpectedEnd, 2),
        ("[1,]", .unexpectedByte, 3), ("{\"a\":1,}", .unexpectedByte, 7), ("{a:1}", .unexpectedByte, 1),
        ("{\"a\" 1}", .unexpectedByte, 5), ("1 2", .trailingBytes, 2), ("{}{}", .trailingBytes, 2),
        ("{}\0", .trailingBytes, 2), ("\u{FEFF}{}", .unexpectedByte, 0), ("truE", .unexpectedByte, 3),
        ("nul", .unexpectedEnd, 3), ("'a'", .unexpectedByte, 0), ("/* */1", .unexpectedByte, 0),
        ("+1", .unexpectedByte, 0), (".5", .unexpectedByte, 0), ("-", .number, 0), ("-0", .number, 0),
        ("00", .number, 0), ("1.5", .number, 0), ("1E2", .number, 0), ("-9007199254740992", .number, 0),
        ("Infinity", .unexpectedByte, 0), ("\"abc", .unexpectedEnd, 4), ("\"a\nb\"", .string, 2),
        ("\"\\x\"", .string, 1), ("\"\\u12\"", .string, 1), ("\"\\ud800\"", .string, 1),
        ("\"\\udc00\"", .string, 1), ("\"\\ud800\\u0041\"", .string, 1), ("\"\\u0000\"", .string, 1),
        ("{\"a\":1,\"a\":1}", .duplicateName, 7), ("{\"a\":1,\"\\u0061\":1}", .duplicateName, 7),
        ("{\"\u{e9}\":1,\"e\u{301}\":1}", .duplicateName, 8),
    ]) func `refuses what is no strict JSON, and says where`(_ text: String, _ fault: JSONFault, _ offset: Int) {
        #expect(throws: JSONError.syntax(fault, offset: offset)) { try document(text) }
    }

    @Test(arguments: [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xff], [0xc3], [0xf4, 0x90, 0x80, 0x80]] as [[UInt8]])
    func `refuses strings that are no UTF-8`(_ bytes: [UInt8]) {
        #expect(throws: JSONError.syntax(.string, offset: 0)) {
            try JSONValue(parsing: [0x22] + bytes + [0x22], .document(bytes: 100))
        }
    }

    @Test func `keeps to its limits`() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.syntax(.depth, offset: 16)) { try document(deep) }
        #expect(throws: JSONError.syntax(.depth, offset: 16 * 5)) {
            try document(String(repeating: "{\"a\":", count: 100_000))
        }
        #expect(throws: Never.self) { try document("[[]]", depth: 2) }
        #expect(throws: JSONError.syntax(.tooManyValues, offset: 5)) { try document("[1,2,3]", values: 3) }
        #expect(throws: JSONError.tooLong(limit: 3)) {
            try JSONValue(parsing: [0x31, 0x31, 0x31, 0x31], .document(bytes: 3))
        }
    }

    @Test(arguments: ["\"\\t\"", "\"\\u0041\"", "\"\\\\\"", "\"\u{e9}\"", "\"\u{7f}\"", " 1", "[1, 2]", "1 "])
    func `refuses in metadata what documents may have`(_ text: String) throws {
        _ = try document(text)
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8), .metadata(bytes: 100)) }
    }

    @Test func `writes one canonical form`() throws {
        let value: JSONValue = [
            "b": [1, -2, true, false, .null], "a": "x\n\"\\\u{1}\u{1f}/\u{7f}é", "é": [:], "e\u{301}b": [], "B": "",
        ]
        let text = #"{"B":"","a":"x\n\"\\\u0001\u001f/"# + "\u{7f}é" + #"","b":[1,-2,true,false,null],"é":[],"é":{}}"#
        let expected = text.split(separator: "\"é\":[]").joined(separator: "\"e\u{301}b\":[]")
        #expect(String(decoding: value.canonicalBytes, as: UTF8.self).utf8.elementsEqual(expected.utf8))
        #expect(try JSONValue(parsing: value.canonicalBytes, .document(bytes: 1000)) == value)
    }

    @Test func `names the place of a value that is missing or wrong`() throws {
        let cursor = JSONCursor(try document(#"{"a":{"b":[1,"x"]},"n":-1}"#))
        #expect(try cursor["a"]["b"].elements()[1].string() == "x")
        #expect(try cursor.optional("z") == nil)
        #expect(throws: JSONError.missing(path: "a.c")) { try cursor["a"]["c"] }
        #expect(throws: JSONError.wrongType(path: "a.b[0]", expected: "a string")) {
            try cursor["a"]["b"].elements()[0].string()
        }
        #expect(throws: JSONError.wrongType(path: "a.b", expected: "an object")) { try cursor["a"]["b"]["c"] }
        #expect(throws: JSONError.invalid(path: "n", expected: "from 0 to 5")) { try cursor["n"].int(in: 0...5) }
        #expect(throws: JSONError.unknown(path: "n")) { try cursor.allow(only: ["a"]) }
        #expect(throws: JSONError.wrongType(path: "the document", expected: "an array")) { try cursor.elements() }
    }
}
