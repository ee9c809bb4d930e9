// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
package import OCI
package import SystemPackage

/// What a mirror run found under each name: `docs/mirror.md` has its grammar. JSON with sorted members and lists, so that
/// equal content is equal bytes and a version control system shows what changed.
package struct LockFile: Sendable, Equatable, Codable {
    package static let format = 1
    private static let maximumSize = 64 << 20

    /// One reference of a registry.
    package struct Reference: Sendable, Equatable, Codable {
        /// With its tag, or with a digest alone.
        package let name: String
        package let digest: Digest
        package let mediaType: String
        package let size: Int64
        /// The platforms that an index was limited to; absent for all.
        package var platforms: [String]?
        /// What refers to it or to a manifest below it; absent where nobody asked.
        package var referrers: [Descriptor]?
        /// Cosign's tags that belong to it, by tag.
        package var signatureTags: [String: Descriptor]?
    }

    /// Which tags or chart versions a range came to.
    package struct Selection: Sendable, Equatable, Codable {
        package let name: String
        package let wanted: String
        package var tags: [String]
    }

    /// A chart of a classic repository.
    package struct Chart: Sendable, Equatable, Codable {
        /// The reference it got.
        package let name: String
        /// The address of its `.tgz`, without query.
        package let url: String
        /// Of the `.tgz`.
        package let archive: Digest
        /// Of the manifest made for it.
        package let digest: Digest
        package let size: Int64
    }

    /// A file over HTTP(S).
    package struct File: Sendable, Equatable, Codable {
        package let name: String
        /// Without query.
        package let url: String
        package let digest: Digest
        package let size: Int64
        package var entityTag: String?
    }

    package var format = LockFile.format
    package var references: [Reference] = []
    package var selections: [Selection] = []
    package var charts: [Chart] = []
    package var files: [File] = []

    package init() {}

    /// Reads a lock file; `nil` where there is none. Throws `MirrorError.lockUnreadable`, `FileError`.
    package init?(reading path: FilePath) throws {
        guard try path.exists() else { return nil }
        let bytes = try path.contents(limit: LockFile.maximumSize)
        do {
            self = try JSONDecoder().decode(LockFile.self, from: Data(bytes))
        } catch {
            throw MirrorError.lockUnreadable(path, why: "it is no lock file of dray mirror")
        }
        guard format == LockFile.format else {
            throw MirrorError.lockUnreadable(path, why: "it is of format \(format), this is for format 1")
        }
    }

    /// Takes over what another lock file has and this one hasn't.
    mutating func keep(_ other: LockFile) {
        let known = Set(references.map(\.name) + charts.map(\.name) + files.map(\.name))
        references += other.references.filter { !known.contains($0.name) }
        charts += other.charts.filter { !known.contains($0.name) }
        files += other.files.filter { !known.contains($0.name) }
        let asked = selections
        selections += other.selections.filter { old in
            !asked.contains { $0.name == old.name && $0.wanted == old.wanted }
        }
    }

    /// The bytes of the file.
    package func bytes() throws -> [UInt8] {
        var sorted = self
        sorted.references.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        sorted.selections.sort { ($0.name, $0.wanted) < ($1.name, $1.wanted) }
        sorted.charts.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        sorted.files.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        return [UInt8](try encoder.encode(sorted)) + [UInt8(ascii: "\n")]
    }
}
