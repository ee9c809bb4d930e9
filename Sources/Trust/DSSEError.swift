// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// Why an envelope, or what it says, isn't taken.
package enum DSSEError: Error, Equatable {
    /// No envelope.
    case malformed(JSONError)
    /// More bytes than an envelope or its payload may have.
    case tooLarge(limit: Int)
    /// The payload is of another type than it must be.
    case payloadType(found: String, expected: String)
    /// The signature under this key's id was not made by that key over these bytes.
    case badSignature(keyID: String)
    /// None of the known keys signed; the ids that did, as the envelope claims them.
    case unknownKey([String])
    /// One more signature than an envelope takes.
    case tooManySignatures(Int)
    /// The payload is signed, but no statement of the expected kind.
    case statement(JSONError)
    /// The statement is about something else, by its predicate type.
    case predicateType(found: String, expected: String)
    /// A key can't sign.
    case signing(KeyError)
}

extension DSSEError {
    /// Whether the bytes can't be read at all, rather than not being trusted.
    package var isDamage: Bool {
        switch self {
        case .malformed, .tooLarge, .statement: true
        default: false
        }
    }
}

extension DSSEError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let error): "it is no DSSE envelope: \(error)"
        case .tooLarge(let limit): "it has more than \(limit) bytes"
        case .payloadType(let found, let expected):
            "its payload is \(DSSEError.shown(found)), and \(expected) is needed"
        case .badSignature(let keyID):
            "the signature of the key \(DSSEError.shown(keyID)) doesn't fit its bytes: it was changed, or signed anew by another"
        case .unknownKey(let ids):
            "it is signed by \(ids.map(DSSEError.shown).joined(separator: ", ")), which is none of the keys known here"
        case .tooManySignatures(let limit): "it carries \(limit) signatures already"
        case .statement(let error): "what it signs is no in-toto statement that can be used: \(error)"
        case .predicateType(let found, let expected):
            "its statement is a \(DSSEError.shown(found)), and \(expected) is needed"
        case .signing(let error): "can't sign: \(error)"
        }
    }

    /// A text of somebody's, for a terminal.
    private static func shown(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(128).map { (" "..."~").contains($0) ? $0 : "?" }))
    }
}
