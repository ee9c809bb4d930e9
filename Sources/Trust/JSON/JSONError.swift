// SPDX-License-Identifier: Apache-2.0

/// Why bytes are no JSON of the strict kind, or no document of the expected shape.
package enum JSONError: Error, Equatable {
    /// What the grammar doesn't allow, and the byte where it begins.
    case syntax(JSONFault, offset: Int)
    /// More bytes than the limit.
    case tooLong(limit: Int)
    /// A member that must be there and isn't.
    case missing(path: String)
    /// A value of another type than the document must have there.
    case wrongType(path: String, expected: String)
    /// A value of the right type that isn't allowed there.
    case invalid(path: String, expected: String)
    /// A member that this version doesn't know, in a document that allows no others.
    case unknown(path: String)
}

/// What is wrong at a place in a JSON text.
package enum JSONFault: String, Sendable {
    case unexpectedEnd = "the document ends too early"
    case unexpectedByte = "a byte that can't stand here"
    case trailingBytes = "bytes after the document"
    case duplicateName = "a member name that occurs twice"
    case number = "a number that is no plain integer of at most 2^53 - 1"
    case string = "a character or escape that isn't allowed in a string"
    case depth = "nesting that is too deep"
    case tooManyValues = "more values than the limit"
}

extension JSONError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .syntax(let fault, let offset): "\(fault.rawValue), at byte \(offset)"
        case .tooLong(let limit): "more than \(limit) bytes"
        case .missing(let path): "\(path) is missing"
        case .wrongType(let path, let expected): "\(path) is not \(expected)"
        case .invalid(let path, let expected): "\(path) is not \(expected)"
        case .unknown(let path): "\(path) is unknown to this version of Dray"
        }
    }
}
