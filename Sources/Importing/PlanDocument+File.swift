// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
package import SystemPackage
package import Trust

// The file of a plan.
extension PlanDocument {
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "format": .string(PlanDocument.format), "target": .string(target), "time": .string(time),
            "tool": .string(tool),
            "release": release.json,
            "trust": [
                "root": .string(trust.root), "rootVersion": .int(trust.rootVersion),
                "timestampVersion": .int(trust.timestampVersion), "snapshotVersion": .int(trust.snapshotVersion),
                "targetsVersion": .int(trust.targetsVersion),
            ],
            "allow": allowances.json,
            "objects": [
                "manifests": .int(objects.manifests), "blobs": .int(objects.blobs), "bytes": .int(objects.bytes),
            ],
            "profile": ["fips": .bool(profile.fips), "sandbox": .string(profile.sandbox.rawValue)],
            "tags": .array(
                tags.map { tag in
                    [
                        "name": .string(tag.name), "from": tag.from.map(JSONValue.string) ?? .null,
                        "to": .string(tag.to),
                    ]
                }),
        ]
        if let reason {
            members["acceptExpired"] = [
                "reason": .string(reason),
                "files": .array(
                    expired.map { ["file": .string($0.file), "expires": .string($0.expires.description)] }),
            ]
        }
        return .object(members)
    }

    /// The file's bytes: canonical JSON and a newline.
    package var encoded: [UInt8] { json.canonicalBytes + [UInt8(ascii: "\n")] }

    /// Reads a plan. Throws `JSONError` for members that this version doesn't know as well, and for any other writing of the
    /// same document: what a person signed is what is read.
    package init(parsing bytes: [UInt8]) throws(JSONError) {
        let limits = JSONLimits.document(bytes: PlanDocument.maximumSize)
        let document = JSONCursor(try JSONValue(parsing: bytes, limits))
        try document.allow(only: [
            "format", "target", "time", "tool", "release", "trust", "allow", "objects", "profile", "tags",
            "acceptExpired",
        ])
        let format = try document["format"]
        guard try format.string() == PlanDocument.format else { throw format.invalid(PlanDocument.format) }
        (target, time) = (try document["target"].string(), try document["time"].string())
        tool = try document["tool"].string()
        release = try ReleaseName(document["release"])
        trust = try TrustVersions(document["trust"])
        allowances = try Allowances(document["allow"])
        objects = try Objects(document["objects"])
        profile = try Profile(document["profile"])
        tags = try document["tags"].elements().map { tag throws(JSONError) in try Tag(tag) }
        if let accepted = try document.optional("acceptExpired") { try readExpired(accepted) }
        guard encoded == bytes else { throw document.invalid("the one form that plan --out writes") }
    }

    private mutating func readExpired(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["reason", "files"])
        let text = try cursor["reason"]
        reason = try text.string()
        guard PlanDocument.isReason(reason ?? "") else {
            throw text.invalid("1 to \(PlanDocument.longestReason) bytes that say something")
        }
        let files = try cursor["files"]
        expired = try files.elements().map { entry throws(JSONError) in
            try entry.allow(only: ["file", "expires"])
            let moment = try entry["expires"]
            guard let time = UTCTime(try moment.string()) else {
                throw moment.invalid("a time like 2031-05-01T00:00:00Z")
            }
            return ExpiredFile(file: try entry["file"].string(), expires: time)
        }
        guard expired.count <= Role.allCases.count else { throw files.invalid("at most one file of each role") }
    }

    /// Whether a text can be the reason for accepting what has expired.
    package static func isReason(_ text: String) -> Bool {
        (1...longestReason).contains(text.utf8.count) && text.contains { !$0.isWhitespace }
    }

    /// Reads what stands in a plan's file. Throws `LoadError.noPlan` for anything else.
    package init(parsing bytes: [UInt8], _ file: FilePath) throws(LoadError) {
        do throws(JSONError) {
            try self.init(parsing: bytes)
        } catch {
            throw .noPlan(file.printable, "\(error)")
        }
    }

    /// Writes it where nothing is yet; a plan that was approved is never written over. Throws `LoadError.planPlace`.
    package func write(to file: FilePath) throws {
        guard try !file.exists() else { throw LoadError.planPlace(file.printable) }
        try file.replaceContents(with: encoded)
    }
}

extension PlanDocument.ReleaseName {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["product", "version", "edition", "sha256", "preview"])
        (product, version) = (try cursor["product"].string(), try cursor["version"].string())
        (edition, sha256) = (try cursor["edition"].string(), try cursor["sha256"].string())
        isPreview = try cursor.optional("preview")?.bool() ?? false
    }

    // What most plans don't need is left out of them.
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "product": .string(product), "version": .string(version), "edition": .string(edition),
            "sha256": .string(sha256),
        ]
        if isPreview { members["preview"] = true }
        return .object(members)
    }
}

extension PlanDocument.TrustVersions {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["root", "rootVersion", "timestampVersion", "snapshotVersion", "targetsVersion"])
        root = try cursor["root"].string()
        (rootVersion, timestampVersion) = (try cursor["rootVersion"].int(), try cursor["timestampVersion"].int())
        (snapshotVersion, targetsVersion) = (try cursor["snapshotVersion"].int(), try cursor["targetsVersion"].int())
    }
}

extension PlanDocument.Allowances {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["replaceTags", "insecureSkipTLSVerify", "assumedReleases"])
        let patterns = try cursor["replaceTags"].elements().map { text throws(JSONError) in try text.string() }
        self.init(
            replaceTags: patterns, insecureSkipTLSVerify: try cursor["insecureSkipTLSVerify"].bool(),
            assumedReleases: try cursor.optional("assumedReleases")?.strings() ?? [])
    }

    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "replaceTags": .array(replaceTags.map(JSONValue.string)),
            "insecureSkipTLSVerify": .bool(insecureSkipTLSVerify),
        ]
        if !assumedReleases.isEmpty { members["assumedReleases"] = .array(assumedReleases.map(JSONValue.string)) }
        return .object(members)
    }
}

extension PlanDocument.Objects {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["manifests", "blobs", "bytes"])
        (manifests, blobs) = (try cursor["manifests"].int(), try cursor["blobs"].int())
        bytes = try cursor["bytes"].int()
    }
}

extension PlanDocument.Profile {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["fips", "sandbox"])
        let sandbox = try cursor["sandbox"]
        guard let word = SitePolicy.Sandbox(rawValue: try sandbox.string()) else {
            throw sandbox.invalid("required or none")
        }
        self.init(fips: try cursor["fips"].bool(), sandbox: word)
    }
}

extension PlanDocument.Tag {
    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        try cursor.allow(only: ["name", "from", "to"])
        let from = try cursor["from"]
        self.init(
            name: try cursor["name"].string(), from: from.value == .null ? nil : try from.string(),
            to: try cursor["to"].string())
    }
}
