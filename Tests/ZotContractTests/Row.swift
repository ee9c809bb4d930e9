// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Support
import SystemPackage

/// One question's answer, as the records in `Resources` hold it.
struct Row: Decodable, Equatable {
    var id: String
    var status: Int
    /// The error codes, or one code and ` (no list)` for a bare error.
    var codes: String
    var headers: [String: String]
    var errors: [Fault]?
    /// Where the record holds it.
    var body: String?

    struct Fault: Decodable, Equatable {
        var code: String
        var message: String
        var detail: JSON
    }

    /// The headers that are recorded.
    static let headers = [
        "location", "range", "docker-content-digest", "oci-subject", "oci-filters-applied", "oci-chunk-min-length",
        "content-range", "content-type", "content-length", "www-authenticate", "link", "docker-upload-uuid",
        "blob-upload-uuid", "warning", "allow", "retry-after", "etag",
    ]

    /// What the record would hold of this answer.
    init(id: String, _ answer: RawClient.Answer, showsBody: Bool) {
        (self.id, status, codes) = (id, answer.status, "")
        headers = answer.headers.filter { Row.headers.contains($0.key) }
        for name in ["location", "docker-upload-uuid", "blob-upload-uuid"] {
            headers[name] = headers[name].map { String($0.prefix(160)) }
        }
        let list = Row.errors(answer.body)
        if let list {
            codes = list.isBare ? "\(list.errors[0].code) (no list)" : list.errors.map(\.code).joined(separator: ",")
            errors = list.errors
        }
        if showsBody || answer.status >= 400 && list == nil {
            body = String(String(decoding: answer.body, as: UTF8.self).prefix(300))
        }
    }

    private static func errors(_ body: [UInt8]) -> (errors: [Fault], isBare: Bool)? {
        struct List: Decodable {
            struct Entry: Decodable { var code, message: String, detail: JSON? }
            var errors: [Entry]?
            var code, message: String?
            var detail: JSON?
        }
        // Any body may come with an error.
        guard let list = try? JSONDecoder().decode(List.self, from: Data(body)) else { return nil }
        if let errors = list.errors, !errors.isEmpty {
            return (
                errors.map { Fault(code: $0.code, message: $0.message, detail: ($0.detail ?? .null).shortened) }, false
            )
        }
        guard let code = list.code else { return nil }
        return ([Fault(code: code, message: list.message ?? "", detail: (list.detail ?? .null).shortened)], true)
    }

    /// The rows of a record.
    static func record(_ name: String) throws -> [Row] {
        let path = SourceTree.root.appending("Tests/ZotContractTests/Resources/\(name).jsonl")
        return try contents(of: path).split(separator: 10).map { try JSONDecoder().decode(Row.self, from: Data($0)) }
    }
}

/// A JSON value, as far as error details need it.
enum JSON: Decodable, Equatable {
    case null
    case text(String)
    case object([String: JSON])
    case other

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let text = try? container.decode(String.self) {  // the next type is tried instead
            self = .text(text)
        } else if let object = try? container.decode([String: JSON].self) {
            self = .object(object)
        } else {
            self = .other
        }
    }

    /// As the records write a detail: no description, values as text of 120 characters at most.
    var shortened: JSON {
        guard case .object(let members) = self else { return .text(String(text.prefix(120))) }
        return .object(members.filter { $0.key != "description" }.mapValues { .text(String($0.text.prefix(120))) })
    }

    var text: String {
        switch self {
        case .null: "None"
        case .text(let text): text
        case .object(let members): members.isEmpty ? "{}" : "{…}"
        case .other: "…"
        }
    }
}
