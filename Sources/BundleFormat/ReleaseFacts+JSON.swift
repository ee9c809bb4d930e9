// SPDX-License-Identifier: Apache-2.0

internal import OCI
package import Trust

extension Release {
    /// The members of `release.json` that are left out where there is nothing to say.
    var factMembers: [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        if let kind { members["kind"] = .string(kind.rawValue) }
        if !needs.isEmpty { members["needs"] = .array(needs.map(\.json)) }
        if isPreview { members["preview"] = true }
        if !upgradesFrom.isEmpty { members["upgradesFrom"] = .array(upgradesFrom.map(JSONValue.string)) }
        if let profile { members["profile"] = profile.json }
        if !fipsEvidence.isEmpty { members["fipsEvidence"] = .array(fipsEvidence.map(\.json)) }
        return members
    }

    mutating func readFacts(_ document: JSONCursor, _ features: [String]) throws {
        kind = try document.optional("kind").map { cursor throws(JSONError) in try cursor.choice(Kind.self) }
        needs = try document.optional("needs")?.elements().map(Name.init) ?? []
        isPreview = try document.optional("preview")?.bool() ?? false
        upgradesFrom = try document.optional("upgradesFrom")?.strings() ?? []
        profile = try document.optional("profile").map(Profile.init)
        fipsEvidence = try document.optional("fipsEvidence")?.elements().map(FIPSEvidence.init) ?? []
        let base = try document["base"]
        self.base = base.value == .null ? nil : try Base(base)
        guard (self.base != nil) == features.contains(Release.deltaFeature) else {
            throw base.invalid("there with the feature \"\(Release.deltaFeature)\", and null without it")
        }
    }
}

extension JSONCursor {
    /// The texts of an array. Throws `JSONError`.
    package func strings() throws(JSONError) -> [String] {
        var texts: [String] = []
        for element in try elements() { texts.append(try element.string()) }
        return texts
    }

    /// One of the values that a type has. Throws `JSONError`.
    package func choice<Value: RawRepresentable<String> & CaseIterable>(_ type: Value.Type) throws(JSONError) -> Value {
        guard let value = Value(rawValue: try string()) else {
            throw invalid("one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }
}

extension Release.Name {
    /// As `release.json` has it.
    package var json: JSONValue { ["product": .string(product), "version": .string(version)] }

    /// Throws `JSONError`.
    package init(_ cursor: JSONCursor) throws {
        self.init(product: try cursor["product"].string(), version: try cursor["version"].string())
    }
}

extension Release.Profile {
    /// As `release.json` has it.
    package var json: JSONValue {
        ["layers": .array(layers.map(\.json)), "platforms": .array(platforms.map(JSONValue.string))]
    }

    /// Throws `JSONError`.
    package init(_ cursor: JSONCursor) throws {
        self.init(
            layers: try cursor["layers"].elements().map(Release.Layer.init),
            platforms: try cursor["platforms"].strings())
    }
}

extension Release.Layer {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "layer": .string(layer), "component": .string(component), "version": .string(version),
            "declared": .bool(isDeclared),
        ]
        if let fips { members["fips"] = .bool(fips) }
        return .object(members)
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            layer: try cursor["layer"].string(), component: try cursor["component"].string(),
            version: try cursor["version"].string(), fips: try cursor.optional("fips")?.bool(),
            isDeclared: try cursor["declared"].bool())
    }
}

extension Release.FIPSEvidence {
    fileprivate var json: JSONValue {
        ["component": .string(component), "statement": .string(statement), "source": .string(source)]
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            component: try cursor["component"].string(), statement: try cursor["statement"].string(),
            source: try cursor["source"].string())
    }
}

extension Release.BundleFacts {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "packs": .array(packs.map(\.json)), "images": .int(Int64(images)),
            "capabilities": .array(capabilities.map(JSONValue.string)),
        ]
        if let version { members["version"] = .string(version) }
        if let agent { members["agent"] = .string(agent) }
        if let fips { members["fips"] = .bool(fips) }
        return .object(members)
    }

    init(_ cursor: JSONCursor) throws {
        self.init()
        version = try cursor.optional("version")?.string()
        agent = try cursor.optional("agent")?.string()
        packs = try cursor["packs"].elements().map(Release.Pack.init)
        images = Int(try cursor["images"].int())
        fips = try cursor.optional("fips")?.bool()
        capabilities = try cursor["capabilities"].strings()
    }
}

extension Release.Pack {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = ["name": .string(name), "version": .string(version)]
        if let fips { members["fips"] = .bool(fips) }
        return .object(members)
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            name: try cursor["name"].string(), version: try cursor["version"].string(),
            fips: try cursor.optional("fips")?.bool())
    }
}

extension Release.ISOFacts {
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "volumeID": .string(volumeID), "bundles": .array(bundles.map(JSONValue.string)),
        ]
        if let kernel { members["kernel"] = .string(kernel) }
        if let os { members["os"] = .string(os) }
        if let edition { members["edition"] = .string(edition) }
        if let version { members["version"] = .string(version) }
        return .object(members)
    }

    init(_ cursor: JSONCursor) throws {
        self.init(volumeID: try cursor["volumeID"].string())
        kernel = try cursor.optional("kernel")?.string()
        os = try cursor.optional("os")?.string()
        edition = try cursor.optional("edition")?.string()
        version = try cursor.optional("version")?.string()
        bundles = try cursor["bundles"].strings()
    }
}

extension Release.Base {
    /// As `release.json` has it.
    package var json: JSONValue {
        [
            "releases": .array(releases.map(\.json)), "sites": .array(sites.map(\.json)),
            "repositories": .array(repositories.map(JSONValue.string)), "label": .string(label),
        ]
    }

    /// Throws `JSONError`.
    package init(_ cursor: JSONCursor) throws {
        self.init()
        releases = try cursor["releases"].elements().map(Release.BaseRelease.init)
        sites = try cursor["sites"].elements().map(Release.BaseSite.init)
        repositories = try cursor["repositories"].strings()
        label = try cursor["label"].string()
        guard Targets.isLabel(label) else { throw try cursor["label"].invalid("a label of letters, digits and ._+-") }
        guard repositories.allSatisfy(Reference.isRepository), Set(repositories).count == repositories.count else {
            throw try cursor["repositories"].invalid("repository names, each once")
        }
    }
}

extension Release.BaseRelease {
    fileprivate var json: JSONValue {
        [
            "product": .string(name.product), "version": .string(name.version), "release": .string(release.hex),
            "index": .string(index.hex),
        ]
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            name: try Release.Name(cursor), release: try cursor["release"].bareDigest(),
            index: try cursor["index"].bareDigest())
    }
}

extension Release.BaseSite {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "target": .string(target), "time": .string(time), "sha256": .string(digest.hex),
        ]
        if let name { members["name"] = .string(name) }
        return .object(members)
    }

    fileprivate init(_ cursor: JSONCursor) throws {
        self.init(
            target: try cursor["target"].string(), time: try cursor["time"].string(),
            digest: try cursor["sha256"].bareDigest())
        name = try cursor.optional("name")?.string()
    }
}
