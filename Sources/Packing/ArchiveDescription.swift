// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import SystemPackage

/// What an archive says of itself that is delivered as a file alone.
struct ArchiveDescription: Codable {
    /// Absent where it could not be read.
    var facts: RegistryFacts?
    /// Why not.
    var fault: String?
}

extension ArchiveIntake {
    /// Reads what an archive says of itself, which is delivered as a file alone: its blobs are not stored. Where it stands on
    /// the medium as it is (`plainName`), it is copied in the same pass, and its digest given.
    ///
    /// An archive that can't be read is no error here, because a file may be anything: the description says why. `ordinal`
    /// is that of its item; the third number after it keeps the description for a run that goes on.
    func describe(
        _ path: FilePath, parts: [FilePath], ordinal: Int, size: UInt64, plainName: String?
    ) throws -> (digest: Digest?, description: ArchiveDescription) {
        let known = try builder.item(ordinal + 3).flatMap { try builder.heldBytes($0.digest) }
            .map { try JSONDecoder().decode(ArchiveDescription.self, from: Data($0)) }
        let volume = try plainName.flatMap { try builder.plainVolume(ordinal, name: $0) }
        if volume == nil, let known {
            if plainName != nil { reader.progress.add(Int(clamping: size)) }
            return (builder.plains[ordinal]?.finished?.digest, known)
        }
        let source = try source(path, parts, ordinal: ordinal, size: size, volume)
        source.isSecond = plainName == nil
        defer { source.release() }
        let description = try describe(source, path)
        let digest = source.finish()
        let bytes = Array(try JSONEncoder().encode(description))
        try builder.hold(Digest(of: bytes), bytes)
        builder.finish(item: ordinal + 3, digest: Digest(of: bytes), size: UInt64(bytes.count))
        if let volume { try builder.finishPlain(ordinal, volume, extents: []) }
        return (digest, description)
    }

    private func describe(_ source: RawSource, _ path: FilePath) throws -> ArchiveDescription {
        var contents = ArchiveContents()
        var description = ArchiveDescription()
        do {
            try contents.read(ArchiveReader { try source.next() })
            description.facts = try contents.facts(name: path.lastComponent?.string ?? "", place: path.string)
        } catch let error as ArchiveError {
            description.fault = error.description
        } catch let error as PackError {
            guard case .notALayout = error else { throw error }
            description.fault = error.description
        }
        // Whatever it was, all of it passes.
        while try source.next() != nil {}
        return description
    }
}
