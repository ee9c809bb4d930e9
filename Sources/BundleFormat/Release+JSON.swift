// SPDX-License-Identifier: Apache-2.0

package import OCI
package import Trust

extension Release {
    /// The bytes of `release.json`.
    package var encoded: [UInt8] {
        var members: [String: JSONValue?] = [
            "format": .int(Release.format), "product": .string(product), "version": .string(version),
            "edition": .string(edition), "supportEnd": supportEnd.map(JSONValue.string),
            "features": .array(features.map(JSONValue.string)), "base": base.map(\.json) ?? .null,
            "index": .object([
                "length": .int(Int64(index.length)), "sha256": .string(index.sha256.hex),
                "sha512": .string(index.sha512),
            ]),
            "volumeSize": .int(Int64(volumeSize)),
            "vendorKeys": .array(vendorKeys.map { .object(["sha256": .string($0.hex)]) }),
            "contents": .array(contents.map(\.json)), "files": .array(files.map(\.json)),
            "references": .array(references.map(\.json)),
            "requires": .object([
                "mediaTypes": .array(requirements.mediaTypes.map(JSONValue.string)),
                "largestBlob": .int(Int64(requirements.largestBlob)),
                "registryBytes": .int(Int64(requirements.registryBytes)), "referrers": .bool(false),
            ]),
        ]
        if !movesTags.isEmpty { members["movesTags"] = .array(movesTags.map(\.json)) }
        let facts = factMembers
        return JSONValue.object(members.compactMapValues(\.self).merging(facts) { $1 }).canonicalBytes
    }

    /// Reads verified bytes. Throws `JSONError`, and `ReleaseError` for another format or an unknown feature.
    package init(parsing bytes: [UInt8]) throws {
        let limits = JSONLimits.document(bytes: Release.maximumSize, values: 5_000_000)
        let document = JSONCursor(try JSONValue(parsing: bytes, limits))
        let format = try document["format"].int()
        guard format == Release.format else { throw ReleaseError.otherFormat(format) }
        let features = try document["features"].elements().map { element throws(JSONError) in try element.string() }
        if let unknown = features.first(where: { $0 != Release.deltaFeature }) {
            throw ReleaseError.unknownFeature(unknown)
        }
        let index = try document["index"]
        self.init(
            product: try document["product"].string(), version: try document["version"].string(),
            edition: try document["edition"].string(),
            index: IndexFile(
                length: UInt64(try index["length"].int()), sha256: try index["sha256"].bareDigest(),
                sha512: try index["sha512"].string()),
            volumeSize: UInt64(try document["volumeSize"].int()))
        supportEnd = try document.optional("supportEnd")?.string()
        vendorKeys = try document["vendorKeys"].elements().map { try $0["sha256"].bareDigest() }
        contents = try document["contents"].elements().map(Content.init)
        files = try document["files"].elements().map(DeliveredFile.init)
        references = try document["references"].elements().map(ReleaseReference.init)
        movesTags = try document.optional("movesTags").map { try Release.tagMoves($0, of: references) } ?? []
        let requires = try document["requires"]
        requirements.mediaTypes = try requires["mediaTypes"].elements().map { try $0.string() }
        requirements.largestBlob = UInt64(try requires["largestBlob"].int())
        requirements.registryBytes = UInt64(try requires["registryBytes"].int())
        try readFacts(document, features)
    }
}

/// Why a genuine `release.json` can't be used by this version.
package enum ReleaseError: Error, Equatable {
    case otherFormat(Int64)
    case unknownFeature(String)
}

extension ReleaseError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .otherFormat(let format): "the bundle has format \(format), this Dray reads 1; use a newer one"
        case .unknownFeature(let name): "the bundle needs the feature \"\(name)\"; use a newer Dray"
        }
    }
}

extension JSONCursor {
    /// A digest written `sha256:<hex>`.
    package func digest() throws -> Digest { try Digest(parsing: string()) }

    /// A SHA-256 written as 64 hex digits.
    package func bareDigest() throws -> Digest {
        guard let digest = Digest(hex: try string()) else { throw invalid("64 lower-case hex digits") }
        return digest
    }

    /// A number of bytes.
    package func size() throws -> UInt64 { UInt64(try int()) }
}

extension Release.Content {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(kind), "name": .string(name), "delivered": .array(delivered.map(JSONValue.string)),
        ]
        if let digest { members["digest"] = .string(digest.description) }
        if let size { members["size"] = .int(Int64(size)) }
        switch vendorSignature {
        case .key(let key): members["vendorSignature"] = .object(["key": .string(key.hex)])
        case .waived: members["vendorSignature"] = .string("none")
        case .notApplicable: break
        }
        if let bundle { members["bundle"] = bundle.json }
        if let iso { members["iso"] = iso.json }
        if isNonFIPSAllowed { members["nonFIPS"] = true }
        return .object(members)
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        let signature: Release.VendorSignature
        switch try cursor.optional("vendorSignature") {
        case nil: signature = .notApplicable
        case let value? where value.value == .string("none"): signature = .waived
        case let value?: signature = .key(try value["key"].bareDigest())
        }
        self.init(
            kind: try cursor["kind"].string(), name: try cursor["name"].string(),
            digest: try cursor.optional("digest")?.digest(), size: try cursor.optional("size")?.size(),
            delivered: try cursor["delivered"].elements().map { try $0.string() }, vendorSignature: signature)
        bundle = try cursor.optional("bundle").map(Release.BundleFacts.init)
        iso = try cursor.optional("iso").map(Release.ISOFacts.init)
        isNonFIPSAllowed = try cursor.optional("nonFIPS")?.bool() ?? false
    }
}

