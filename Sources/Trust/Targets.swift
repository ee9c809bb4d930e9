// SPDX-License-Identifier: Apache-2.0

/// What is signed about one file.
package struct TargetFile: Equatable, Sendable {
    /// In bytes.
    package let length: Int64
    /// 32 bytes.
    package let sha256: [UInt8]
    /// 64 bytes; volumes do without.
    package let sha512: [UInt8]?

    package init(length: Int64, sha256: [UInt8], sha512: [UInt8]? = nil) {
        (self.length, self.sha256, self.sha512) = (length, sha256, sha512)
    }
}

/// Which release a targets file was signed with.
package struct SignedRelease: Equatable, Sendable {
    package let product: String
    /// For example `palette` or `vertex`.
    package let edition: String
    package let version: String

    package init(product: String, edition: String, version: String) {
        (self.product, self.edition, self.version) = (product, edition, version)
    }
}

/// Targets metadata: the files of one bundle, and the release documents of all releases that are supported.
package struct Targets: RoleMetadata {
    package static let role = Role.targets

    package let header: MetadataHeader
    package let release: SignedRelease
    /// By name: a relative path that `Targets.isUsable(name:)` accepts.
    package let files: [String: TargetFile]

    package init(header: MetadataHeader, release: SignedRelease, files: [String: TargetFile]) {
        (self.header, self.release, self.files) = (header, release, files)
    }

    /// The name under which a supported release's `release.json` is listed, by digest only: no such file is on the media.
    package static func listing(of version: String) -> String { "releases/\(version)/release.json" }

    /// The supported releases, by version.
    package var supported: [String: TargetFile] {
        var releases: [String: TargetFile] = [:]
        for (name, file) in files {
            let parts = name.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count == 3, parts[0] == "releases", parts[2] == "release.json" {
                releases[String(parts[1])] = file
            }
        }
        return releases
    }

    /// Whether a name is a relative path of printable ASCII without quotes, backslashes and empty, `.` or `..` parts, each
    /// part at most 255 bytes and all at most 1024. It still must not be opened without a folder that confines it.
    package static func isUsable(name: String) -> Bool {
        guard (1...1024).contains(name.utf8.count), isUsable(text: name) else { return false }
        return name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            (1...255).contains(part.count) && !part.elementsEqual(".".utf8) && !part.elementsEqual("..".utf8)
        }
    }

    static func isUsable(text: String) -> Bool {
        text.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }
}

extension Targets {
    package init(header: MetadataHeader, document: JSONCursor) throws(JSONError) {
        guard try document.optional("delegations") == nil else { throw .unknown(path: "delegations") }
        let identity = try document["x-dray"]
        let release = SignedRelease(
            product: try identity["product"].nonemptyString(), edition: try identity["edition"].nonemptyString(),
            version: try identity["release"].nonemptyString())
        var files: [String: TargetFile] = [:]
        for (name, cursor) in try document["targets"].members() {
            guard Targets.isUsable(name: name) else { throw cursor.invalid("under a name that is a relative path") }
            files[name] = try TargetFile(cursor)
        }
        self.init(header: header, release: release, files: files)
    }

    package var members: [String: JSONValue] {
        [
            "targets": .object(files.mapValues(\.json)),
            "x-dray": [
                "product": .string(release.product), "edition": .string(release.edition),
                "release": .string(release.version),
            ],
        ]
    }
}

extension TargetFile {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        let hashes = try cursor["hashes"]
        length = try cursor["length"].int()
        sha256 = try hashes["sha256"].digest(count: 32)
        sha512 = try hashes.optional("sha512").map { (digest) throws(JSONError) in try digest.digest(count: 64) }
        try hashes.allow(only: ["sha256", "sha512"])  // other clients would check them all
    }

    fileprivate var json: JSONValue {
        var hashes: [String: JSONValue] = ["sha256": .string(sha256.hex)]
        if let sha512 { hashes["sha512"] = .string(sha512.hex) }
        return ["length": .int(length), "hashes": .object(hashes)]
    }
}
