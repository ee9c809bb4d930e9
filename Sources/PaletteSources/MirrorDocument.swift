// SPDX-License-Identifier: Apache-2.0

package import OCI
internal import Yams

/// How a manifest says that one registry or server is spoken to. Paths are relative to the manifest.
package struct MirrorHost: Sendable, Equatable {
    /// `host` or `host:port` as references have it; `docker.io` for Docker Hub.
    package let host: String
    /// Where its content is to be asked for in place of the host itself: a proxy cache, an address with a path.
    package var address: String?
    package var caCert: String?
    package var clientCert: String?
    package var clientKey: String?
    package var username: String?
    package var passwordFile: String?
    /// Whether HTTP without TLS is right for it.
    package var plainHTTP = false
    package var tokenHosts: [String] = []
    package let place: ManifestPlace

    package init(host: String, place: ManifestPlace = ManifestPlace(line: 1, column: 1)) {
        (self.host, self.place) = (host, place)
    }
}

/// A platform as image indexes name it: `linux/amd64`, `linux/arm/v7`.
package struct MirrorPlatform: Sendable, Hashable, CustomStringConvertible {
    package let os: String
    package let architecture: String
    /// `nil` fits every variant.
    package let variant: String?

    /// `nil` for a text that is no platform.
    package init?(parsing text: String) {
        guard let match = text.wholeMatch(of: /([a-z0-9]{1,32})\/([a-z0-9_]{1,32})(?:\/([a-z0-9.]{1,32}))?/) else {
            return nil
        }
        (os, architecture, variant) = (String(match.1), String(match.2), match.3.map(String.init))
    }

    package var description: String { "\(os)/\(architecture)" + (variant.map { "/\($0)" } ?? "") }
}

/// What is wanted of one repository of a registry.
package struct MirrorSelection: Sendable, Equatable {
    /// The repository, and a tag or a digest or both where one image was named.
    package let reference: Reference
    package var tags: [String] = []
    package var versions: VersionChoice?
    /// `nil` for all.
    package var platforms: [MirrorPlatform]?
    /// Whether signatures, SBOMs and whatever else refers to it come along.
    package var referrers = true
    /// Who asks for it, where packs do.
    package var wantedBy: [String] = []
    package let place: ManifestPlace

    package init(_ reference: Reference, place: ManifestPlace = ManifestPlace(line: 1, column: 1)) {
        (self.reference, self.place) = (reference, place)
    }
}

/// A chart of a classic Helm repository.
package struct MirrorChart: Sendable, Equatable {
    /// The repository's address, whose `index.yaml` lists the charts.
    package let repository: String
    package let name: String
    package let versions: VersionChoice
    /// The reference without a tag that it gets; by default the repository's host and path, and the chart's name.
    package var reference: String?
    package var wantedBy: [String] = []
    package let place: ManifestPlace

    package init(
        repository: String, name: String, versions: VersionChoice,
        place: ManifestPlace = ManifestPlace(line: 1, column: 1)
    ) {
        (self.repository, self.name, self.versions, self.place) = (repository, name, versions, place)
    }
}

/// A file that is fetched over HTTP(S).
package struct MirrorFile: Sendable, Equatable {
    /// What says which bytes are right.
    package enum Pin: Sendable, Equatable {
        case sha256(Digest)
        /// The vendor's detached signature, at this address, or `nil` for where vendors put it.
        case signature(String?)
    }

    /// The address; `nil` where the list of `--urls` has it.
    package let url: String?
    /// The file's name; a pattern with `*` and `?` where the addresses come from the list.
    package let name: String?
    package let pin: Pin
    package let place: ManifestPlace
}

