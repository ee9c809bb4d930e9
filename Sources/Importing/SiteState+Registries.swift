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

    func keep(_ habits: RegistryHabits, of address: String) throws {
        guard try habits != self.habits(of: address) else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let file = file(in: "learned", of: address)
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(with: [UInt8](encoder.encode(habits)))
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

extension UploadSession {
    fileprivate var json: JSONValue {
        [
            "repository": .string(repository), "digest": .string(digest.description), "size": .int(size),
            "location": .string(location), "offset": .int(offset), "started": .int(started),
        ]
    }
}
