// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

// Where tags pointed before a load that may not have come to its receipt moved them.
extension SiteState {
    /// A tag that was about to be moved.
    struct NotedMove: Hashable, Sendable {
        let place: Place
        let before: String
        let digest: String
    }

    /// Moves at this address that stand in no receipt yet.
    func notedMoves(of address: String) throws -> [NotedMove] {
        let file = file(in: "moves", of: address)
        guard try file.exists() else { return [] }
        do {
            let limit = 16 << 20
            let document = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
            return try document["moves"].elements().map { entry in
                NotedMove(
                    place: Place(try entry["repository"].string(), try entry["tag"].string()),
                    before: try entry["before"].string(), digest: try entry["digest"].string())
            }
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Notes moves before they are made. A tag that a stopped load moved already keeps what it was before that.
    func note(_ moves: [NotedMove], of address: String) throws {
        let known = try notedMoves(of: address)
        let first = Dictionary(known.map { ($0.place, $0) }) { old, _ in old }
        let added = moves.map { move in
            guard let earlier = first[move.place], earlier.digest == move.before else { return move }
            return NotedMove(place: move.place, before: earlier.before, digest: move.digest)
        }
        let places = Set(added.map(\.place))
        try setNotedMoves(known.filter { !places.contains($0.place) } + added, of: address)
    }

    /// Keeps only these; none removes the file.
    func setNotedMoves(_ moves: [NotedMove], of address: String) throws {
        let file = file(in: "moves", of: address)
        guard !moves.isEmpty else { return try file.removeDurably() }
        let entries: [JSONValue] = moves.sorted { $0.place.description < $1.place.description }.map { move in
            [
                "repository": .string(move.place.repository), "tag": .string(move.place.reference),
                "before": .string(move.before), "digest": .string(move.digest),
            ]
        }
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(
            with: JSONValue.object(["address": .string(address), "moves": .array(entries)]).canonicalBytes)
    }
}
