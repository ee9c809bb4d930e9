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
    /// nothing. `secrets` are left out, before anything is cut: half a secret would not be found.
    static func reading(_ body: [UInt8], hiding secrets: [String] = []) -> [Fault] {
        let decoder = JSONDecoder()
        if let list = try? decoder.decode(ListDocument.self, from: Data(body)) {
            return list.errors.prefix(20).map { $0.fault(hiding: secrets) }
        }
        if let one = try? decoder.decode(FaultDocument.self, from: Data(body)) { return [one.fault(hiding: secrets)] }
        let text = shown(String(decoding: body, as: UTF8.self), hiding: secrets)
        return text.isEmpty ? [] : [Fault(code: "", message: text)]
    }

    private static func shown(_ text: String, hiding secrets: [String]) -> String {
        let clean = secrets.reduce(text) { $1.isEmpty ? $0 : $0.replacing($1, with: "…") }
        return printable(String(clean.prefix(2000)))
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
        let code: String
        let message: String?
        let detail: String?

        private enum Key: CodingKey { case code, message, detail }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            code = try container.decode(String.self, forKey: .code)
            message = try? container.decode(String.self, forKey: .message)
            detail = try? container.decode(String.self, forKey: .detail)
        }

        func fault(hiding secrets: [String]) -> Fault {
            Fault(
                code: shown(code, hiding: secrets), message: shown(message ?? "", hiding: secrets),
                detail: detail.map { shown($0, hiding: secrets) })
        }
    }
}

extension Fault: CustomStringConvertible {
    package var description: String {
        [code, message, detail ?? ""].filter { !$0.isEmpty }.joined(separator: ": ")
    }
}