extension Release.DeliveredFile {
    fileprivate var json: JSONValue {
        let signatureValue: JSONValue =
            signature.map {
                .object([
                    "name": .string($0.name), "digest": .string($0.digest.description), "size": .int(Int64($0.size)),
                ])
            } ?? .null
        return .object([
            "name": .string(name), "kind": .string(kind), "digest": .string(digest.description),
            "size": .int(Int64(size)), "signature": signatureValue,
        ])
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        let signature = try cursor["signature"]
        self.init(
            name: try cursor["name"].string(), kind: try cursor["kind"].string(),
            digest: try cursor["digest"].digest(), size: try cursor["size"].size(),
            signature: signature.value == .null
                ? nil
                : Release.SignatureFile(
                    name: try signature["name"].string(), digest: try signature["digest"].digest(),
                    size: try signature["size"].size()))
    }
}

extension ReleaseReference {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "repository": .string(repository), "digest": .string(descriptor.digest.description),
            "mediaType": .string(descriptor.mediaType), "size": .int(descriptor.size), "kind": .string(kind),
            "source": .string(source), "movable": .bool(mayMove),
        ]
        if let tag { members["tag"] = .string(tag) }
        if let images { members["images"] = .array(images.map(JSONValue.string)) }
        if let fips { members["fips"] = .bool(fips) }
        return .object(members)
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            repository: try cursor["repository"].string(), tag: try cursor.optional("tag")?.string(),
            descriptor: Descriptor(
                mediaType: try cursor["mediaType"].string(), digest: try cursor["digest"].digest(),
                size: try cursor["size"].int()),
            kind: try cursor["kind"].string(), source: try cursor["source"].string(),
            mayMove: try cursor["movable"].bool())
        guard Reference.isRepository(repository), tag.map(Reference.isTag) ?? true else {
            throw cursor.invalid("a repository name and a tag")
        }
        images = try cursor.optional("images").map(ReleaseReference.images)
        fips = try cursor.optional("fips")?.bool()
        guard kind == "pack" || images == nil && fips == nil else {
            throw cursor.invalid("a pack, which alone has images and fips")
        }
    }

    /// A pack's images: names as the registry has them, sorted bytewise, each once.
    private static func images(_ cursor: JSONCursor) throws -> [String] {
        var names: [String] = []
        for element in try cursor.elements() {
            let name = try element.string()
            guard isDeliveredName(name) else { throw element.invalid("repository:tag or repository@digest") }
            guard names.last.map({ $0.utf8.lexicographicallyPrecedes(name.utf8) }) ?? true else {
                throw element.invalid("in order, each once")
            }
            names.append(name)
        }
        return names
    }

    private static func isDeliveredName(_ text: String) -> Bool {
        if let at = text.firstIndex(of: "@") {
            let digest = text[text.index(after: at)...]
            return Reference.isRepository(String(text[..<at])) && digest.hasPrefix("sha256:")
                && Digest(hex: digest.dropFirst(7)) != nil
        }
        guard let colon = text.firstIndex(of: ":") else { return false }
        return Reference.isRepository(String(text[..<colon]))
            && Reference.isTag(String(text[text.index(after: colon)...]))
    }
}

extension Release {
    /// The moves, which must be of delivered tags to what they deliver, in order and each once.
    fileprivate static func tagMoves(_ cursor: JSONCursor, of references: [ReleaseReference]) throws -> [TagMove] {
        let delivered = Dictionary(
            references.filter { $0.tag != nil }.map { ($0.name, $0.descriptor.digest) }
        ) { first, _ in first }
        var moves: [TagMove] = []
        for element in try cursor.elements() {
            let move = try TagMove(element)
            guard delivered[move.name] == move.to, move.from != move.to else {
                throw element.invalid("a tag of the release with its digest in \"to\" and another in \"from\"")
            }
            guard moves.last.map({ $0 < move }) ?? true else { throw element.invalid("in order, each once") }
            moves.append(move)
        }
        return moves
    }
}

extension Release.TagMove: Comparable {
    package static func < (left: Release.TagMove, right: Release.TagMove) -> Bool {
        (left.repository, left.tag, left.from) < (right.repository, right.tag, right.from)
    }
}

extension Release.TagMove {
    fileprivate var json: JSONValue {
        [
            "repository": .string(repository), "tag": .string(tag), "from": .string(from.description),
            "to": .string(to.description),
        ]
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            repository: try cursor["repository"].string(), tag: try cursor["tag"].string(),
            from: try cursor["from"].digest(), to: try cursor["to"].digest())
    }
}
