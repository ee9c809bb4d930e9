// SPDX-License-Identifier: Apache-2.0

/// Which private key of which token (RFC 7512): `pkcs11:token=...;object=...?module-path=...&pin-source=...`.
package struct PKCS11URI: Sendable, Equatable {
    package private(set) var token: String?
    package private(set) var manufacturer: String?
    package private(set) var model: String?
    package private(set) var serial: String?
    package private(set) var slotID: UInt?
    package private(set) var object: String?
    package private(set) var id: [UInt8]?
    /// The module's file; where absent the caller knows one.
    package private(set) var modulePath: String?
    /// A file whose first line is the PIN.
    package private(set) var pinFile: String?

    /// Whether a text says that it is such a URI.
    package static func isURI(_ text: String) -> Bool { text.prefix(7).lowercased() == "pkcs11:" }

    /// Reads a URI. Throws `.token(.uri)` for what is malformed, given twice, or not supported here: of the path attributes
    /// token, manufacturer, model, serial, slot-id, object, id and type=private are, of the query module-path and
    /// pin-source. `pin-value` is refused: who lists processes sees it.
    package init(_ text: String) throws(KeyError) {
        guard PKCS11URI.isURI(text), text.utf8.count <= 4096 else { throw .token(.uri("it begins with pkcs11:")) }
        let parts = text.dropFirst(7).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var known: Set<String> = []
        for (part, separator) in zip(parts, [Character(";"), "&"]) {
            for attribute in part.split(separator: separator) {
                let pair = attribute.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let name = String(pair[0])
                guard pair.count == 2, let value = PKCS11URI.decode(pair[1]) else {
                    throw .token(.uri("an attribute has the form name=value, with %XX for special characters"))
                }
                guard known.insert(name).inserted else { throw .token(.uri("\(TokenError.shown(name)) stands twice")) }
                try separator == ";" ? take(name, value) : takeQuery(name, value)
            }
        }
        guard token ?? serial ?? manufacturer ?? model ?? slotID.map(String.init) ?? object != nil || id != nil else {
            throw .token(.uri("it names neither a token nor an object"))
        }
    }

    private mutating func take(_ name: String, _ value: [UInt8]) throws(KeyError) {
        let text = String(decoding: value, as: UTF8.self)
        switch name {
        case "token": token = text
        case "manufacturer": manufacturer = text
        case "model": model = text
        case "serial": serial = text
        case "object": object = text
        case "id": id = value
        case "type": if text != "private" { throw .token(.uri("type is \"private\" for a key that signs")) }
        case "slot-id":
            guard let number = UInt(text) else { throw .token(.uri("slot-id is a number")) }
            slotID = number
        default: throw .token(.uri("\(TokenError.shown(name)) is not supported here"))
        }
    }

    private mutating func takeQuery(_ name: String, _ value: [UInt8]) throws(KeyError) {
        let text = String(decoding: value, as: UTF8.self)
        switch name {
        case "module-path": modulePath = text
        case "pin-value":
            throw .token(
                .uri("pin-value would show the PIN to all who list processes; use pin-source=file:... or be asked"))
        case "pin-source":
            let path =
                text.hasPrefix("file:///") ? text.dropFirst(7) : text.hasPrefix("file:") ? text.dropFirst(5) : text[...]
            guard path.hasPrefix("/") else { throw .token(.uri("pin-source is a file with its whole path")) }
            pinFile = String(path)
        default: throw .token(.uri("\(TokenError.shown(name)) is not supported here"))
        }
    }

    /// Takes the percent signs out; `nil` where one isn't followed by two hex digits.
    private static func decode(_ text: Substring) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
