// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import SystemPackage
internal import Trust

/// The `index.json` of an OCI image layout; entries of others are kept as they are.
struct LayoutIndex: Sendable, Equatable {
    private var members: [String: JSONValue] = [
        "schemaVersion": 2, "mediaType": .string(MediaType.index),
    ]
    private var entries: [JSONValue] = []

    init() {}

    /// Throws `LayoutError.unreadableIndex`.
    init(parsing bytes: [UInt8]) throws {
        do {
            let value = try JSONValue(parsing: bytes, .document(bytes: 64 << 20))
            guard case .object(let members) = value else { throw JSONCursor(value).invalid("an object") }
            entries = try JSONCursor(value)["manifests"].elements().map(\.value)
            self.members = members
        } catch let error as JSONError {
            throw LayoutError.unreadableIndex("\(error)")
        }
    }

    /// Reads the file; `nil` where there is none. Throws `LayoutError.unreadableIndex`, and `FileError`.
    init?(at file: FilePath) throws {
        guard try file.exists() else { return nil }
        try self.init(parsing: file.contents(limit: 64 << 20))
    }

    var encoded: [UInt8] {
        var members = members
        members["manifests"] = .array(entries)
        return JSONValue.object(members).canonicalBytes
    }

    /// What an entry of this reference name points to.
    func digest(named name: String) -> Digest? {
        entries.first { LayoutIndex.name(of: $0) == name }.flatMap(LayoutIndex.digest)
    }

    /// Points `<repository>:<tag>` at a manifest; a manifest without a name is only listed.
    mutating func set(_ name: String?, to descriptor: Descriptor) {
        var members: [String: JSONValue] = [
            "mediaType": .string(descriptor.mediaType), "digest": .string(descriptor.digest.description),
            "size": .int(descriptor.size),
        ]
        if let type = descriptor.artifactType { members["artifactType"] = .string(type) }
        if let name { members["annotations"] = .object([Descriptor.referenceName: .string(name)]) }
        let entry = JSONValue.object(members)
        if let place = entries.firstIndex(where: { name != nil ? LayoutIndex.name(of: $0) == name : $0 == entry }) {
            entries[place] = entry
        } else {
            entries.append(entry)
        }
    }

    /// Takes a name away; what it named stays a blob.
    mutating func remove(named name: String) { entries.removeAll { LayoutIndex.name(of: $0) == name } }

    /// What follows this beginning in the names that have it.
    func tags(after prefix: String) -> [String] {
        entries.compactMap(LayoutIndex.name).filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    }

    /// Takes away entries of these manifests that have no name.
    mutating func removeUnnamed(_ digests: Set<Digest>) {
        entries.removeAll { entry in
            LayoutIndex.name(of: entry) == nil && LayoutIndex.digest(of: entry).map(digests.contains) == true
        }
    }

    /// The repositories that names hold.
    var repositories: [String] {
        let names = entries.compactMap(LayoutIndex.name).filter { $0.contains(":") }
        return Set(names.map { String($0.prefix { $0 != ":" }) }).sorted()
    }

    /// Whether an entry points to it, with a name or without.
    func lists(_ digest: Digest) -> Bool { entries.contains { LayoutIndex.digest(of: $0) == digest } }

    /// Lists a manifest once: without a name unless an entry has one.
    mutating func addUnnamed(_ descriptor: Descriptor) {
        guard !lists(descriptor.digest) else { return }
        set(nil, to: descriptor)
    }

    /// Names a manifest, which then needs no entry without a name.
    mutating func addNamed(_ name: String, _ descriptor: Descriptor) {
        entries.removeAll { LayoutIndex.name(of: $0) == nil && LayoutIndex.digest(of: $0) == descriptor.digest }
        set(name, to: descriptor)
    }

    /// Takes a name away; what it named stays listed.
    mutating func removeName(_ name: String) {
        guard let place = entries.firstIndex(where: { LayoutIndex.name(of: $0) == name }) else { return }
        let entry = entries.remove(at: place)
        guard let digest = LayoutIndex.digest(of: entry), !lists(digest), case .object(var members) = entry else {
            return
        }
        if case .object(var notes)? = members["annotations"] {
            notes[Descriptor.referenceName] = nil
            members["annotations"] = notes.isEmpty ? nil : .object(notes)
        }
        entries.append(.object(members))
    }

    /// Takes all entries of a manifest away.
    mutating func remove(_ digest: Digest) { entries.removeAll { LayoutIndex.digest(of: $0) == digest } }

    /// The media type that an entry gives a manifest.
    func mediaType(of digest: Digest) -> String? {
        entries.first { LayoutIndex.digest(of: $0) == digest }.flatMap { entry in
            guard case .object(let members) = entry, case .string(let type)? = members["mediaType"] else { return nil }
            return type
        }
    }

    /// What the entries point to.
    var digests: [Digest] { entries.compactMap(LayoutIndex.digest) }

    private static func digest(of entry: JSONValue) -> Digest? {
        guard case .object(let members) = entry, case .string(let digest)? = members["digest"] else { return nil }
        return try? Digest(parsing: digest)
    }

    private static func name(of entry: JSONValue) -> String? {
        guard case .object(let members) = entry, case .object(let annotations)? = members["annotations"],
            case .string(let name)? = annotations[Descriptor.referenceName]
        else { return nil }
        return name
    }
}

extension Manifest {
    /// The type that a child of an index says itself, or that its members tell (image-spec 1.1, "mediaType" of manifest and
    /// index).
    static func mediaType(of bytes: [UInt8]) -> String {
        struct Document: Decodable {
            struct Anything: Decodable {}
            var mediaType: String?
            var manifests: [Anything]?
        }
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(bytes)) else { return "" }
        return document.mediaType ?? (document.manifests == nil ? MediaType.manifest : MediaType.index)
    }
}
