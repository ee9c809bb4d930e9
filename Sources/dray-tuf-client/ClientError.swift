// SPDX-License-Identifier: Apache-2.0

/// Why this tool's command failed, beside what `Trust`, `Files` and `RegistryClient` throw.
enum ClientError: Error {
    case usage(String)
    case status(String, Int)
    case unknownTarget(String)
    case delegatedTarget(String)
    case targetTooLarge(String, limit: Int64)
}

extension ClientError: CustomStringConvertible {
    var description: String {
        switch self {
        case .usage(let what): "\(what); see dray-tuf-client --help"
        case .status(let name, let status): "the repository answered \(status) when asked for \(name)"
        case .unknownTarget(let name): "the targets metadata lists no \(name)"
        case .delegatedTarget(let name):
            "the top-level targets metadata lists no \(name), and its delegated roles, which may, aren't supported by this tool"
        case .targetTooLarge(let name, let limit): "\(name) has more than the \(limit) bytes that this tool takes"
        }
    }
}
