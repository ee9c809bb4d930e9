// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// A repository at the host that a reference names.
struct SourceRepository: Hashable, Sendable {
    /// `host` or `host:port` in lower case; `docker.io` for Docker Hub.
    let host: String
    /// As the registry's API has it.
    let path: String

    static let dockerHub = "docker.io"

    /// Where a reference's name leads: without a host to Docker Hub, whose own images stand in `library/`
    /// (distribution/reference, "Familiar names").
    init(of reference: Reference) {
        let name = reference.name
        let slash = name.firstIndex(of: "/")
        let first = slash.map { name[..<$0] } ?? ""
        guard first.contains(".") || first.contains(":") || first == "localhost", let slash else {
            (host, path) = (SourceRepository.dockerHub, SourceRepository.hubPath(name))
            return
        }
        let rest = String(name[name.index(after: slash)...])
        let isHub = ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(first.lowercased())
        (host, path) = isHub ? (SourceRepository.dockerHub, SourceRepository.hubPath(rest)) : (first.lowercased(), rest)
    }

    private static func hubPath(_ path: String) -> String { path.contains("/") ? path : "library/\(path)" }
}