/// A mirror manifest as it is written. `manifests/README.md` describes every key.
package struct MirrorDocument: Sendable, Equatable {
    package let file: String
    package var hosts: [MirrorHost] = []
    /// The platforms of whatever names none of its own; `nil` for all.
    package var platforms: [MirrorPlatform]?
    /// Images, artifacts and OCI charts.
    package var selections: [MirrorSelection] = []
    package var charts: [MirrorChart] = []
    package var files: [MirrorFile] = []
    /// As written, with their places.
    package var vendorKeys: [ManifestDocument.VendorKey] = []

    /// A manifest that asks for nothing.
    package init(file: String) { self.file = file }

    /// Reads a manifest's bytes; `file` is its name for messages. Throws the first fault.
    package init(parsing bytes: [UInt8], file: String) throws(ManifestError) {
        let reader = ManifestReader(file: file)
        guard bytes.count <= ManifestDocument.maximumSize else { throw reader.failure(.tooLarge(UInt64(bytes.count))) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw reader.failure(.notUTF8) }
        let root = try reader.mapping(
            reader.root(of: text), "manifest",
            known: [
                "format", "registries", "platforms", "images", "artifacts", "charts", "files", "vendorKeys",
            ])
        let format = try reader.required("format", of: root)
        _ = try reader.value(format, "format", expected: "1") { $0 == "1" ? 1 : nil }
        self.file = file
        hosts = try reader.list(root, "registries", of: "registries", reader.host)
        platforms = try reader.platforms(root)
        for key in ["images", "artifacts"] {
            selections += try reader.list(root, key, of: key) { (node) throws(ManifestError) in
                try reader.selection(node, key == "images" ? "image" : "artifact", platforms)
            }
        }
        for node in try reader.nodes(root, "charts", of: "charts") { try addChart(node, reader) }
        files = try reader.list(root, "files", of: "files", reader.mirrorFile)
        vendorKeys = try reader.list(root, "vendorKeys", of: "paths") { (node) throws(ManifestError) in
            ManifestDocument.VendorKey(path: try reader.text(node, "vendorKeys"), place: reader.place(of: node))
        }
        if selections.isEmpty, charts.isEmpty, files.isEmpty { throw reader.failure(.missingKey("images")) }
    }

    private mutating func addChart(_ node: Node, _ reader: ManifestReader) throws(ManifestError) {
        let isOCI = (node.scalar?.string ?? node.mapping?["chart"]?.scalar?.string ?? "").hasPrefix("oci://")
        if isOCI {
            selections.append(try reader.selection(node, "chart", nil))
        } else {
            charts.append(try reader.classicChart(node))
        }
    }
}

extension ManifestReader {
    /// The elements of an optional list.
    fileprivate func nodes(_ root: ManifestMapping, _ key: String, of what: String) throws(ManifestError) -> [Node] {
        guard let node = root.values[key] else { return [] }
        return try sequence(node, key, of: what)
    }

    fileprivate func list<Value>(
        _ root: ManifestMapping, _ key: String, of what: String, _ read: (Node) throws(ManifestError) -> Value
    ) throws(ManifestError) -> [Value] {
        var values: [Value] = []
        for node in try nodes(root, key, of: what) { values.append(try read(node)) }
        return values
    }

    /// A text as a value; a fault where `parse` gives `nil`.
    fileprivate func value<Value>(
        _ node: Node, _ key: String, expected: String, _ parse: (String) -> Value?
    ) throws(ManifestError) -> Value {
        let text = try text(node, key)
        guard let value = parse(text) else {
            let shown = String(text.prefix { $0 != "?" }.prefix(100))  // the rest may be a signature
            throw failure(.badValue(key: key, value: shown, expected: expected, suggestion: nil), at: node)
        }
        return value
    }

    fileprivate func platforms(_ mapping: ManifestMapping) throws(ManifestError) -> [MirrorPlatform]? {
        guard mapping.values["platforms"] != nil else { return nil }
        return try list(mapping, "platforms", of: "platforms") { (node) throws(ManifestError) in
            try value(node, "platforms", expected: "os/architecture as linux/amd64", MirrorPlatform.init(parsing:))
        }
    }

