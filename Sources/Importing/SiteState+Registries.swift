// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import RegistryClient
internal import SystemPackage
internal import Trust

// What the state keeps about registries between runs: what they take, and uploads that can be gone on with.
extension SiteState {
    /// What was learned about the registry at this address; `nil` where nothing was.
    func habits(of address: String) throws -> RegistryHabits? {
        let file = file(in: "learned", of: address)
        guard try file.exists() else { return nil }
        do {
            return try JSONDecoder().decode(RegistryHabits.self, from: Data(file.contents(limit: 64 << 10)))
        } catch let error as DecodingError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Whether a load into this address was begun here and has not ended well since: then repositories without tags may
    /// hold blobs.
    func hasUnfinishedLoad(of address: String) throws -> Bool { try file(in: "unfinished", of: address).exists() }

    func note(unfinishedLoad isUnfinished: Bool, of address: String) throws {
        let file = file(in: "unfinished", of: address)
        guard isUnfinished else { return try file.removeDurably() }
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(with: JSONValue.object(["address": .string(address)]).canonicalBytes)
    }

    func keep(_ habits: RegistryHabits, of address: String) throws {
        guard try habits != self.habits(of: address) else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let file = file(in: "learned", of: address)
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(with: [UInt8](encoder.encode(habits)))
    }

    /// The builds of packs that were loaded at this address.
    func packBuilds(of address: String) throws -> [Place: PackBuild] {
        let file = file(in: "packs", of: address)
        guard try file.exists() else { return [:] }
        do {
            let limit = 16 << 20
            let document = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
            var builds: [Place: PackBuild] = [:]
            for pack in try document["packs"].elements() {
                let place = Place(try pack["repository"].string(), try pack["tag"].string())
                let digest = try pack["digest"]
                guard let parsed = try? Digest(parsing: digest.string()) else { throw digest.invalid("a digest") }
                builds[place] = PackBuild(parsed, fips: try pack["fips"].bool())
            }
            return builds
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Notes builds of packs that are at this address now.
    func keep(_ builds: [Place: PackBuild], of address: String) throws {
        let known = try packBuilds(of: address)
        let all = known.merging(builds) { $1 }
        guard all != known else { return }
        let packs: [JSONValue] = all.sorted { $0.key.description < $1.key.description }.map { place, build in
            [
                "repository": .string(place.repository), "tag": .string(place.reference),
                "digest": .string(build.digest.description), "fips": .bool(build.fips),
            ]
        }
        let file = file(in: "packs", of: address)
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(
            with: JSONValue.object(["address": .string(address), "packs": .array(packs)]).canonicalBytes)
    }

    /// Sessions at this address, a file for each.
    func uploadJournal(of address: String) -> UploadJournal {
        UploadJournal(
            find: { repository, digest in try upload(at: uploadFile(address, repository, digest), repository, digest) },
            keep: { session in
                let file = uploadFile(address, session.repository, session.digest)
                try file.removingLastComponent().createDirectories()
                // It may hold a token of the registry's own.
                try file.replaceContents(with: session.json.canonicalBytes, mode: 0o600)
            }, drop: { repository, digest in try uploadFile(address, repository, digest).removeFile() })
    }

    /// Removes what a process was writing of a session when it was killed. Under the state's lock alone.
    func removeHalfWrittenUploads() throws {
        let folder = path.appending("uploads")
        guard try folder.exists() else { return }
        for name in try folder.entries() where name.hasPrefix(".") { try folder.appending(name).removeFile() }
    }

    private func uploadFile(_ address: String, _ repository: String, _ digest: Digest) -> FilePath {
        file(in: "uploads", of: "\(address) \(repository)@\(digest)")
    }

    private func upload(at file: FilePath, _ repository: String, _ digest: Digest) throws -> UploadSession? {
        guard try file.exists() else { return nil }
        do {
            let limit = 64 << 10
            let document = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
            let session = UploadSession(
                repository: try document["repository"].string(), digest: digest, size: try document["size"].int(),
                location: try document["location"].string(), offset: try document["offset"].int(),
                started: try document["started"].int())
            guard session.repository == repository, try document["digest"].string() == digest.description,
                session.offset <= session.size
            else { throw StateError.unreadable(file, "it is about another upload") }
            return session
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }
}

extension RegistryContent {
    /// Packs whose build is known.
    var packBuilds: [Place: PackBuild] {
        let builds = items.compactMap { item -> (Place, PackBuild)? in
            guard let tag = item.reference.tag, let fips = item.reference.fips else { return nil }
            return (Place(item.reference.repository, tag), PackBuild(item.reference.descriptor.digest, fips: fips))
        }
        return Dictionary(builds) { $1 }
    }
}

extension UploadSession {
    fileprivate var json: JSONValue {
        [
            "repository": .string(repository), "digest": .string(digest.description), "size": .int(size),
            "location": .string(location), "offset": .int(offset), "started": .int(started),
        ]
    }
}
