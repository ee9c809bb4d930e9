// SPDX-License-Identifier: Apache-2.0

/// A place in a JSON document: reads typed values and names the place when they are missing or wrong.
package struct JSONCursor: Sendable {
    package let value: JSONValue
    /// Where this is, for people: `roles.root.keyids[0]`; empty for the document itself.
    package let path: String

    package init(_ value: JSONValue, path: String = "") { (self.value, self.path) = (value, path) }

    private var place: String { path.isEmpty ? "the document" : path }

    private func wrongType(_ expected: String) -> JSONError { .wrongType(path: place, expected: expected) }

    /// The error that this value isn't allowed here.
    package func invalid(_ expected: String) -> JSONError { .invalid(path: place, expected: expected) }

    /// A member that must be there.
    package subscript(name: String) -> JSONCursor {
        get throws(JSONError) {
            guard let member = try optional(name) else { throw .missing(path: member(name)) }
            return member
        }
    }

    /// A member that may be missing.
    package func optional(_ name: String) throws(JSONError) -> JSONCursor? {
        guard case .object(let members) = value else { throw wrongType("an object") }
        return members[name].map { JSONCursor($0, path: member(name)) }
    }

    private func member(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    /// The members of an object, sorted by name.
    package func members() throws(JSONError) -> [(name: String, cursor: JSONCursor)] {
        guard case .object(let members) = value else { throw wrongType("an object") }
        let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        return sorted.map { ($0.key, JSONCursor($0.value, path: member($0.key))) }
    }

    /// Refuses members other than these, so that a misspelt or newer one isn't passed over.
    package func allow(only names: Set<String>) throws(JSONError) {
        for (name, cursor) in try members() where !names.contains(name) { throw .unknown(path: cursor.path) }
    }

    package func elements() throws(JSONError) -> [JSONCursor] {
        guard case .array(let elements) = value else { throw wrongType("an array") }
        return elements.enumerated().map { JSONCursor($0.element, path: "\(path)[\($0.offset)]") }
    }

    package func string() throws(JSONError) -> String {
        guard case .string(let text) = value else { throw wrongType("a string") }
        return text
    }

    package func bool() throws(JSONError) -> Bool {
        guard case .bool(let value) = value else { throw wrongType("true or false") }
        return value
    }

    /// An integer inside of the range.
    package func int(in range: ClosedRange<Int64> = 0...JSONValue.largestInteger) throws(JSONError) -> Int64 {
        guard case .int(let number) = value else { throw wrongType("an integer") }
        guard range.contains(number) else { throw invalid("from \(range.lowerBound) to \(range.upperBound)") }
        return number
    }
}
