// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
internal import OCI
internal import PaletteSources

/// What the pack layers of a vendor's archive name, found while it passes: which layer is a pack's is known only at its
/// end, and an archive is read once. Kept with the journal, so that a resumed run says the same.
final class PackImageNotes {
    private(set) var lists: [Digest: PackImages] = [:]

    /// Begins with what an earlier run kept.
    init(_ kept: [UInt8]? = nil) throws {
        guard let kept else { return }
        let noted = try JSONDecoder().decode([String: PackImages].self, from: Data(kept))
        for (name, list) in noted { lists[try Digest(parsing: name)] = list }
    }

    init() {}

    /// Looks into a blob that is there in one piece.
    func note(_ digest: Digest, _ blob: Buffer) throws {
        let isCandidate = blob.withBytes { PackLayer.mayBegin(with: $0) }
        guard isCandidate else { return }
        var isGiven = false
        let list = try PackLayer.images {
            defer { isGiven = true }
            return isGiven ? nil : blob
        }
        if let list { lists[digest] = list }
    }

    /// Drops what was found in other layers.
    func keep(only layers: [Digest]) {
        let layers = Set(layers)
        lists = lists.filter { layers.contains($0.key) }
    }

    /// `nil` where nothing was found.
    var encoded: [UInt8]? {
        get throws {
            guard !lists.isEmpty else { return nil }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let named = Dictionary(uniqueKeysWithValues: lists.map { ($0.key.description, $0.value) })
            return Array(try encoder.encode(named))
        }
    }
}
