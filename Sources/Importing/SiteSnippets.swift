// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
package import SystemPackage
package import Trust

/// What a site's own configuration must say so that images are pulled from where a mapping puts them: Palette's image swap,
/// `registryMappingRules` of Edge hosts, and containerd's `hosts.toml` (docs/targets.md, "Snippets").
package struct SiteSnippets: Sendable, Equatable {
    /// One file.
    package struct File: Sendable, Equatable {
        /// Below the folder that is written to.
        package let name: String
        package let text: String
    }

    /// Registries that the vendor's packs name, and Docker Hub.
    package static let knownHosts = [
        "docker.io", "gcr.io", "ghcr.io", "quay.io", "registry.k8s.io", "us-docker.pkg.dev",
    ]

    package private(set) var files: [File] = []
    /// What no prefix can say.
    package private(set) var warnings: [String] = []

    /// A source prefix with the target's, without scheme: `quay.io` -> `host:5000/base/quay.io`.
    private struct Pair {
        let source: String
        let target: String
    }

    /// `place`: the registry's host, with the port and base path. `references`: those of a release, where its media are there.
    package init(
        _ mapping: RegistryMapping, authority: String, scheme: String, base: String,
        references: [ReleaseReference] = [],
        hasAuthority: Bool
    ) {
        let root = base.isEmpty ? authority : "\(authority)/\(base)"
        let sources = Set(references.filter { $0.kind == "image" || $0.kind == "artifact" }.map(\.repository))
        let hosts = Set(SiteSnippets.knownHosts + sources.compactMap(SiteSnippets.host) + mapping.hosts).sorted()
        var (pairs, exact) = ([Pair](), [Pair]())
        var hostPairs: [(host: String, target: String)] = []
        for host in hosts {
            guard let prefix = mapping.prefix(of: host) else { continue }
            pairs.append(Pair(source: host, target: root + prefix))
            hostPairs.append((host, prefix))
        }
        for rule in mapping.rules where rule.kind != .hub {
            guard let pair = rule.finerPair else { continue }
            pairs.append(Pair(source: pair.source, target: "\(root)/\(pair.target)"))
        }
        // What the pairs would get wrong is named one by one.
        for reference in references.sorted(by: { $0.name < $1.name }) where sources.contains(reference.repository) {
            let wanted = "\(root)/\(mapping.destination(of: reference.repository))"
            let full = SiteSnippets.full(reference.repository)
            let best = pairs.filter { full == $0.source || full.hasPrefix($0.source + "/") }.max {
                $0.source.utf8.count < $1.source.utf8.count
            }
            guard best.map({ $0.target + full.dropFirst($0.source.count) }) != wanted else { continue }
            let tag = reference.tag.map { ":\($0)" } ?? "@\(reference.descriptor.digest)"
            exact.append(Pair(source: full + tag, target: wanted + tag))
        }
        add(pairs, exact, hostPairs, mapping, authority: authority, scheme: scheme, base: base, hasAuthority)
    }

    private mutating func add(
        _ pairs: [Pair], _ exact: [Pair], _ hosts: [(host: String, target: String)], _ mapping: RegistryMapping,
        authority: String, scheme: String, base: String, _ hasAuthority: Bool
    ) {
        files = [
            File(name: "image-swap.txt", text: SiteSnippets.imageSwap(pairs, exact)),
            File(name: "registry-mapping-rules.yaml", text: SiteSnippets.mappingRules(pairs)),
        ]
        for (host, prefix) in hosts where !mapping.splits(host) {
            let path = base.isEmpty ? prefix : "/\(base)\(prefix)"
            files.append(
                File(
                    name: "certs.d/\(host)/hosts.toml",
                    text: SiteSnippets.hosts(host, "\(scheme)://\(authority)/v2\(path)", hasAuthority)))
        }
        let split = hosts.map(\.host).filter(mapping.splits)
        if !split.isEmpty {
            warnings.append(
                "containerd maps whole hosts alone, and --map sends parts of \(split.joined(separator: ", ")) elsewhere: there is no "
                    + "hosts.toml for those; use the image swap")
        }
        if mapping.rules.contains(where: { $0.rest == .flat || ($0.rest == .dropped && $0.kind != .exact) }) {
            warnings.append(
                exact.isEmpty
                    ? "names that a rule flattens can't be said by a prefix: give the release's media too, and the image swap names each"
                    : "names that a rule flattens are named one by one in image-swap.txt, for this release; Edge hosts and containerd "
                        + "can't be told of them")
        }
    }

    /// Text for the terminal.
    package var text: String {
        files.map { "# \($0.name)\n\($0.text)" }.joined(separator: "\n").trimmingSuffix(while: \.isNewline).description
    }

    /// Writes the files below a folder, replacing those of the same names.
    package func write(to folder: FilePath) throws {
        for file in files {
            let place = folder.pushing(FilePath(file.name))
            try place.removingLastComponent().createDirectories()
            try place.replaceContents(with: Array(file.text.utf8))
        }
    }

    package var json: JSONValue {
        .array(files.map { ["name": .string($0.name), "text": .string($0.text)] })
    }
}

