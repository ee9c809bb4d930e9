// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage
internal import Trust

/// A prune that was begun, as the state keeps it until its record is written: what a killed one took away must not be forgotten.
struct NotedPrune: Equatable, Sendable {
    /// Names of what is to be removed, with the word for it.
    var steps: [Step] = []
    var releases: [PruneRecord.Gone] = []

    struct Step: Hashable, Sendable {
        var action, name: String
    }

    /// The loads of these releases, by release and end.
    var loads: [String] { releases.flatMap(\.keys) }
}

extension SiteState {
    /// The prune at this address that stands in no record yet.
    func notedPrune(of address: String) throws -> NotedPrune? {
        let file = file(in: "pruning", of: address)
        guard try file.exists() else { return nil }
        do {
            let limit = 64 << 20
            let document = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
            return NotedPrune(
                steps: try document["steps"].elements().map { entry in
                    NotedPrune.Step(action: try entry["action"].string(), name: try entry["name"].string())
                }, releases: try document["releases"].elements().map { entry in try PruneRecord.Gone(entry) })
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Notes a prune before its first step; `nil` when its record is written.
    func note(_ prune: NotedPrune?, of address: String) throws {
        let file = file(in: "pruning", of: address)
        guard let prune else { return try file.removeDurably() }
        let document: JSONValue = [
            "address": .string(address), "releases": .array(prune.releases.map(\.json)),
            "steps": .array(prune.steps.map { ["action": .string($0.action), "name": .string($0.name)] }),
        ]
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(with: document.canonicalBytes)
    }
}
