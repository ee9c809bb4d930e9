// SPDX-License-Identifier: Apache-2.0

/// What a path means to Zot.
enum ZotRoute: Equatable {
    case base, catalog, token, extensions, management
    case tags(String)
    case referrers(String, digest: String)
    case manifest(String, reference: String)
    case blob(String, digest: String)
    case uploads(String)
    case session(String, id: String)
    case none

    init(path: String) {
        self = .none
        if path == "/token" { self = .token }
        guard path == "/v2/" || path == "/v2" || path.hasPrefix("/v2/") else { return }
        let parts = path.dropFirst(4).split(separator: "/", omittingEmptySubsequences: false).map { percentDecoded($0) }
        switch parts {
        case [], [""]: self = .base
        case ["_catalog"]: self = .catalog
        case ["_oci", "ext", "discover"]: self = .extensions
        case ["_zot", "ext", "mgmt"]: self = .management
        default: self = ZotRoute(parts: parts)
        }
    }

    private init(parts: [String]) {
        self = .none
        guard parts.count >= 3, let last = parts.last else { return }
        let word = parts[parts.count - 2]
        let name = parts.dropLast(2)
        if word == "uploads", name.last == "blobs", let name = ZotRoute.name(name.dropLast()) {
            self = last.isEmpty ? .uploads(name) : .session(name, id: last)
        } else if let name = ZotRoute.name(name) {
            switch word {
            case "tags" where last == "list": self = .tags(name)
            case "referrers": self = .referrers(name, digest: last)
            case "manifests": self = .manifest(name, reference: last)
            case "blobs": self = .blob(name, digest: last)
            default: break
            }
        }
    }

    /// Lower-case words joined by one `.`, one or two `_`, or any `-`, in one or more components (distribution-spec 1.1).
    private static func name(_ parts: ArraySlice<String>) -> String? {
        guard !parts.isEmpty, parts.allSatisfy(isComponent) else { return nil }
        return parts.joined(separator: "/")
    }

    private static func isComponent(_ text: String) -> Bool {
        var separator = ""
        var isWord = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "a"..."z", "0"..."9":
                guard separator.isEmpty || isSeparator(separator) else { return false }
                (separator, isWord) = ("", true)
            case ".", "_", "-":
                guard isWord else { return false }
                separator.unicodeScalars.append(scalar)
            default: return false
            }
        }
        return isWord && separator.isEmpty
    }

    private static func isSeparator(_ text: String) -> Bool {
        [".", "_", "__"].contains(text) || text.allSatisfy { $0 == "-" }
    }

    /// The repository, where there is one.
    var repository: String? {
        switch self {
        case .tags(let name), .uploads(let name): name
        case .referrers(let name, _), .manifest(let name, _), .blob(let name, _), .session(let name, _): name
        case .base, .catalog, .token, .extensions, .management, .none: nil
        }
    }

    var kind: ZotServer.Kind {
        switch self {
        case .base: .base
        case .catalog: .catalog
        case .token: .token
        case .tags: .tags
        case .referrers: .referrers
        case .manifest: .manifest
        case .blob: .blob
        case .uploads: .uploads
        case .session: .session
        case .extensions, .management, .none: .other
        }
    }
}
