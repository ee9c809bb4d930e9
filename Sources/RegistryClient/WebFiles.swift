// SPDX-License-Identifier: Apache-2.0

/// Files over plain HTTP or HTTPS: no login, no redirects, no repetition, and no more bytes than the caller allows.
/// Used by one thread at a time.
package final class WebFiles {
    private let registry: Registry
    private let folder: String
    private let easy = EasyHandle()

    /// What came back.
    package enum Answer: Equatable, Sendable {
        case file([UInt8])
        /// A status other than 200 to 299.
        case status(Int)
    }

    /// Connects to nothing yet. `address` is that of a folder, with or without a slash at its end; its path is sent as it is.
    ///
    /// Throws `EndpointError` for another scheme than HTTP and HTTPS, a malformed host, queries, and paths that aren't
    /// printable ASCII.
    package init(folder address: String, stallSeconds: Int = 30) throws {
        let rest = address.firstRange(of: "://").map { address[$0.upperBound...] } ?? ""
        let path = rest.drop { $0 != "/" }
        guard path.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !path.contains("?"), !path.contains("#") else {
            throw EndpointError.path(address)
        }
        var options = RegistryOptions()
        options.stallSeconds = stallSeconds
        registry = try Registry(Endpoint(parsing: String(address.dropLast(path.count))), options)
        folder = path.hasSuffix("/") ? String(path) : path + "/"
    }

    /// Asks once for the file of this name, which is sent as it is, percent escapes and all.
    ///
    /// Throws `RegistryError`: `answerTooLarge` as soon as more than `limit` bytes come, `unreachable`, `certificate`.
    package func get(_ name: String, limit: Int) throws(RegistryError) -> Answer {
        var request = Request(method: "GET", url: registry.endpoint.origin + folder + name)
        request.answerLimit = limit
        let response: Response
        do throws(TransferFailure) {
            response = try easy.perform(request, Transfer(request, registry), registry.options)
        } catch {
            switch try error.outcome(request) {
            case .passing(let error, _): throw error
            case .answer, .body: preconditionFailure("a request without a stream can't fail to read it")
            }
        }
        return (200..<300).contains(response.status) ? .file(response.body) : .status(response.status)
    }
}
