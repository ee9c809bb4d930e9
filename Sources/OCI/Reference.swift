// SPDX-License-Identifier: Apache-2.0

/// Where an image comes from, as people write it: `[host[:port]/]path[:tag][@digest]`
/// (distribution/reference grammar, normalised by nobody: a missing host stays missing).
package struct Reference: Hashable, Sendable {
    /// Host and path as written, for example `us-docker.pkg.dev/palette-images/edge/stylus` or `sonobuoy/sonobuoy`.
    package var name: String
    package var tag: String?
    package var digest: Digest?

    /// Takes parts that were checked; a caller with text uses `init(parsing:)`.
    package init(name: String, tag: String? = nil, digest: Digest? = nil) {
        (self.name, self.tag, self.digest) = (name, tag, digest)
    }

    /// Reads a reference. Throws `ReferenceError` for an empty or overlong name (255 bytes), a path element outside
    /// `[a-z0-9]+([._-][a-z0-9]+)*`, or a tag outside `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
    package init(parsing text: String) throws(ReferenceError) {
        var rest = Substring(text)
        if let at = rest.lastIndex(of: "@") {
            do {
                digest = try Digest(parsing: String(rest[rest.index(after: at)...]))
            } catch {
                throw .malformed(String(text.prefix(300)))
            }
            rest = rest[..<at]
        }
        let slash = rest.lastIndex(of: "/") ?? rest.startIndex
        if let colon = rest[slash...].lastIndex(of: ":") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        name = String(rest)
        guard Reference.isName(name), tag.map(Reference.isTag) ?? true else {
            throw .malformed(String(text.prefix(300)))
        }
    }

    /// Whether `text` can be a tag (distribution-spec 1.1, "Pulling manifests").
    package static func isTag(_ text: String) -> Bool {
        text.wholeMatch(of: /[A-Za-z0-9_][A-Za-z0-9._-]{0,127}/) != nil
    }

    /// Whether `text` can be a repository path without a host.
    package static func isRepository(_ text: String) -> Bool {
        text.utf8.count <= 255
            && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
                $0.wholeMatch(of: /[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*/) != nil
            }
    }

    private static func isName(_ text: String) -> Bool { isRepository(hostRemoved(from: text)) }

    // A first element with a dot, a port or "localhost" is a host, which allows ports.
    private static func hostRemoved(from text: String) -> String {
        guard let slash = text.firstIndex(of: "/") else { return text }
        let host = text[..<slash]
        guard host.wholeMatch(of: /[a-zA-Z0-9]+([.-]+[a-zA-Z0-9]+)*(:[0-9]{1,5})?/) != nil,
            host.contains(".") || host.contains(":") || host == "localhost"
        else { return text }
        return String(text[text.index(after: slash)...])
    }
}

extension Reference: CustomStringConvertible {
    package var description: String {
        name + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }
}

/// Why a text is no reference.
package enum ReferenceError: Error, Equatable {
    /// The text, its first 300 characters.
    case malformed(String)
}

extension ReferenceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let text):
            "\"\(text)\" is no image reference; expected [host[:port]/]path[:tag][@sha256:...] in lower case"
        }
    }
}