    fileprivate func host(_ node: Node) throws(ManifestError) -> MirrorHost {
        let mapping = try mapping(
            node, "registries",
            known: [
                "host", "address", "caCert", "clientCert", "clientKey", "username", "passwordFile", "plainHttp",
                "tokenHosts",
            ])
        let name = try value(required("host", of: mapping), "host", expected: "a host, or host:port") {
            $0.wholeMatch(of: /[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]{1,5})?/) == nil ? nil : $0.lowercased()
        }
        var host = MirrorHost(host: name, place: place(of: node))
        host.address = try optionalText("address", of: mapping)
        host.caCert = try optionalText("caCert", of: mapping)
        host.clientCert = try optionalText("clientCert", of: mapping)
        host.clientKey = try optionalText("clientKey", of: mapping)
        host.username = try optionalText("username", of: mapping)
        host.passwordFile = try optionalText("passwordFile", of: mapping)
        guard (host.username == nil) == (host.passwordFile == nil) else {
            throw failure(.missingKey(host.username == nil ? "username" : "passwordFile"), at: node)
        }
        if let node = mapping.values["plainHttp"] { host.plainHTTP = try boolean(node, "plainHttp") }
        host.tokenHosts = try list(mapping, "tokenHosts", of: "hosts") { (node) throws(ManifestError) in
            try text(node, "tokenHosts")
        }
        return host
    }

    private func optionalText(_ key: String, of mapping: ManifestMapping) throws(ManifestError) -> String? {
        guard let node = mapping.values[key] else { return nil }
        return try text(node, key)
    }

    /// One entry of `images`, `artifacts` or, with `oci://`, `charts`: a reference, or a mapping that begins with one.
    fileprivate func selection(
        _ node: Node, _ key: String, _ platforms: [MirrorPlatform]?
    ) throws(ManifestError) -> MirrorSelection {
        guard node.mapping != nil else {
            var selection = MirrorSelection(try reference(node, key), place: place(of: node))
            guard selection.reference.tag != nil || selection.reference.digest != nil else {
                throw failure(.missingKey("tags, versions or a tag"), at: node)
            }
            selection.platforms = platforms
            return selection
        }
        let mapping = try mapping(
            node, key, known: [key, "tags", "versions", "newest", "preReleases", "platforms", "referrers"])
        let name = try required(key, of: mapping)
        var selection = MirrorSelection(try reference(name, key), place: place(of: node))
        selection.platforms = try self.platforms(mapping) ?? platforms
        selection.tags = try list(mapping, "tags", of: "tags") { (node) throws(ManifestError) in
            try value(node, "tags", expected: "a tag") { Reference.isTag($0) ? $0 : nil }
        }
        selection.versions = try choice(mapping)
        if let node = mapping.values["referrers"] { selection.referrers = try boolean(node, "referrers") }
        let isWhole = selection.reference.tag != nil || selection.reference.digest != nil
        guard isWhole != (!selection.tags.isEmpty || selection.versions != nil) else {
            throw failure(
                isWhole
                    ? .badValue(
                        key: key, value: "\(selection.reference)",
                        expected: "a repository without a tag, where tags or versions are given", suggestion: nil)
                    : .missingKey("tags, versions or a tag"), at: name)
        }
        return selection
    }

    private func reference(_ node: Node, _ key: String) throws(ManifestError) -> Reference {
        try value(node, key, expected: "a reference, [host[:port]/]path[:tag][@sha256:...]") { text in
            let bare = key == "chart" && text.hasPrefix("oci://") ? String(text.dropFirst(6)) : text
            do { return try Reference(parsing: bare) } catch { return nil }
        }
    }

    private func choice(_ mapping: ManifestMapping) throws(ManifestError) -> VersionChoice? {
        let newest: Int?
        if let node = mapping.values["newest"] {
            newest = try value(node, "newest", expected: "a number from 1 to 10000") { text in
                Int(text).flatMap { (1...10_000).contains($0) ? $0 : nil }
            }
        } else {
            newest = nil
        }
        let all = VersionRange(parsing: "*")
        var range = newest == nil ? nil : all
        if let node = mapping.values["versions"] {
            range = try value(
                node, "versions", expected: "versions as \">=1.2 <2\", \"~1.2\", \"^1.2\", \"1.2.x\" or \"*\"",
                VersionRange.init(parsing:))
        }
        let takesPreReleases = try mapping.values["preReleases"].map { (node) throws(ManifestError) in
            try boolean(node, "preReleases")
        }
        guard let range else {
            if let node = mapping.keys["preReleases"] { throw failure(.missingKey("versions"), at: node) }
            return nil
        }
        return VersionChoice(range: range, newest: newest, preReleases: takesPreReleases ?? false)
    }

    fileprivate func classicChart(_ node: Node) throws(ManifestError) -> MirrorChart {
        let mapping = try mapping(
            node, "charts", known: ["chart", "repository", "versions", "newest", "preReleases", "as"])
        let name = try value(required("chart", of: mapping), "chart", expected: "a chart's name, or oci://reference") {
            $0.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._-]{0,127}/) == nil ? nil : $0
        }
        let repository = try value(
            required("repository", of: mapping), "repository", expected: "the address of a Helm repository"
        ) {
            $0.hasPrefix("https://") || $0.hasPrefix("http://") ? $0 : nil
        }
        guard let versions = try choice(mapping) else { throw failure(.missingKey("versions"), at: node) }
        var chart = MirrorChart(repository: repository, name: name, versions: versions, place: place(of: node))
        if let node = mapping.values["as"] {
            chart.reference = try value(node, "as", expected: "a reference without a tag") { text in
                do {
                    let reference = try Reference(parsing: text)
                    return reference.tag == nil && reference.digest == nil ? text : nil
                } catch { return nil }
            }
        }
        return chart
    }

    fileprivate func mirrorFile(_ node: Node) throws(ManifestError) -> MirrorFile {
        let mapping = try mapping(node, "files", known: ["url", "name", "sha256", "signature"])
        let url = try mapping.values["url"].map { (node) throws(ManifestError) in
            try value(
                node, "url",
                expected:
                    "an address that begins with https:// or http://, without a query; signed addresses go into the file of --urls"
            ) {
                ($0.hasPrefix("https://") || $0.hasPrefix("http://")) && !$0.contains("?") ? $0 : nil
            }
        }
        let name = try mapping.values["name"].map { (node) throws(ManifestError) in
            try value(node, "name", expected: "a file name usable on every medium, * and ? allowed without url") {
                let plain = url == nil ? $0.replacing("*", with: "x").replacing("?", with: "x") : $0
                return ManifestItem.isUsableName(plain) ? $0 : nil
            }
        }
        guard url != nil || name != nil else { throw failure(.missingKey("url"), at: node) }
        if let digest = mapping.values["sha256"] {
            let digest = try value(digest, "sha256", expected: "64 lower-case hex digits") { text in
                Digest(hex: text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text)
            }
            guard mapping.values["signature"] == nil else {
                throw failure(.keyNotForKind(key: "signature", kind: "sha256"), at: node)
            }
            return MirrorFile(url: url, name: name, pin: .sha256(digest), place: place(of: node))
        }
        let signature = try mapping.values["signature"].map { (node) throws(ManifestError) in
            try value(node, "signature", expected: "vendor, or the signature's address without a query") {
                $0 == "vendor" || ($0.hasPrefix("http") && !$0.contains("?")) ? $0 : nil
            }
        }
        guard let signature else { throw failure(.missingKey("sha256, or signature"), at: node) }
        return MirrorFile(
            url: url, name: name, pin: .signature(signature == "vendor" ? nil : signature), place: place(of: node))
    }
}
