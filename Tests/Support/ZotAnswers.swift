// SPDX-License-Identifier: Apache-2.0

extension HTTPAnswer {
    static let json = (name: "Content-Type", value: "application/json")

    /// An answer without a body, of no type.
    static func empty(_ status: Int) -> HTTPAnswer { HTTPAnswer(status) }

    /// What the router says to a path that it doesn't know.
    static var notFound: HTTPAnswer {
        HTTPAnswer(404, [("Content-Type", "text/plain; charset=utf-8")], body: "404 page not found\n")
    }

    /// A list with one error. Zot's detail is an object of strings, with a description beside the facts.
    static func error(_ status: Int, _ code: ZotErrorCode, _ detail: [String: String] = [:]) -> HTTPAnswer {
        HTTPAnswer(status, [json], body: #"{"errors":[\#(code.json(detail))]}"#)
    }
}

/// The codes that Zot answers with (distribution-spec 1.1, "Error Codes").
enum ZotErrorCode: String {
    case blobUnknown = "BLOB_UNKNOWN"
    case blobUploadInvalid = "BLOB_UPLOAD_INVALID"
    case blobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
    case digestInvalid = "DIGEST_INVALID"
    case manifestInvalid = "MANIFEST_INVALID"
    case manifestUnknown = "MANIFEST_UNKNOWN"
    case nameUnknown = "NAME_UNKNOWN"
    case unauthorized = "UNAUTHORIZED"
    case denied = "DENIED"

    var message: String {
        switch self {
        case .blobUnknown: "blob unknown to registry"
        case .blobUploadInvalid: "blob upload invalid"
        case .blobUploadUnknown: "blob upload unknown to registry"
        case .digestInvalid: "provided digest did not match uploaded content"
        case .manifestInvalid: "manifest invalid"
        case .manifestUnknown: "manifest unknown"
        case .nameUnknown: "repository name not known to registry"
        case .unauthorized: "authentication required"
        case .denied: "requested access to the resource is denied"
        }
    }

    /// The error as an object.
    func json(_ detail: [String: String]) -> String {
        let facts = (detail.sorted { $0.key < $1.key } + [("description", "the stand-in of Zot refuses: \(message)")])
            .map { "\(jsonText($0.0)):\(jsonText($0.1))" }.joined(separator: ",")
        return #"{"code":"\#(rawValue)","message":"\#(message)","detail":{\#(facts)}}"#
    }
}
