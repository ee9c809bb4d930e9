// SPDX-License-Identifier: Apache-2.0

/// A JSON value of the strict kind that Dray signs: integers only, no duplicate names.
package enum JSONValue: Equatable, Sendable {
    case object([String: JSONValue])
    case array([JSONValue])
    case string(String)
    /// At most `JSONValue.largestInteger` away from zero.
    case int(Int64)
    case bool(Bool)
    case null

    /// 2^53 - 1, what every JSON reader holds exactly (RFC 8259 section 6).
    package static let largestInteger: Int64 = 9_007_199_254_740_991
}

extension JSONValue: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByStringLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral
{
    package init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(Dictionary(members) { first, _ in first })
    }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// What a JSON reader takes, and up to where.
package struct JSONLimits: Sendable {
    /// The most bytes of a document.
    package var bytes: Int
    /// The deepest nesting of arrays and objects; a lone string has depth 0.
    package var depth: Int
    /// The most values in a document, each array and object counted as one: what bounds the memory.
    package var values: Int
    /// Whether strings hold printable ASCII and newlines only, and nothing stands between the values.
    package var isMetadata: Bool

    /// The limits of signed metadata (`docs/decisions/0002-canonical-metadata.md`).
    package static func metadata(bytes: Int) -> JSONLimits {
        JSONLimits(bytes: bytes, depth: 16, values: 500_000, isMetadata: true)
    }

    /// The limits of other documents: full RFC 8259 strings and white space, but no NUL.
    package static func document(bytes: Int, depth: Int = 16, values: Int = 1_000_000) -> JSONLimits {
        JSONLimits(bytes: bytes, depth: depth, values: values, isMetadata: false)
    }
}