// The formats.
extension SiteSnippets {
    // Palette's "registry override" (imageswap-webhook): pairs by commas; exact names come as lines of the map file.
    private static func imageSwap(_ pairs: [Pair], _ exact: [Pair]) -> String {
        let lines =
            ["# registry override: one line, <registry>::<where its images are>"]
            + [pairs.map { "\($0.source)::\($0.target)" }.joined(separator: ",")]
        guard !exact.isEmpty else { return lines.joined(separator: "\n") + "\n" }
        let names =
            ["# images that no prefix leads to, as lines of the webhook's map file (imageswap 1.5)"]
            + exact.map { "[EXACT]\($0.source)::\($0.target)" }
        return (lines + names).joined(separator: "\n") + "\n"
    }

    // User data of an Edge host, `stylus.externalRegistries`.
    private static func mappingRules(_ pairs: [Pair]) -> String {
        let rules = pairs.map { "      \"\($0.source)\": \"\($0.target)\"" }
        return (["#cloud-config", "stylus:", "  externalRegistries:", "    registryMappingRules:"] + rules)
            .joined(separator: "\n") + "\n"
    }

    // docs/hosts.md of containerd: with override_path the address is the whole root of the API.
    private static func hosts(_ host: String, _ address: String, _ hasAuthority: Bool) -> String {
        """
        server = "https://\(host == "docker.io" ? "registry-1.docker.io" : host)"

        [host."\(address)"]
          capabilities = ["pull", "resolve"]
          override_path = true

        """
            + (hasAuthority
                ? "  # the registry's authority, copied to the node:\n  # ca = \"/etc/containerd/certs.d/\(host)/ca.crt\"\n"
                : "")
    }

    /// The host in the appliance's name of an image; `nil` for one of Docker Hub, and for what isn't one.
    private static func host(_ repository: String) -> String? {
        guard let slash = repository.firstIndex(of: "/"), repository[..<slash].contains(".") else { return nil }
        return String(repository[..<slash])
    }

    /// An image's name as manifests of clusters have it, with its host.
    private static func full(_ repository: String) -> String {
        RegistryMapping.isOfDockerHub(repository) ? "docker.io/\(repository)" : repository
    }
}

extension RegistryMapping {
    /// The hosts that rules name.
    fileprivate var hosts: [String] {
        rules.compactMap { rule in
            guard let slash = rule.source.firstIndex(of: "/"), rule.source[..<slash].contains(".") else { return nil }
            return String(rule.source[..<slash])
        }
    }

    /// What comes before the rest of the names of a host's images, with a leading slash; `nil` where no prefix does it.
    fileprivate func prefix(of host: String) -> String? {
        let isHub = host == "docker.io"
        // Long enough to be met by no finer rule, as if it were any image of the host.
        let sample = isHub ? "a/b" : "\(host)/a/b"
        let rules = rules.filter { rule in
            switch rule.kind {
            case .exact: false
            case .hub: isHub
            case .prefix: isHub ? rule.source.isEmpty : "\(host)/".hasPrefix(rule.source)
            }
        }
        let best = rules.max { ($0.kind.rawValue, $0.source.utf8.count) < ($1.kind.rawValue, $1.source.utf8.count) }
        guard let best else { return isHub ? "" : "/\(host)" }
        guard best.rest == .kept, best.destination.after.isEmpty else { return nil }
        let mapped = best.destination(of: sample)
        guard mapped.hasSuffix("/a/b") || mapped == "a/b" else { return nil }
        let prefix = String(mapped.dropLast(3)).trimmingSuffix { $0 == "/" }
        return prefix.isEmpty ? "" : "/\(prefix)"
    }

    /// Whether rules treat parts of a host's names each in its own way.
    fileprivate func splits(_ host: String) -> Bool {
        rules.contains { rule in
            host == "docker.io"
                ? rule.kind != .hub && !rule.source.isEmpty && RegistryMapping.isOfDockerHub(rule.source + "a")
                : rule.source.hasPrefix("\(host)/") && rule.source != "\(host)/"
        }
    }
}

extension RegistryMapping.Rule {
    /// A rule below a host as two prefixes; `nil` for one of whole hosts, and for one that no prefix can say.
    fileprivate var finerPair: (source: String, target: String)? {
        let full =
            RegistryMapping.isOfDockerHub(kind == .exact ? source : source + "a") ? "docker.io/\(source)" : source
        let parts = full.split(separator: "/")
        guard parts.count >= 2, !full.hasPrefix("spectro-packs/") else { return nil }
        if kind == .exact { return (full, destination.before) }
        guard full.hasSuffix("/"), rest == .kept, destination.after.isEmpty, destination.before.hasSuffix("/") else {
            return nil
        }
        return (String(full.dropLast()), String(destination.before.dropLast()))
    }
}

extension String {
    fileprivate func trimmingSuffix(while isDropped: (Character) -> Bool) -> Substring {
        var rest = self[...]
        while let last = rest.last, isDropped(last) { rest.removeLast() }
        return rest
    }
}
