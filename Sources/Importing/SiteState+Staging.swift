// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

// Which staging tags, and staging manifests by their digest, exist where, so that a later load can remove what a killed
// one left.
extension SiteState {
    /// What a tag of ours is for; the name of the folder that lists them.
    package enum OwnTags: String, Sendable {
        /// Holds content until its final tag is there.
        case staging
        /// Keeps what a moved tag named before.
        case former
    }

    /// Tags of ours that may exist at this address.
    package func stagingTags(of address: String, in kind: OwnTags = .staging) throws -> [Place] {
        let file = file(in: kind.rawValue, of: address)
        guard try file.exists() else { return [] }
        do {
            let limit = 64 << 20
            let document = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
            return try document["tags"].elements().map { entry in
                Place(try entry["repository"].string(), try entry["tag"].string())
            }
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Notes tags that are about to be set.
    func addStagingTags(_ tags: [Place], of address: String, in kind: OwnTags = .staging) throws {
        let known = try stagingTags(of: address, in: kind)
        let added = Set(tags).subtracting(known)
        guard !added.isEmpty else { return }
        try setStagingTags(known + added, of: address, in: kind)
    }

    /// Notes which are left; none removes the file.
    func setStagingTags(_ tags: [Place], of address: String, in kind: OwnTags = .staging) throws {
        let file = file(in: kind.rawValue, of: address)
        guard !tags.isEmpty else { return try file.removeDurably() }
        let entries = tags.map {
            (
                name: $0.description,
                json: ["repository": .string($0.repository), "tag": .string($0.reference)] as JSONValue
            )
        }
        let document: JSONValue = [
            "address": .string(address), "tags": .array(entries.sorted { $0.name < $1.name }.map(\.json)),
        ]
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(with: document.canonicalBytes)
    }

    /// The file about a target in one of the state's folders; an address is no file name.
    func file(in folder: String, of address: String) -> FilePath {
        path.appending(folder).appending("\(Digest(of: Array(address.utf8)).hex.prefix(16)).json")
    }
}
