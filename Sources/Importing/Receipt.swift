// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Cage
package import Trust

/// What one load did, for the site's records; written whether it succeeded or not.
package struct Receipt: Sendable, Equatable {
    /// The format of receipts that this version writes.
    package static let format: Int64 = 1

    package var product = ""
    package var version = ""
    package var edition = ""
    /// SHA-256 of `release.json`, 64 hex digits.
    package var release = ""
    /// What the release says of itself.
    package var facts = ReceiptFacts()
    /// The pinned root's fingerprint, 64 hex digits.
    package var root = ""
    package var rootVersion: Int64 = 0
    /// Versions of the metadata that was accepted; 0 in receipts of version 0.1.
    package var (timestampVersion, snapshotVersion): (Int64, Int64) = (0, 0)
    package var targetsVersion: Int64 = 0
    /// Whether the state has accepted it: nothing stopped the load before its first byte.
    package var isAccepted = false
    /// How many of the keys of targets had to sign, and how many there are; 0 in receipts of version 0.1.
    package var (threshold, keyCount): (Int64, Int64) = (0, 0)
    /// Ids of the keys that signed the targets, and of the one that signed `SHA256SUMS`.
    package var signers: [String] = []
    /// The target's address, without credentials.
    package var target = ""
    package var skippedTLSVerify = false
    package var started = ""
    package var finished = ""
    package var tool = ""
    /// `done`, or a failure's name.
    package var outcome = "done"
    package var exitCode: Int64 = 0
    package var message: String?
    /// Whether the release was there as it is, and nothing was sent or changed.
    package var nothingToDo = false
    /// Objects and bytes that were read from the media, each block checked.
    package var verifiedObjects: Int64 = 0
    package var verifiedBytes: UInt64 = 0
    package var counts = LoadTally.Counts()
    /// What verification reported beside.
    package var findings: [String] = []
    /// What kept the decoder of media in its cage; `nil` in receipts of older versions.
    package var sandbox: CageStatus?
    /// Everything that the release puts into the target, for checks without media; empty in receipts of version 0.1.
    package var objects: [ReceiptObject] = []
    /// The images that each pack names, by the pack's reference.
    package var packs: [String: [String]] = [:]
    /// What the plan said and what was needed, in requests and bytes.
    package var planned = Effort()
    package var done = Effort()
    /// Releases, as `product-version`, that the operator said the site had without a receipt of them.
    package var assumedReleases: [String] = []
    /// SHA-256 of the file of the receipt before this one in the site's state, 64 hex digits; `nil` for the first.
    package var previous: String?
    package var origin = ReceiptOrigin()
    /// Who allowed the plan, where a second person did.
    package var approval: ReceiptApproval?
    package var expiredAccepted: ReceiptExpiry?
    /// What was in force of the FIPS profile, as that names it.
    package var crypto: JSONValue?

    /// Requests to the target, and bytes of bodies sent.
    package struct Effort: Sendable, Equatable {
        package var requests: Int64 = 0
        package var bytes: UInt64 = 0

        package init(requests: Int64 = 0, bytes: UInt64 = 0) { (self.requests, self.bytes) = (requests, bytes) }
    }

    package init() {}

    /// `20261121T024500Z-palette-enterprise-4.7.27.json`.
    package var fileName: String {
        let time = finished.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
        return "\(time)-\(product)-\(version).json"
    }

    package var json: JSONValue {
        var result: [String: JSONValue] = [
            "format": .int(Receipt.format), "findings": .array(findings.map(JSONValue.string)),
            "release": .object(facts.members.merging(name) { $1 }),
            "trust": [
                "root": .string(root), "rootVersion": .int(rootVersion), "timestampVersion": .int(timestampVersion),
                "snapshotVersion": .int(snapshotVersion), "targetsVersion": .int(targetsVersion),
                "accepted": .bool(isAccepted),
                "threshold": .int(threshold), "keys": .int(keyCount),
                "signers": .array(signers.map(JSONValue.string)),
            ],
            "target": .string(target), "insecureSkipTLSVerify": .bool(skippedTLSVerify),
            "started": .string(started), "finished": .string(finished), "tool": .string(tool),
            "outcome": .string(outcome), "exitCode": .int(exitCode), "nothingToDo": .bool(nothingToDo),
            "verified": ["objects": .int(verifiedObjects), "bytes": .int(Int64(clamping: verifiedBytes))],
            "pushed": counts.pushed.json, "skipped": counts.skipped.json, "mounted": counts.mounted.json,
            "manifests": [
                "sent": .int(Int64(counts.manifestsSent)), "present": .int(Int64(counts.manifestsPresent)),
            ],
            "tags": .array(counts.tags.map(\.json)),
            "readBack": [
                "manifests": .int(Int64(counts.readBack.manifests)), "tags": .int(Int64(counts.readBack.tags)),
                "blobs": .int(Int64(counts.readBack.blobs)), "repaired": .int(Int64(counts.readBack.repaired)),
                "complete": .bool(counts.readBack.isComplete),
            ],
        ]
        if let message { result["message"] = .string(message) }
        if let sandbox { result["sandbox"] = sandbox.json }
        result["objects"] = .array(objects.map(\.json))
        result["packs"] = .object(packs.mapValues { .array($0.map(JSONValue.string)) })
        result["stagingLeft"] = .array(counts.stagingLeft.map(JSONValue.string))
        (result["planned"], result["done"]) = (planned.json, done.json)
        result["origin"] = origin.json
        if !assumedReleases.isEmpty { result["assumedReleases"] = .array(assumedReleases.map(JSONValue.string)) }
        if let previous { result["previous"] = .string(previous) }
        if let approval { result["approval"] = approval.json }
        if let expiredAccepted { result["expiredAccepted"] = expiredAccepted.json }
        if let crypto { result["crypto"] = crypto }
        return .object(result)
    }

    private var name: [String: JSONValue] {
        [
            "product": .string(product), "version": .string(version), "edition": .string(edition),
            "sha256": .string(release),
        ]
    }

    /// The file's bytes: canonical JSON and a newline.
    package var encoded: [UInt8] { json.canonicalBytes + [UInt8(ascii: "\n")] }

    /// Reads a receipt that has no envelope. Throws `JSONError`, also for another format.
    package init(parsing bytes: [UInt8]) throws {
        try self.init(JSONCursor(try JSONValue(parsing: bytes, .document(bytes: Receipt.maximumSize))))
    }

    /// Reads a receipt's document. Throws `JSONError`, also for another format.
    init(_ document: JSONCursor) throws {
        _ = try document["format"].int(in: Receipt.format...Receipt.format)
        let (release, trust) = (try document["release"], try document["trust"])
        (product, version) = (try release["product"].string(), try release["version"].string())
        (edition, self.release) = (try release["edition"].string(), try release["sha256"].string())
        facts = try ReceiptFacts(release)
        (root, rootVersion) = (try trust["root"].string(), try trust["rootVersion"].int())
        targetsVersion = try trust["targetsVersion"].int()
        signers = try trust["signers"].elements().map { cursor throws(JSONError) in try cursor.string() }
        target = try document["target"].string()
        skippedTLSVerify = try document["insecureSkipTLSVerify"].bool()
        (started, finished) = (try document["started"].string(), try document["finished"].string())
        (tool, outcome) = (try document["tool"].string(), try document["outcome"].string())
        exitCode = try document["exitCode"].int()
        message = try document.optional("message")?.string()
        nothingToDo = try document["nothingToDo"].bool()
        verifiedObjects = try document["verified"]["objects"].int()
        verifiedBytes = UInt64(try document["verified"]["bytes"].int())
        counts = try LoadTally.Counts(document)
        findings = try document["findings"].elements().map { cursor throws(JSONError) in try cursor.string() }
        try readAdditions(document)
        try readEvidence(document, trust)
    }

    // Members that receipts of version 0.1 lack.
    private mutating func readAdditions(_ document: JSONCursor) throws {
        objects = try document.optional("objects")?.elements().map { try ReceiptObject($0) } ?? []
        counts.added = Set(objects.filter(\.isAdded).map(\.place))
        for (pack, images) in try document.optional("packs")?.members() ?? [] {
            packs[pack] = try images.elements().map { cursor throws(JSONError) in try cursor.string() }
        }
        counts.stagingLeft =
            try document.optional("stagingLeft")?.elements().map { cursor throws(JSONError) in try cursor.string() }
            ?? []
        sandbox = try document.optional("sandbox").map { try CageStatus($0) }
        planned = try document.optional("planned").map { try Effort($0) } ?? Effort()
        done = try document.optional("done").map { try Effort($0) } ?? Effort()
    }

    // Members that came with signed receipts.
    private mutating func readEvidence(_ document: JSONCursor, _ trust: JSONCursor) throws {
        timestampVersion = try trust.optional("timestampVersion")?.int() ?? 0
        snapshotVersion = try trust.optional("snapshotVersion")?.int() ?? 0
        isAccepted = try trust.optional("accepted")?.bool() ?? (outcome == "done")
        threshold = try trust.optional("threshold")?.int() ?? 0
        keyCount = try trust.optional("keys")?.int() ?? 0
        origin = try document.optional("origin").map { try ReceiptOrigin($0) } ?? ReceiptOrigin()
        previous = try document.optional("previous")?.string()
        approval = try document.optional("approval").map { try ReceiptApproval($0) }
        expiredAccepted = try document.optional("expiredAccepted").map { try ReceiptExpiry($0) }
        crypto = try document.optional("crypto")?.value
        assumedReleases = try document.optional("assumedReleases")?.strings() ?? []
    }

    /// The most bytes of a receipt that is read.
    package static let maximumSize = 64 << 20
}

