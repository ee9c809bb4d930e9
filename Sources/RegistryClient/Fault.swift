// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials

/// One reason that a registry gave for refusing (distribution-spec 1.1, "Error Codes").
package struct Fault: Sendable, Hashable {
    /// For example `MANIFEST_UNKNOWN`; "" where the registry gave only text.
    package let code: String
    /// Printable, at most 300 characters, without URL queries.
    package let message: String
    /// Where the registry gave a plain text as detail, for example the digest of the missing blob.
    package let detail: String?

    package init(code: String, message: String, detail: String? = nil) {
        (self.code, self.message, self.detail) = (code, message, detail)
    }

    /// Reads an error's body in the four shapes that registries send: a list under `errors`, one bare object, text,
    /// nothing.
    static func reading(_ body: [UInt8]) -> [Fault] {
        let decoder = JSONDecoder()
        if let list = try? decoder.decode(ListDocument.self, from: Data(body)) {
            return list.errors.prefix(20).map(\.fault)
        }
        if let one = try? decoder.decode(FaultDocument.self, from: Data(body)) { return [one.fault] }
        let text = printable(String(decoding: body.prefix(2000), as: UTF8.self))
        return text.isEmpty ? [] : [Fault(code: "", message: text)]
    }

    /// Printable text of at most 300 characters in one line, URL queries left out.
    static func printable(_ text: String) -> String {
        let visible = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
        let words = String(visible).split(separator: " ").joined(separator: " ")
        return String(words.replacing(/\?[^\s"']+=[^\s"']*/, with: "?…").prefix(300))
    }

    private struct ListDocument: Decodable {
        var errors: [FaultDocument]
    }

    private struct FaultDocument: Decodable {
        var fault: Fault

        private enum Key: CodingKey { case code, message, detail }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            let code = try container.decode(String.self, forKey: .code)
            let message = try? container.decode(String.self, forKey: .message)
            let detail = try? container.decode(String.self, forKey: .detail)
            fault = Fault(
                code: Fault.printable(code), message: Fault.printable(message ?? ""),
                detail: detail.map(Fault.printable))
        }
    }
}

extension Fault: CustomStringConvertible {
    package var description: String {
        [code, message, detail ?? ""].filter { !$0.isEmpty }.joined(separator: ": ")
    }
}
