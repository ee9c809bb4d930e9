// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage
internal import Trust

// Registries that have a name: `targets/<name>.json`, and `<name>.pem` with the authority that is trusted for it.
extension SiteState {
    private var targetsFolder: FilePath { path.appending("targets") }
    private static let targetLimit = 64 << 10

    private func file(of name: String) -> FilePath { targetsFolder.appending("\(name).json") }

    /// Where a target's authority stands.
    package func authorityFile(of name: String) -> FilePath { targetsFolder.appending("\(name).pem") }

    /// The targets that are known, sorted by name.
    package func targets() throws -> [SavedTarget] {
        guard try targetsFolder.exists() else { return [] }
        return try targetsFolder.entries().compactMap { entry in
            guard entry.hasSuffix(".json"), SavedTarget.isName(String(entry.dropLast(5))) else { return nil }
            return try read(String(entry.dropLast(5)))
        }
    }

    /// A target by its name. Throws `TargetError.unknown`, and `StateError.unreadable` for a damaged file.
    package func target(_ name: String) throws -> SavedTarget {
        guard try hasTarget(name) else { throw TargetError.unknown(name, known: try targets().map(\.name)) }
        return try read(name)
    }

    /// Whether there is a target of this name.
    package func hasTarget(_ name: String) throws -> Bool { try SavedTarget.isName(name) && file(of: name).exists() }

    private func read(_ name: String) throws -> SavedTarget {
        let file = file(of: name)
        do {
            return try SavedTarget(
                reading: file.contents(limit: SiteState.targetLimit), name: name,
                authority: authorityFile(of: name).string,
                limit: SiteState.targetLimit)
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Writes the PEM file that `target add` checks with; `removeTarget` takes it away.
    package func keepAuthority(_ pem: [UInt8], of name: String) throws {
        try targetsFolder.createDirectories()
        try authorityFile(of: name).replaceContents(with: pem)
    }

    /// Keeps a target, in one step.
    package func keep(_ target: SavedTarget) throws {
        try targetsFolder.createDirectories()
        try file(of: target.name).replaceContents(with: target.json.canonicalBytes)
    }

    /// Forgets a target and its authority; `false` when there was none.
    @discardableResult
    package func removeTarget(_ name: String) throws -> Bool {
        guard SavedTarget.isName(name) else { throw TargetError.badName(name) }
        let isKnown = try file(of: name).exists()
        guard try targetsFolder.exists() else { return false }
        try file(of: name).removeFile()
        try authorityFile(of: name).removeFile()
        try targetsFolder.syncDirectory()
        return isKnown
    }
}