extension Receipt.Effort {
    fileprivate var json: JSONValue { ["requests": .int(requests), "bytes": .int(Int64(clamping: bytes))] }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(requests: try cursor["requests"].int(), bytes: UInt64(try cursor["bytes"].int(in: 0...Int64.max)))
    }
}

extension LoadTally.Amount {
    fileprivate var json: JSONValue { ["blobs": .int(Int64(blobs)), "bytes": .int(Int64(clamping: bytes))] }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(blobs: Int(try cursor["blobs"].int()), bytes: UInt64(try cursor["bytes"].int()))
    }
}

extension LoadTally.TagRecord {
    fileprivate var json: JSONValue {
        [
            "repository": .string(repository), "tag": .string(tag), "digest": .string(digest),
            "before": before.map(JSONValue.string) ?? .null, "action": .string(action),
        ]
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        let before = try cursor["before"]
        self.init(
            repository: try cursor["repository"].string(), tag: try cursor["tag"].string(),
            digest: try cursor["digest"].string(), before: before.value == .null ? nil : try before.string(),
            action: try cursor["action"].string())
    }
}

extension LoadTally.Counts {
    fileprivate init(_ document: JSONCursor) throws {
        pushed = try .init(document["pushed"])
        skipped = try .init(document["skipped"])
        mounted = try .init(document["mounted"])
        manifestsSent = Int(try document["manifests"]["sent"].int())
        manifestsPresent = Int(try document["manifests"]["present"].int())
        tags = try document["tags"].elements().map { try .init($0) }
        let back = try document["readBack"]
        readBack = .init(
            manifests: Int(try back["manifests"].int()), tags: Int(try back["tags"].int()),
            blobs: Int(try back["blobs"].int()), repaired: Int(try back["repaired"].int()),
            isComplete: try back["complete"].bool())
    }
}
